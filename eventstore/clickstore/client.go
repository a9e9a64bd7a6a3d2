package clickstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/proto"
)

// client speaks ClickHouse's HTTP interface, with rows in its format Native, column by
// column: questions read millions of rows, and a driver that makes a value of every cell
// takes longer for them than the engine.
type client struct {
	http     *http.Client
	url      url.URL // without parameters
	user     string
	password string
	settings url.Values // of every statement
}

// Exception is an error of ClickHouse.
type Exception struct {
	Code int // system.errors has their names
	Text string
}

func (e *Exception) Error() string { return e.Text }

// The codes that this package tells apart.
const (
	codeUnknownTable    = 60
	codeUnknownDatabase = 81
	codeTooManyRows     = 158
	codeTimeout         = 159
	codeTooSlow         = 160
	codeMemory          = 241
	codeTooManyBytes    = 307
)

// isCode reports whether err is an exception of one of the codes.
func isCode(err error, codes ...int) bool {
	var e *Exception
	if !errors.As(err, &e) {
		return false
	}
	for _, code := range codes {
		if e.Code == code {
			return true
		}
	}
	return false
}

// newClient reads an address such as http://user:password@host:8123.
func newClient(address string) (*client, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("want http://USER:PASSWORD@HOST:PORT, or https")
	}
	c := &client{http: &http.Client{Transport: transport()}, url: *u, settings: u.Query()}
	if c.url.User != nil {
		c.user = c.url.User.Username()
		c.password, _ = c.url.User.Password()
	}
	c.url.User, c.url.RawQuery = nil, ""
	if c.url.Path == "" {
		c.url.Path = "/"
	}
	for name, value := range map[string]string{
		"default_format": "Native",
		// A row is on the disk when the server answers.
		"async_insert": "0", "wait_end_of_query": "0",
		// What is not there is an empty value, not a null.
		"join_use_nulls": "0",
		// Statements have long lists in them.
		"max_query_size": "268435456", "max_ast_elements": "10000000", "max_expanded_ast_elements": "10000000",
	} {
		if !c.settings.Has(name) {
			c.settings.Set(name, value)
		}
	}
	return c, nil
}

func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 16
	return t
}

func (c *client) close() { c.http.CloseIdleConnections() }

// settings change how one statement runs.
type settings map[string]string

// post sends a statement, whose rows stand in the body if there is one. The answer's body
// is the caller's to close.
func (c *client) post(ctx context.Context, statement string, body []byte, set settings) (*http.Response, error) {
	parameters := maps.Clone(c.settings)
	for name, value := range set {
		parameters.Set(name, value)
	}
	if body == nil {
		body = []byte(statement)
	} else {
		parameters.Set("query", statement)
	}
	u := c.url
	u.RawQuery = parameters.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if c.user != "" {
		request.Header.Set("X-ClickHouse-User", c.user)
		request.Header.Set("X-ClickHouse-Key", c.password)
	}
	request.Header.Set("User-Agent", "weir")
	response, err := c.http.Do(request)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // the address has the whole statement in it
		}
		return nil, fmt.Errorf("reach ClickHouse: %w", err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxException))
	if err != nil {
		return nil, fmt.Errorf("reach ClickHouse: %w", err)
	}
	if e := exceptionIn(text); e != nil {
		return nil, e
	}
	return nil, fmt.Errorf("reach ClickHouse: it answers %s: %.200s", response.Status, text)
}

// maxException is about how long the text of an exception can be.
const maxException = 64 << 10

var exceptionText = regexp.MustCompile(`Code: ([0-9]+)\. `)

// exceptionIn finds the exception at the end of an answer: one that comes after the first
// rows follows them.
func exceptionIn(text []byte) *Exception {
	at := exceptionText.FindSubmatchIndex(text)
	if at == nil {
		return nil
	}
	code, err := strconv.Atoi(string(text[at[2]:at[3]]))
	if err != nil {
		return nil
	}
	message, _, _ := strings.Cut(string(text[at[0]:]), "\r\n__exception__")
	return &Exception{Code: code, Text: strings.TrimSpace(message)}
}

// exec runs a statement without an answer.
func (c *client) exec(ctx context.Context, statement string, set settings) error {
	return c.query(ctx, statement, set, nil, nil)
}

// insert adds rows to a table, in one block.
func (c *client) insert(ctx context.Context, table string, columns []proto.InputColumn, set settings) error {
	if len(columns) == 0 || columns[0].Data.Rows() == 0 {
		return nil
	}
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = quoteName(column.Name)
	}
	var buffer proto.Buffer
	block := proto.Block{Columns: len(columns), Rows: columns[0].Data.Rows()}
	if err := block.EncodeRawBlock(&buffer, noRevision, columns); err != nil {
		return fmt.Errorf("insert into %s: %w", table, err)
	}
	statement := fmt.Sprintf("INSERT INTO %s (%s) FORMAT Native", table, strings.Join(names, ", "))
	response, err := c.post(ctx, statement, buffer.Buf, set)
	if err != nil {
		return fmt.Errorf("insert into %s: %w", table, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxException))
	if err != nil {
		return fmt.Errorf("insert into %s: reach ClickHouse: %w", table, err)
	}
	if e := exceptionIn(text); e != nil {
		return fmt.Errorf("insert into %s: %w", table, e)
	}
	return nil
}

// noRevision is the revision of blocks on HTTP, if none is asked for.
const noRevision = 0

// query runs a statement and calls fn for each block of its answer, which is in into
// then. It ends with the first error of fn.
func (c *client) query(ctx context.Context, statement string, set settings, into proto.Results, fn func() error) error {
	response, err := c.post(ctx, statement, nil, set)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	tail := &tailReader{from: response.Body}
	r := proto.NewReader(tail)
	for {
		columns, err := r.Int()
		if errors.Is(err, io.EOF) {
			return nil
		}
		rows := 0
		if err == nil {
			rows, err = r.Int()
		}
		if err == nil {
			err = into.DecodeResult(r, noRevision, proto.Block{Columns: columns, Rows: rows})
		}
		if err != nil {
			return c.broken(ctx, tail, err)
		}
		if rows == 0 || fn == nil {
			continue
		}
		if err := fn(); err != nil {
			return err
		}
	}
}

// broken says why an answer is not what it should be.
func (c *client) broken(ctx context.Context, tail *tailReader, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(tail, maxException)) // an exception's end
	if e := exceptionIn(tail.last); e != nil {
		return e
	}
	return fmt.Errorf("read answer of ClickHouse: %w", err)
}

// tailReader remembers what it has read last.
type tailReader struct {
	from io.Reader
	last []byte
}

func (t *tailReader) Read(p []byte) (int, error) {
	n, err := t.from.Read(p)
	switch {
	case n >= maxException:
		t.last = append(t.last[:0], p[n-maxException:n]...)
	default:
		if excess := len(t.last) + n - maxException; excess > 0 {
			t.last = t.last[:copy(t.last, t.last[excess:])]
		}
		t.last = append(t.last, p[:n]...)
	}
	return n, err
}
