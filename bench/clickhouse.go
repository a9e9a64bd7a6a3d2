package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/bench/chdb"
)

// libraries is where npm puts ClickHouse's engine.
const libraries = "bench/chdb/node_modules/@chdb/lib-*/libchdb.so"

// What ClickHouse is given. The columns have types of their own where JSON would be
// slower, a country has a number besides its text, and there is no column for the
// workspace.
const (
	peopleStructure = "person UInt32, country String, place UInt8, plan String, age UInt8"
	eventStructure  = "name String, person UInt32, at Int64, session UInt32, browser String, page String, amount Float64, plan String"
	eventColumns    = "toDate(fromUnixTimestamp64Micro(at, 'UTC')), name, person, fromUnixTimestamp64Micro(at, 'UTC'), session, browser, page, amount, plan"
)

const (
	eventTable = `CREATE TABLE %s (
		day Date, name LowCardinality(String), person UInt32, ts DateTime64(6, 'UTC'), session UInt32,
		browser LowCardinality(String), page LowCardinality(String), amount Float64, plan LowCardinality(String)
	) ENGINE = MergeTree ORDER BY (%s)`
	peopleTable = `CREATE TABLE people (person UInt32, country LowCardinality(String), place UInt8, plan LowCardinality(String), age UInt8) ENGINE = MergeTree ORDER BY person`
	dictionary  = `CREATE DICTIONARY traits (person UInt64, country String, place UInt8, plan String, age UInt8)
		PRIMARY KEY person SOURCE(CLICKHOUSE(TABLE 'people')) LAYOUT(FLAT(MAX_ARRAY_SIZE 100000000)) LIFETIME(0)`
)

// sortOrder is how ClickHouse's table is sorted: one order serves all questions, as it
// does in Weir. It is the one that is usual for events; the workspace, which would come first, is left out.
const sortOrder = "name, day, person, ts"

// clickhouse is ClickHouse's engine in a process of its own. It is used by one
// goroutine.
type clickhouse struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
	folder  string
}

// demand is a statement for that process.
type demand struct {
	SQL string `json:"sql"`
	// Times is how often it is run. What it takes is told of all but the first.
	Times int `json:"times"`
}

// reply is what the process answers, with the times as they are inside of it.
type reply struct {
	Text  string          `json:"text"`
	Took  []time.Duration `json:"took"`
	Error string          `json:"error"`
}

// findLibrary is the path of the library, or "".
func findLibrary() string {
	found, err := filepath.Glob(libraries)
	if err != nil || len(found) == 0 {
		return ""
	}
	return found[0]
}

// startClickHouse starts the engine with an empty database in a folder.
func startClickHouse(ctx context.Context, library, folder string) (*clickhouse, error) {
	self, err := selfPath()
	if err != nil {
		return nil, err
	}
	c := &clickhouse{command: exec.CommandContext(ctx, self, "clickhouse", "-library", library, "-folder", filepath.Join(folder, "database")), folder: folder}
	c.command.Stderr = os.Stderr
	if c.in, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = json.NewDecoder(out)
	if err := c.command.Start(); err != nil {
		return nil, fmt.Errorf("start ClickHouse: %w", err)
	}
	return c, nil
}

// run runs a statement so many times.
func (c *clickhouse) run(sql string, times int) (reply, error) {
	var r reply
	if err := json.NewEncoder(c.in).Encode(demand{sql, times}); err != nil {
		return r, fmt.Errorf("ask ClickHouse: %w", err)
	}
	if err := c.out.Decode(&r); err != nil {
		return r, fmt.Errorf("read ClickHouse's answer: %w", err)
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

// close ends the process.
func (c *clickhouse) close() error {
	err := c.in.Close()
	return errors.Join(err, c.command.Wait())
}

// clickhouseProcess answers one demand after the other until its input ends.
func clickhouseProcess(args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet("clickhouse", flag.ContinueOnError)
	library := flags.String("library", "", "libchdb.so")
	folder := flags.String("folder", "", "the database's folder")
	if err := flags.Parse(args); err != nil {
		return err
	}
	engine, err := chdb.Open(*library, *folder)
	if err != nil {
		return err
	}
	defer engine.Close()
	demands, replies := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var d demand
		if err := demands.Decode(&d); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read demand: %w", err)
		}
		if err := replies.Encode(obey(engine, d)); err != nil {
			return fmt.Errorf("reply: %w", err)
		}
	}
}

func obey(engine *chdb.Engine, d demand) (r reply) {
	for n := range d.Times {
		start := time.Now()
		text, err := engine.Query(d.SQL)
		if err != nil {
			return reply{Error: err.Error()}
		}
		if n > 0 {
			r.Took = append(r.Took, time.Since(start))
		}
		r.Text = text
	}
	return r
}

// best asks in every way that there is, warm, and tells of the fastest one how long it
// takes: of so many times.
func (c *clickhouse) best(statements []string, times int) (best reply, err error) {
	var fastest string
	least := time.Duration(math.MaxInt64)
	for _, statement := range statements {
		sql := strings.ReplaceAll(statement, "{events}", "events") + fmt.Sprintf(" SETTINGS max_threads = %d", threads)
		r, err := c.run(sql, 2)
		if err != nil {
			return reply{}, err
		}
		if r.Took[0] < least {
			fastest, least = sql, r.Took[0]
		}
	}
	return c.run(fastest, 1+times)
}

// fill writes the same events and people as Weir has, and leaves them as ClickHouse
// reads them best: sorted, in one part.
func (c *clickhouse) fill(h history) error {
	if err := c.do(peopleTable, fmt.Sprintf(eventTable, "events", sortOrder)); err != nil {
		return err
	}
	if err := c.insert("people", peopleStructure, "*", func(w *bufio.Writer) error {
		for person := uint32(1); person <= uint32(h.people); person++ {
			t := traitsOf(person)
			writeNumber(w, uint64(person), 4)
			writeText(w, t.country)
			writeNumber(w, uint64(1+slices.Index(countries[:], t.country)), 1)
			writeText(w, t.plan)
			writeNumber(w, uint64(t.age), 1)
		}
		return nil
	}); err != nil {
		return err
	}
	for n := range h.blocks() {
		if err := c.insert("events", eventStructure, eventColumns, func(w *bufio.Writer) error {
			return h.block(n, func(e happening) error {
				writeEvent(w, e)
				return nil
			})
		}); err != nil {
			return err
		}
	}
	return c.do("OPTIMIZE TABLE people FINAL", "OPTIMIZE TABLE events FINAL", dictionary)
}

// do runs statements that answer nothing.
func (c *clickhouse) do(statements ...string) error {
	for _, sql := range statements {
		if _, err := c.run(sql, 1); err != nil {
			return err
		}
	}
	return nil
}

// writeEvent writes a row of eventStructure.
func writeEvent(w *bufio.Writer, e happening) {
	writeText(w, e.name())
	writeNumber(w, uint64(e.person), 4)
	writeNumber(w, uint64(e.at), 8)
	writeNumber(w, uint64(e.session), 4)
	writeText(w, e.browser())
	writeText(w, e.page())
	writeNumber(w, math.Float64bits(e.amount), 8)
	writeText(w, e.plan())
}

// insert gives rows to ClickHouse by way of a file.
func (c *clickhouse) insert(table, structure, columns string, write func(*bufio.Writer) error) error {
	path := filepath.Join(c.folder, "rows")
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 1<<20)
	if err := errors.Join(write(w), w.Flush(), file.Close()); err != nil {
		return fmt.Errorf("write rows for ClickHouse: %w", err)
	}
	_, err = c.run(fmt.Sprintf("INSERT INTO %s SELECT %s FROM file('%s', RowBinary, '%s')", table, columns, path, structure), 1)
	return errors.Join(err, os.Remove(path))
}

func writeText(w *bufio.Writer, s string) {
	w.WriteByte(byte(len(s))) // a varint; all texts are shorter than 128 bytes
	w.WriteString(s)
}

func writeNumber(w *bufio.Writer, n uint64, size int) {
	w.Write(binary.LittleEndian.AppendUint64(w.AvailableBuffer(), n)[:size])
}

// figures are the numbers of an answer, without the columns that name them.
func (r reply) figures(keys int) ([]float64, error) {
	var all []float64
	for line := range strings.Lines(r.Text) {
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(columns) <= keys {
			continue // the empty line before the totals
		}
		for _, text := range columns[keys:] {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return nil, fmt.Errorf("read ClickHouse's answer: %w", err)
			}
			all = append(all, n)
		}
	}
	return all, nil
}
