package duckstore

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/duckdb/duckdb-go/v2/mapping"
)

// chunks runs a statement and calls fn for each chunk of its result, whose columns are
// read in place. The driver makes a value of every cell, which for millions of rows
// takes longer than the engine does.
//
// Values of arguments are texts.
func (r *reader) chunks(ctx context.Context, statement string, args arguments, fn func(*chunk) error) error {
	return r.conn.Raw(func(c any) error {
		conn, err := handleOf(c)
		if err != nil {
			return err
		}
		var prepared mapping.PreparedStatement
		defer mapping.DestroyPrepare(&prepared)
		if mapping.Prepare(conn, statement, &prepared) == mapping.StateError {
			return engineError(mapping.PrepareError(prepared))
		}
		for i, arg := range args {
			text, ok := arg.(string)
			if !ok {
				return fmt.Errorf("argument %d is a %T", i+1, arg)
			}
			if mapping.BindVarcharLength(prepared, mapping.IdxT(i+1), text, mapping.IdxT(len(text))) == mapping.StateError {
				return fmt.Errorf("bind argument %d: %s", i+1, mapping.PrepareError(prepared))
			}
		}
		var pending mapping.PendingResult
		defer mapping.DestroyPending(&pending)
		if mapping.PendingPrepared(prepared, &pending) == mapping.StateError {
			return engineError(mapping.PendingError(pending))
		}
		// Its end is waited for: an interrupt that comes late would end what the
		// connection does next.
		over := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			mapping.Interrupt(conn)
			close(over)
		})
		work(pending)
		if !stop() {
			<-over
		}
		var result mapping.Result
		defer mapping.DestroyResult(&result)
		if mapping.ExecutePending(pending, &result) == mapping.StateError {
			return engineError(mapping.ResultError(&result))
		}
		return eachChunk(ctx, result, fn)
	})
}

func eachChunk(ctx context.Context, result mapping.Result, fn func(*chunk) error) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := &chunk{data: mapping.FetchChunk(result)}
		if c.data.Ptr == nil {
			return nil
		}
		c.rows = int(mapping.DataChunkGetSize(c.data))
		var err error
		if c.rows > 0 {
			err = fn(c)
		}
		mapping.DestroyDataChunk(&c.data)
		if err != nil {
			return err
		}
	}
}

// chunk is some rows of a result. What its methods return may be read until fn ends.
type chunk struct {
	data mapping.DataChunk
	rows int
}

// column is a column's values; T must be its type in memory. Those of rows that are null
// have no meaning: valid tells.
func column[T any](c *chunk, i int) []T {
	vector := mapping.DataChunkGetVector(c.data, mapping.IdxT(i))
	return unsafe.Slice((*T)(mapping.VectorGetData(vector)), c.rows)
}

// valid has a bit for each row that is not null; it is nil if none is.
func (c *chunk) valid(i int) []uint64 {
	vector := mapping.DataChunkGetVector(c.data, mapping.IdxT(i))
	bits := mapping.VectorGetValidity(vector)
	if bits == nil {
		return nil
	}
	return unsafe.Slice((*uint64)(bits), (c.rows+63)/64)
}

func isSet(valid []uint64, row int) bool { return valid == nil || valid[row/64]&(1<<(row%64)) != 0 }

// engineText is a text as the engine has it in a column: its length, and the bytes, or if
// they are many, the first four and where they all are.
type engineText [16]byte

func (t *engineText) bytes() []byte {
	length := *(*uint32)(unsafe.Pointer(t))
	if length <= inlined {
		return t[4 : 4+length]
	}
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&t[8])), length)
}
