package pgstate

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/document"
)

// database is a schema and what its errors mean.
type database struct {
	schema string
	log    *slog.Logger
}

// deadPeer is after how long a connection over which nothing comes back is given up,
// at both ends: the database rolls back what was open, and frees the users.
const deadPeer = 15 * time.Second

// prepare reads the options, brings the schema up to date, and makes the settings of
// the pools.
func (d *database) prepare(ctx context.Context, o Options, folder string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(o.DSN)
	if err != nil {
		return nil, fmt.Errorf("read the address of the database: %w", err) // pgx leaves the password out
	}
	dialer := &net.Dialer{
		Timeout:         5 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: deadPeer / 3, Interval: deadPeer / 3, Count: 2},
		Control:         giveUp,
	}
	config.ConnConfig.DialFunc = dialer.DialContext
	config.ConnConfig.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		d.log.Debug("notice of the database", "message", n.Message, "code", n.Code)
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 10 * time.Second
	}
	set := func(settings map[string]string) {
		for name, value := range settings {
			if _, chosen := config.ConnConfig.RuntimeParams[name]; !chosen {
				config.ConnConfig.RuntimeParams[name] = value
			}
		}
	}
	config.ConnConfig.RuntimeParams["search_path"] = pgx.Identifier{d.schema}.Sanitize()
	set(map[string]string{"application_name": "weir"})
	if err := d.migrate(ctx, config.ConnConfig, folder); err != nil {
		return nil, err
	}
	// The statements were written for one kind of plan: look-ups in indexes, for each
	// value of a list. What else the planner may think of is slower, if never analysed
	// tables or short lists mislead it, and takes long to plan over partitions.
	set(map[string]string{
		"default_transaction_isolation": "read committed",
		"plan_cache_mode":               "force_generic_plan",
		"enable_seqscan":                "off",
		"enable_bitmapscan":             "off",
		"enable_hashjoin":               "off",
		"enable_mergejoin":              "off",
		"jit":                           "off",
	})
	milliseconds := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	set(map[string]string{
		"statement_timeout":                   milliseconds(o.StatementTimeout),
		"lock_timeout":                        milliseconds(o.LockTimeout),
		"idle_in_transaction_session_timeout": milliseconds(o.IdleTimeout),
		"client_connection_check_interval":    milliseconds(deadPeer / 3),
		"tcp_user_timeout":                    milliseconds(deadPeer),
		"tcp_keepalives_idle":                 strconv.Itoa(int(deadPeer.Seconds()) / 3),
		"tcp_keepalives_interval":             strconv.Itoa(int(deadPeer.Seconds()) / 3),
		"tcp_keepalives_count":                "2",
	})
	return config, nil
}

// lockSpace sets the advisory locks of a schema apart from those of others.
func (d *database) lockSpace() int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte("weir " + d.schema)) // never fails
	return int32(h.Sum32())
}

// SQLSTATEs that say something to this package.
const (
	codeDiskFull     = "53100"
	codeDeadlock     = "40P01"
	codeSerialize    = "40001"
	codeLockTimeout  = "55P03"
	codeDamagedData  = "XX001"
	codeDamagedIndex = "XX002"
)

func codeOf(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// explain gives an error the meaning that the contract knows.
func (d *database) explain(operation string, err error) error {
	var user *weir.Error
	code := codeOf(err)
	switch {
	case err == nil || errors.As(err, &user):
		return err
	case code == codeDiskFull:
		return fmt.Errorf("%s: %w (%w)", operation, state.ErrFull, err)
	case code == codeDamagedData || code == codeDamagedIndex || errors.Is(err, document.ErrMalformed):
		return &weir.Error{
			Code:    "state_damaged",
			Message: fmt.Sprintf("schema %s of the database is damaged; restore it from a backup, or drop it and make the state anew from the archive", d.schema),
			Err:     fmt.Errorf("%s: %w (%w)", operation, state.ErrDamaged, err),
		}
	}
	return fmt.Errorf("%s: %w", operation, err)
}

// isLost reports whether an error ended the connection, or there was none.
func isLost(err error) bool {
	var e *pgconn.PgError
	var connect *pgconn.ConnectError
	var network net.Error
	if errors.As(err, &connect) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	// Class 57: the administrator ended it, or the server stops. 25P03: it was idle in
	// a transaction for too long. 08: the connection failed.
	if errors.As(err, &e) {
		return len(e.Code) == 5 && (e.Code[:4] == "57P0" || e.Code == "25P03" || e.Code[:2] == "08")
	}
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err)
}

// maxAttempts bounds how often is tried what failed for no reason of its own.
const maxAttempts = 5

// repeat calls fn again while its connection was lost: a pool may have several that are
// not known to be lost yet. What fn does may be done twice.
func repeat(fn func() error) (err error) {
	for range maxAttempts {
		if err = fn(); err == nil || !isLost(err) {
			return err
		}
	}
	return err
}

// send runs statements in one round trip, and ends with the first error, also one of
// what the statements were queued with.
func send(ctx context.Context, conn interface {
	SendBatch(context.Context, *pgx.Batch) pgx.BatchResults
}, batch *pgx.Batch,
) error {
	if batch.Len() == 0 {
		return nil
	}
	return conn.SendBatch(ctx, batch).Close()
}

// each calls fn to scan every row of a query.
func each(rows pgx.Rows, fn func(pgx.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
