package duckstore

import (
	"context"
	"fmt"
	"time"

	duckdb "github.com/duckdb/duckdb-go/v2"
	"github.com/duckdb/duckdb-go/v2/mapping"
)

// exec executes statements without results on the writer's connection. Each is done
// once it is begun, whatever becomes of ctx.
//
// The engine may give a statement's work to another of its threads, and the caller
// of the driver then asks in a loop, without a pause, whether it is finished: a
// checkpoint, or a commit that waits for the disk, would keep a second processor
// busy with nothing. So the tasks are asked for here, with pauses.
func (w *workspace) exec(ctx context.Context, statements string) error {
	return w.conn.Raw(func(c any) error {
		conn, err := handleOf(c)
		if err != nil {
			return err
		}
		var extracted mapping.ExtractedStatements
		defer mapping.DestroyExtracted(&extracted)
		n := mapping.ExtractStatements(conn, statements, &extracted)
		if n == 0 {
			return fmt.Errorf("read statements: %w", engineError(mapping.ExtractStatementsError(extracted)))
		}
		for i := range n {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := execute(conn, extracted, i); err != nil {
				return err
			}
		}
		return nil
	})
}

func execute(conn mapping.Connection, statements mapping.ExtractedStatements, i mapping.IdxT) error {
	var prepared mapping.PreparedStatement
	defer mapping.DestroyPrepare(&prepared)
	if mapping.PrepareExtractedStatement(conn, statements, i, &prepared) == mapping.StateError {
		return engineError(mapping.PrepareError(prepared))
	}
	var pending mapping.PendingResult
	defer mapping.DestroyPending(&pending)
	if mapping.PendingPrepared(prepared, &pending) == mapping.StateError {
		return engineError(mapping.PendingError(pending))
	}
	work(pending)
	var result mapping.Result
	defer mapping.DestroyResult(&result)
	if mapping.ExecutePending(pending, &result) == mapping.StateError {
		return engineError(mapping.ResultError(&result))
	}
	return nil
}

const (
	firstPause = 20 * time.Microsecond
	mostPause  = time.Millisecond
)

// work does a statement's tasks, and waits while others do the last of them.
func work(pending mapping.PendingResult) {
	pause := firstPause
	for {
		switch mapping.PendingExecuteTask(pending) {
		case mapping.PendingStateResultNotReady:
			pause = firstPause
		case mapping.PendingStateNoTasksAvailable:
			time.Sleep(pause)
			pause = min(2*pause, mostPause)
		default: // it is done, or failed, which executing it tells
			return
		}
	}
}

// engineError is an error as the driver gives it. The engine says the type in front
// of its text.
func engineError(text string) error {
	for prefix, t := range errorTypes {
		if len(text) > len(prefix) && text[:len(prefix)] == prefix {
			return &duckdb.Error{Type: t, Msg: text}
		}
	}
	return &duckdb.Error{Type: duckdb.ErrorTypeInvalid, Msg: text}
}

// errorTypes are the types of errors that this package tells apart.
var errorTypes = map[string]duckdb.ErrorType{
	"Catalog Error: ":       duckdb.ErrorTypeCatalog,
	"Connection Error: ":    duckdb.ErrorTypeConnection,
	"FATAL Error: ":         duckdb.ErrorTypeFatal,
	"INTERRUPT Error: ":     duckdb.ErrorTypeInterrupt,
	"Permission Error: ":    duckdb.ErrorTypePermission,
	"Serialization Error: ": duckdb.ErrorTypeSerialization,
}
