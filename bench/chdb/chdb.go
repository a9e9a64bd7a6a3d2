// Package chdb runs ClickHouse's engine in this process, out of the shared library
// libchdb. The library brings an allocator, signal handlers and threads of its own,
// so that a process that runs another engine too should leave it to a process of
// its own.
package chdb

/*
#cgo LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

#ifndef RTLD_DEEPBIND
#define RTLD_DEEPBIND 0
#endif

static void **(*chdb_connect)(int, char **);
static void (*chdb_close_conn)(void **);
static void *(*chdb_query_n)(void *, const char *, size_t, const char *, size_t);
static char *(*chdb_result_buffer)(void *);
static size_t (*chdb_result_length)(void *);
static const char *(*chdb_result_error)(void *);
static void (*chdb_destroy_query_result)(void *);

// load_chdb is NULL, or what is wrong. The library looks for symbols in itself
// first: those of the same name in this program are of other versions.
static const char *load_chdb(const char *path) {
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
	if (library == NULL) return dlerror();
#define FIND(name) if ((*(void **)&name = dlsym(library, #name)) == NULL) return dlerror();
	FIND(chdb_connect)
	FIND(chdb_close_conn)
	FIND(chdb_query_n)
	FIND(chdb_result_buffer)
	FIND(chdb_result_length)
	FIND(chdb_result_error)
	FIND(chdb_destroy_query_result)
#undef FIND
	return NULL;
}

static void **connect(int count, char **arguments) { return chdb_connect(count, arguments); }
static void disconnect(void **connection) { chdb_close_conn(connection); }
static void *query(void **connection, const char *sql, size_t length, const char *format, size_t format_length) {
	return chdb_query_n(*connection, sql, length, format, format_length);
}
static char *buffer(void *result) { return chdb_result_buffer(result); }
static size_t length(void *result) { return chdb_result_length(result); }
static const char *error(void *result) { return chdb_result_error(result); }
static void destroy(void *result) { chdb_destroy_query_result(result); }
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"unsafe"
)

// Engine is a database that is open, with a connection of its own. It is used by one
// goroutine.
type Engine struct {
	Connection
	folder string
}

// Connection is a session with the engine: what SET and USE say holds for it alone. It is
// used by one goroutine at a time, several connections at once.
type Connection struct{ handle *unsafe.Pointer }

// Open loads the library and opens the database in a folder, which it makes if it
// is not there. A process can have one engine in all its life; the goroutine that
// calls Open stays on its thread from then on.
func Open(library, folder string) (*Engine, error) {
	runtime.LockOSThread()
	path := C.CString(library)
	defer C.free(unsafe.Pointer(path))
	if fault := C.load_chdb(path); fault != nil {
		return nil, fmt.Errorf("load ClickHouse's library: %s", C.GoString(fault))
	}
	e := &Engine{folder: folder}
	connection, err := e.Connect()
	if err != nil {
		return nil, err
	}
	e.Connection = *connection
	return e, nil
}

// Connect makes another connection.
func (e *Engine) Connect() (*Connection, error) {
	arguments := []*C.char{C.CString("clickhouse"), C.CString("--path=" + e.folder)}
	defer func() {
		for _, a := range arguments {
			C.free(unsafe.Pointer(a))
		}
	}()
	handle := C.connect(C.int(len(arguments)), &arguments[0])
	if handle == nil || *handle == nil {
		return nil, fmt.Errorf("open ClickHouse's database in %s: the library gives no reason", e.folder)
	}
	return &Connection{handle}, nil
}

// Query runs one statement. The answer has a line for each row, with tabs between
// the columns; totals are the last line, after an empty one.
func (c *Connection) Query(sql string) (string, error) {
	answer, err := c.Run(sql, "TabSeparated")
	return string(answer), err
}

// Run runs one statement and gives its answer in one of ClickHouse's formats. Behind an
// INSERT with a format stand the rows.
func (c *Connection) Run(sql, format string) ([]byte, error) {
	text, name := C.CString(sql), C.CString(format)
	defer C.free(unsafe.Pointer(text))
	defer C.free(unsafe.Pointer(name))
	result := C.query(c.handle, text, C.size_t(len(sql)), name, C.size_t(len(format)))
	if result == nil {
		return nil, errors.New("ask ClickHouse: no result")
	}
	defer C.destroy(result)
	if fault := C.error(result); fault != nil {
		return nil, fmt.Errorf("ask ClickHouse: %s", strings.TrimSpace(C.GoString(fault)))
	}
	return C.GoBytes(unsafe.Pointer(C.buffer(result)), C.int(C.length(result))), nil
}

// Close closes the connection, of an Engine also the database: it cannot be used
// afterwards.
func (c *Connection) Close() {
	C.disconnect(c.handle)
}
