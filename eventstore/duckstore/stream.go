package duckstore

/*
void weirGiveRows(void *info, void *input, void *output);
*/
import "C"

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// stream runs fn over rows where the engine has them, in its own threads, instead of
// over a result, which would be written by one and read by another. Each thread's fn
// is one that open makes; it is used by one thread at a time. columns and the text
// behind them are those of a SELECT. fn's first error ends it.
//
// The engine does so by a function of ours, give_rows, which is given the columns of
// some rows at a time. It stands in an aggregate, behind all conditions: the engine
// puts conditions in an order of its own, but aggregates only what holds.
func (r *reader) stream(ctx context.Context, columns []string, from string, args arguments, open func() func(*chunk) error) error {
	s := &rowStream{open: open}
	number := lastStream.Add(1)
	streams.Store(number, s)
	defer streams.Delete(number)
	statement := fmt.Sprintf("SELECT count(give_rows(%s, %d::UBIGINT)) %s", strings.Join(columns, ", "), number, from)
	err := r.chunks(ctx, statement, args, func(*chunk) error { return nil })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	return err
}

// streams are those under way, by number: the engine calls back with nothing but a
// number.
var (
	streams    sync.Map // uint64 -> *rowStream
	lastStream atomic.Uint64
)

type rowStream struct {
	open func() func(*chunk) error
	mu   sync.Mutex
	idle []func(*chunk) error
	err  error // the first
}

// take gives rows to an fn that no other thread uses.
func (s *rowStream) take(c *chunk) error {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return s.err
	}
	var fn func(*chunk) error
	if n := len(s.idle); n > 0 {
		fn, s.idle = s.idle[n-1], s.idle[:n-1]
	}
	s.mu.Unlock()
	if fn == nil {
		fn = s.open()
	}
	err := fn(c)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, fn)
	if err != nil && s.err == nil {
		s.err = err
	}
	return err
}

//export weirGiveRows
func weirGiveRows(info, input, _ unsafe.Pointer) {
	err := giveRows(&chunk{data: mapping.DataChunk{Ptr: input}})
	if err != nil {
		mapping.ScalarFunctionSetError(mapping.FunctionInfo{Ptr: info}, err.Error())
	}
}

func giveRows(c *chunk) (err error) {
	defer func() {
		if p := recover(); p != nil { // it would end the program: the engine's threads have nobody else to catch it
			err = fmt.Errorf("give rows: %v", p)
		}
	}()
	if c.rows = int(mapping.DataChunkGetSize(c.data)); c.rows == 0 {
		return nil
	}
	number := column[uint64](c, int(mapping.DataChunkGetColumnCount(c.data))-1)[0]
	s, ok := streams.Load(number)
	if !ok {
		return errors.New("give rows: nobody takes them")
	}
	return s.(*rowStream).take(c)
}

// registerGiveRows makes the function known to an engine.
func registerGiveRows(ctx context.Context, db *sql.DB) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return conn.Raw(func(c any) error {
		handle, err := handleOf(c)
		if err != nil {
			return err
		}
		f := mapping.CreateScalarFunction()
		defer mapping.DestroyScalarFunction(&f)
		anything, boolean := mapping.CreateLogicalType(mapping.TypeAny), mapping.CreateLogicalType(mapping.TypeBoolean)
		defer mapping.DestroyLogicalType(&anything)
		defer mapping.DestroyLogicalType(&boolean)
		mapping.ScalarFunctionSetName(f, "give_rows")
		mapping.ScalarFunctionSetVarargs(f, anything)
		mapping.ScalarFunctionSetReturnType(f, boolean)
		mapping.ScalarFunctionSetSpecialHandling(f) // rows with nulls are rows, too
		mapping.ScalarFunctionSetVolatile(f)        // it does something
		mapping.ScalarFunctionSetFunction(f, C.weirGiveRows)
		if mapping.RegisterScalarFunction(handle, f) == mapping.StateError {
			return errors.New("register give_rows")
		}
		return nil
	})
}
