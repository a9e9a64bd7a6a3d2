// Package chdbserver answers ClickHouse's HTTP interface out of the engine's shared
// library, so that tests can run the real driver against the real engine where there is
// no server. It is no server for anything else: it knows one user, and no limits.
//
// The engine belongs to a process for all its life, so that a server should have a
// process of its own.
package chdbserver

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weirhq/weir/bench/chdb"
)

// Server is an http.Handler over an engine.
type Server struct {
	engine *chdb.Engine
	folder string
	last   atomic.Uint64 // number of the last request

	// The library has been seen to stand still for ever when several connections were made
	// or wrote at the same time: they take turns.
	writing, connecting sync.Mutex

	mu   sync.Mutex
	idle map[string][]*chdb.Connection // by what was set on them
}

// Open opens the database in a folder with the library, once in the life of a process.
func Open(library, folder string) (*Server, error) {
	engine, err := chdb.Open(library, folder)
	if err != nil {
		return nil, err
	}
	return &Server{engine: engine, folder: folder, idle: map[string][]*chdb.Connection{}}, nil
}

// ServeHTTP implements http.Handler. A statement stands in the parameter query, the rest
// of it in the body; other parameters are settings, and param_x the values of {x:Type}.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // whoever asked is gone
	}
	if r.URL.Path == "/ping" {
		_, _ = io.WriteString(w, "Ok.\n")
		return
	}
	parameters := r.URL.Query()
	statement, done, err := s.statement(parameters.Get("query"), body)
	if err != nil {
		refuse(w, err)
		return
	}
	defer done()
	w.Header().Set("X-ClickHouse-Server-Display-Name", "chdb")
	answer, err := s.run(r, parameters, statement)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("X-ClickHouse-Format", parameters.Get("default_format"))
	w.Header().Set("X-ClickHouse-Summary", "{}")
	_, _ = w.Write(answer)
}

var insertFormat = regexp.MustCompile(` FORMAT \w+$`)

// statement puts a request's statement together. Rows go into a file, which done removes:
// the library does not read all of those that stand behind a statement.
func (s *Server) statement(text string, body []byte) (statement string, done func(), err error) {
	done = func() {}
	switch at := insertFormat.FindStringIndex(text); {
	case text == "" || len(body) == 0:
		return text + string(body), done, nil
	case at == nil:
		return text + "\n" + string(body), done, nil
	default:
		file, err := os.CreateTemp(s.folder, "rows-")
		if err != nil {
			return "", done, err
		}
		done = func() { _ = os.Remove(file.Name()) }
		_, err = file.Write(body)
		if err = errors.Join(err, file.Close()); err != nil {
			done()
			return "", func() {}, err
		}
		return text[:at[0]] + " FROM INFILE " + quoteText(file.Name()) + text[at[0]:], done, nil
	}
}

// run runs a statement with its settings. It ends when whoever asked is gone.
func (s *Server) run(r *http.Request, parameters url.Values, statement string) ([]byte, error) {
	if text, ok := strings.CutSuffix(statement, " SYNC"); ok && strings.HasPrefix(text, "DROP ") {
		statement = text // the library has nobody who drops in the background, so that it would wait for ever
	}
	number := s.last.Add(1)
	set, reusable := settings(parameters)
	c, err := s.connection(set)
	if err != nil {
		return nil, err
	}
	tag := fmt.Sprintf("request %d", number)
	if _, err := c.Query("SET log_comment = '" + tag + "'"); err != nil {
		s.disconnect(c)
		return nil, err
	}
	done := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-r.Context().Done():
			s.kill(tag)
		case <-done:
		}
	})
	answer, err := s.turn(c, statement, formatOf(parameters))
	close(done)
	watch.Wait()
	if err != nil || !reusable {
		s.disconnect(c)
		return answer, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.Join(set, ";")
	s.idle[key] = append(s.idle[key], c)
	return answer, nil
}

var reads = regexp.MustCompile(`(?i)^\s*(SELECT|WITH|EXPLAIN|SHOW|\()`)

// turn runs a statement; those that do not only read take turns.
func (s *Server) turn(c *chdb.Connection, statement, format string) ([]byte, error) {
	if !reads.MatchString(statement) {
		s.writing.Lock()
		defer s.writing.Unlock()
	}
	return c.Run(statement, format)
}

func (s *Server) connect() (*chdb.Connection, error) {
	s.connecting.Lock()
	defer s.connecting.Unlock()
	return s.engine.Connect()
}

func (s *Server) disconnect(c *chdb.Connection) {
	s.connecting.Lock()
	defer s.connecting.Unlock()
	c.Close()
}

func formatOf(parameters url.Values) string {
	if format := parameters.Get("default_format"); format != "" {
		return format
	}
	return "TabSeparated"
}

// kill ends a statement on another connection.
func (s *Server) kill(tag string) {
	c, err := s.connection(nil)
	if err != nil {
		return
	}
	defer s.disconnect(c)
	_, _ = c.Query("KILL QUERY WHERE Settings['log_comment'] = '" + tag + "' ASYNC") // it may be over already
}

// connection takes an idle one with these settings, or makes one.
func (s *Server) connection(set []string) (*chdb.Connection, error) {
	key := strings.Join(set, ";")
	s.mu.Lock()
	if list := s.idle[key]; len(list) > 0 {
		c := list[len(list)-1]
		s.idle[key] = list[:len(list)-1]
		s.mu.Unlock()
		return c, nil
	}
	s.mu.Unlock()
	c, err := s.connect()
	if err != nil {
		return nil, err
	}
	for _, statement := range set {
		if _, err := c.Query(statement); err != nil {
			s.disconnect(c)
			return nil, err
		}
	}
	return c, nil
}

// notSettings are parameters of the protocol.
var notSettings = []string{
	"query", "database", "default_format", "client_protocol_version", "query_id", "quota_key", "user", "password", "session_id", "wait_end_of_query", "compress", "decompress",
	"cancel_http_readonly_queries_on_client_close",
}

// settings are the statements that prepare a connection. One that had values of
// parameters is not used again.
func settings(parameters url.Values) (set []string, reusable bool) {
	reusable = true
	if database := parameters.Get("database"); database != "" {
		set = append(set, "USE "+quoteName(database))
	}
	names := make([]string, 0, len(parameters))
	for name := range parameters {
		if !slices.Contains(notSettings, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for i, name := range names {
		if name == "readonly" { // last: it forbids further settings
			names = append(slices.Delete(names, i, i+1), name)
			break
		}
	}
	for _, name := range names {
		if strings.HasPrefix(name, "param_") {
			reusable = false
		}
		set = append(set, "SET "+quoteName(name)+" = "+quoteText(parameters.Get(name)))
	}
	return set, reusable
}

func quoteName(name string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(name) + "`"
}

func quoteText(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

var exceptionCode = regexp.MustCompile(`Code: ([0-9]+)\. `)

// refuse answers with the engine's error, as the server does.
func refuse(w http.ResponseWriter, err error) {
	text := strings.TrimPrefix(err.Error(), "ask ClickHouse: ")
	status := http.StatusInternalServerError
	code := exceptionCode.FindStringSubmatch(text)
	if code == nil {
		code = []string{"", "1001"} // an exception of the standard library
		text = "Code: 1001. DB::Exception: " + text
	}
	switch code[1] {
	case "46", "47", "60", "62", "81":
		status = http.StatusNotFound
	}
	w.Header().Set("X-ClickHouse-Exception-Code", code[1])
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}

// Close closes the database. No request may be under way.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, list := range s.idle {
		for _, c := range list {
			c.Close()
		}
	}
	clear(s.idle)
	s.engine.Close()
}
