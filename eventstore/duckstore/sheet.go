package duckstore

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"unsafe"

	duckdb "github.com/duckdb/duckdb-go/v2"
	"github.com/duckdb/duckdb-go/v2/mapping"
)

// sheet takes rows to the engine, as columns of a chunk that is written in place.
// The driver's own appender sets one value at a time through an interface, and
// calls the engine for every null: for a row of seventy columns, most of them null,
// that took longer than all that the engine does with it.
//
// All values of a row are null until they are set.
type sheet struct {
	appender mapping.Appender
	types    []mapping.LogicalType
	chunk    mapping.DataChunk
	columns  []sheetColumn
	capacity int
	n        int // the row that is being filled
	texts    *arena
	err      error // the first
}

// sheetColumn is a column of the chunk.
type sheetColumn struct {
	typ   duckdb.Type
	size  uintptr // of an element
	vec   mapping.Vector
	data  unsafe.Pointer
	valid []uint64 // a bit per row
	list  mapping.IdxT
}

// elementSize is how many bytes an element of a column takes, by type. Others are
// not in our tables.
func elementSize(t duckdb.Type) uintptr {
	switch t {
	case duckdb.TYPE_BOOLEAN, duckdb.TYPE_UTINYINT:
		return 1
	case duckdb.TYPE_USMALLINT:
		return 2
	case duckdb.TYPE_UINTEGER:
		return 4
	case duckdb.TYPE_BIGINT, duckdb.TYPE_DOUBLE:
		return 8
	case duckdb.TYPE_VARCHAR, duckdb.TYPE_LIST:
		return 16
	}
	return 0
}

// append adds n rows to a table. fill sets the values of row i.
func (w *workspace) append(table string, n int, fill func(i int, s *sheet)) error {
	if n == 0 {
		return nil
	}
	err := w.fill(n, fill, func(conn mapping.Connection, s *sheet) error {
		if mapping.AppenderCreateExt(conn, strings.Trim(w.schema, `"`), "main", table, &s.appender) == mapping.StateError {
			return s.failure()
		}
		for i := range mapping.AppenderColumnCount(s.appender) {
			s.types = append(s.types, mapping.AppenderColumnType(s.appender, i))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("append to %s: %w", table, err)
	}
	return nil
}

// run executes a statement with a table of n rows, which takes the engine less time
// than to parse them. The columns are named a, b, … and have the types given.
func (w *workspace) run(statement, table string, types []duckdb.Type, n int, fill func(i int, s *sheet)) error {
	if n == 0 {
		return nil
	}
	return w.fill(n, fill, func(conn mapping.Connection, s *sheet) error {
		names := make([]string, len(types))
		for i, t := range types {
			names[i] = string(rune('a' + i))
			s.types = append(s.types, mapping.CreateLogicalType(t))
		}
		if mapping.AppenderCreateQuery(conn, statement, s.types, table, names, &s.appender) == mapping.StateError {
			return s.failure()
		}
		return nil
	})
}

// fill makes a sheet, fills it and gives it to the engine.
func (w *workspace) fill(n int, fill func(i int, s *sheet), create func(mapping.Connection, *sheet) error) error {
	return w.conn.Raw(func(c any) (err error) {
		conn, err := handleOf(c)
		if err != nil {
			return err
		}
		s := &sheet{texts: &w.texts}
		defer s.close()
		if err := create(conn, s); err != nil {
			return err
		}
		if err := s.open(); err != nil {
			return err
		}
		for i := range n {
			fill(i, s)
			if err := s.next(i == n-1); err != nil {
				// What it holds must not be written when it is destroyed.
				mapping.AppenderClear(s.appender)
				return err
			}
		}
		if mapping.AppenderFlush(s.appender) == mapping.StateError {
			err := s.failure()
			mapping.AppenderClear(s.appender)
			return err
		}
		return nil
	})
}

// handleOf is the engine's handle of a driver's connection. The driver has no
// accessor for it, and no other way to append a chunk.
func handleOf(conn any) (mapping.Connection, error) {
	c, ok := conn.(*duckdb.Conn)
	if !ok {
		return mapping.Connection{}, fmt.Errorf("connection is a %T", conn)
	}
	handle := reflect.ValueOf(c).Elem().FieldByName("conn")
	if !handle.IsValid() || handle.Type() != reflect.TypeFor[mapping.Connection]() {
		return mapping.Connection{}, errors.New("the driver keeps its connection otherwise than this program knows")
	}
	return mapping.Connection{Ptr: handle.FieldByName("Ptr").UnsafePointer()}, nil
}

// failure is the appender's error, as the driver would give it.
func (s *sheet) failure() error {
	data := mapping.AppenderErrorData(s.appender)
	defer mapping.DestroyErrorData(&data)
	return &duckdb.Error{Type: duckdb.ErrorType(mapping.ErrorDataErrorType(data)), Msg: mapping.ErrorDataMessage(data)}
}

func (s *sheet) open() error {
	s.columns = make([]sheetColumn, len(s.types))
	for i, t := range s.types {
		c := &s.columns[i]
		c.typ = mapping.GetTypeId(t)
		if c.size = elementSize(c.typ); c.size == 0 {
			return fmt.Errorf("column %d has a type that is not expected", i)
		}
		if c.typ == duckdb.TYPE_LIST {
			child := mapping.ListTypeChildType(t)
			of := mapping.GetTypeId(child)
			mapping.DestroyLogicalType(&child)
			if of != duckdb.TYPE_VARCHAR {
				return fmt.Errorf("column %d is not a list of texts", i)
			}
		}
	}
	s.chunk = mapping.CreateDataChunk(s.types)
	s.capacity = duckdb.GetDataChunkCapacity()
	s.begin()
	return nil
}

// begin makes all rows of the chunk null.
func (s *sheet) begin() {
	mapping.DataChunkSetSize(s.chunk, mapping.IdxT(s.capacity))
	for i := range s.columns {
		c := &s.columns[i]
		c.vec = mapping.DataChunkGetVector(s.chunk, mapping.IdxT(i))
		c.data = mapping.VectorGetData(c.vec)
		mapping.VectorEnsureValidityWritable(c.vec)
		c.valid = unsafe.Slice((*uint64)(mapping.VectorGetValidity(c.vec)), (s.capacity+63)/64)
		clear(c.valid)
		c.list = 0
	}
	s.n = 0
}

// next ends a row. A chunk that is full, or that is the last, goes to the engine.
func (s *sheet) next(last bool) error {
	if s.err != nil {
		return s.err
	}
	if s.n++; s.n < s.capacity && !last {
		return nil
	}
	mapping.DataChunkSetSize(s.chunk, mapping.IdxT(s.n))
	if mapping.AppendDataChunk(s.appender, s.chunk) == mapping.StateError {
		return s.failure()
	}
	s.texts.clear() // the engine has copies
	if !last {
		mapping.DataChunkReset(s.chunk)
		s.begin()
	}
	return nil
}

func (s *sheet) close() {
	s.texts.clear()
	if s.chunk.Ptr != nil {
		mapping.DestroyDataChunk(&s.chunk)
	}
	for i := range s.types {
		mapping.DestroyLogicalType(&s.types[i])
	}
	mapping.AppenderDestroy(&s.appender)
}

// cell is a column, if it has elements of that size.
func (s *sheet) cell(column int, size uintptr, text, list bool) *sheetColumn {
	if column < 0 || column >= len(s.columns) {
		s.err = errors.Join(s.err, fmt.Errorf("column %d of %d", column, len(s.columns)))
		return nil
	}
	c := &s.columns[column]
	if c.size != size || text != (c.typ == duckdb.TYPE_VARCHAR) || list != (c.typ == duckdb.TYPE_LIST) {
		if s.err == nil {
			s.err = fmt.Errorf("column %d does not hold such values", column)
		}
		return nil
	}
	c.valid[s.n/64] |= 1 << (s.n % 64)
	return c
}

// put sets a value of the row.
func put[T bool | uint8 | uint16 | uint32 | int64 | float64](s *sheet, column int, v T) {
	if c := s.cell(column, unsafe.Sizeof(v), false, false); c != nil {
		*(*T)(unsafe.Add(c.data, uintptr(s.n)*c.size)) = v
	}
}

// text sets a text of the row.
func (s *sheet) text(column int, text string) {
	if c := s.cell(column, 16, true, false); c != nil {
		s.texts.put(unsafe.Add(c.data, uintptr(s.n)*c.size), clean(text))
	}
}

// list sets a list of texts of the row.
func (s *sheet) list(column int, texts []string) {
	c := s.cell(column, 16, false, true)
	if c == nil {
		return
	}
	*(*[2]uint64)(unsafe.Add(c.data, uintptr(s.n)*c.size)) = [2]uint64{uint64(c.list), uint64(len(texts))}
	size := c.list + mapping.IdxT(len(texts))
	if mapping.ListVectorReserve(c.vec, size) == mapping.StateError || mapping.ListVectorSetSize(c.vec, size) == mapping.StateError {
		s.err = errors.Join(s.err, fmt.Errorf("column %d has no room for a list", column))
		return
	}
	data := mapping.VectorGetData(mapping.ListVectorGetChild(c.vec))
	for i, text := range texts {
		s.texts.put(unsafe.Add(data, uintptr(c.list+mapping.IdxT(i))*16), clean(text))
	}
	c.list = size
}

// arena holds texts where the engine may read them: in memory that does not move
// while it does.
type arena struct {
	blocks [][]byte
	used   int // blocks
	at     int // in the last of them
	pins   runtime.Pinner
}

const (
	arenaBlock = 256 << 10
	inlined    = 12 // bytes of a text that the engine keeps in the vector itself
)

// put writes a text as the engine keeps it: length, and the bytes or, if they are
// many, the first four and where they all are.
func (a *arena) put(at unsafe.Pointer, text string) {
	cell := unsafe.Slice((*byte)(at), 16)
	clear(cell)
	*(*uint32)(at) = uint32(len(text))
	if len(text) <= inlined {
		copy(cell[4:], text)
		return
	}
	copy(cell[4:8], text)
	// As a number: the garbage collector has no business there.
	*(*uintptr)(unsafe.Add(at, 8)) = uintptr(unsafe.Pointer(a.keep(text)))
}

// keep copies a text and returns where to.
func (a *arena) keep(text string) *byte {
	if a.used == 0 || len(a.blocks[a.used-1])-a.at < len(text) {
		if a.used == len(a.blocks) || len(a.blocks[a.used]) < len(text) {
			a.blocks = append(a.blocks[:a.used], make([]byte, max(arenaBlock, len(text))))
		}
		a.pins.Pin(&a.blocks[a.used][0])
		a.used, a.at = a.used+1, 0
	}
	to := a.blocks[a.used-1][a.at:]
	a.at += copy(to, text)
	return &to[0]
}

// arenaKept is how many blocks are kept for the next chunk.
const arenaKept = 8

// clear gives all memory back. The engine must be done with it.
func (a *arena) clear() {
	a.pins.Unpin()
	a.blocks = a.blocks[:min(len(a.blocks), arenaKept)]
	a.used, a.at = 0, 0
}
