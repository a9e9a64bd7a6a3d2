package duckstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/duckstore"
	"github.com/weirhq/weir/query"
)

// A name of WITH stands for a table only where the engine knows it. Elsewhere the same
// name is a view of the engine's own catalogue, which lists every workspace's file, or a
// file.
func TestSQLNamesOfWithHoldWhereTheEngineKnowsThem(t *testing.T) {
	s := sqlStore(t)
	for _, statement := range []string{
		"WITH a AS (SELECT * FROM duckdb_databases), duckdb_databases AS (SELECT 1) SELECT * FROM a",
		"WITH duckdb_databases AS (SELECT * FROM duckdb_databases) SELECT * FROM duckdb_databases",
		"WITH sqlite_master AS MATERIALIZED (SELECT * FROM sqlite_master) SELECT * FROM sqlite_master",
		"WITH RECURSIVE pg_tables AS (SELECT * FROM pg_tables) SELECT * FROM pg_tables",
		"WITH RECURSIVE pg_tables AS (SELECT * FROM pg_tables UNION ALL SELECT 1) SELECT * FROM pg_tables",
		`WITH a AS (SELECT * FROM "/data/other.duckdb"), "/data/other.duckdb" AS (SELECT 1) SELECT * FROM a`,
		"SELECT * FROM (WITH duckdb_tables AS (SELECT 1) SELECT * FROM duckdb_tables), duckdb_tables",
		"WITH \"duc\u212Adb_databases\" AS (SELECT 1) SELECT * FROM duckdb_databases",
	} {
		if answer, err := ask(t, s, statement); !refused(err) {
			t.Errorf("%q: %v, %+v", statement, err, answer)
		}
	}
	for statement, want := range map[string]string{
		"WITH a AS (SELECT 1 AS x), b AS (SELECT * FROM A) SELECT * FROM b":                                       "[[1]]",
		"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT * FROM t":             "[[1],[2],[3]]",
		"WITH a AS (SELECT 1 AS x) SELECT x FROM a UNION ALL SELECT x FROM (SELECT x FROM a)":                     "[[1],[1]]",
		"WITH a AS (WITH b AS (SELECT 2 AS x) SELECT * FROM b) SELECT (SELECT max(x) FROM a) AS m FROM a":         "[[2]]",
		"SELECT count(*) FROM generate_series(DATE '2026-01-01', DATE '2026-01-03', INTERVAL 1 DAY), unnest([1])": "[[3]]",
	} {
		answer, err := ask(t, s, statement)
		if err != nil {
			t.Errorf("%s: %v", statement, err)
			continue
		}
		if got, _ := json.Marshal(answer.Rows); string(got) != want {
			t.Errorf("%s: %s, want %s", statement, got, want)
		}
	}
}

// Functions that plan or say something of other files, or make much of little.
func TestSQLRefusesFunctions(t *testing.T) {
	s := sqlStore(t)
	for _, call := range []string{
		"json_serialize_plan('SELECT * FROM w_other.events')", "json_deserialize_sql('{}')", "get_block_size('w_other')", "pg_get_viewdef(1)", "pg_sleep(1)",
		"len(range(1000000000))", "generate_series(1, 1000000000)", "length(repeat('x', 1000000000))", "lpad('x', 1000000000, 'y')", "rpad('x', 1000000 * 1000, 'y')",
		"list_resize([1], 1000000000)", "levenshtein('a', 'b')", "bitstring('1', 1000000000)",
	} {
		if answer, err := ask(t, s, "SELECT "+call); !refused(err) {
			t.Errorf("%s: %v, %+v", call, err, answer)
		}
	}
	if answer, err := ask(t, s, "SELECT lpad('7', 3, '0')"); err != nil || fmt.Sprint(answer.Rows) != "[[007]]" {
		t.Errorf("%v, %v", answer, err)
	}
}

// Statements that the engine would plan for minutes, without an eye for an interrupt, or
// with gigabytes.
func TestSQLThatIsTooDeepIsRefusedAtOnce(t *testing.T) {
	s := sqlStore(t)
	nest := func(open, inner, shut string, n int) string {
		return "SELECT " + strings.Repeat(open, n) + inner + strings.Repeat(shut, n)
	}
	for what, statement := range map[string]string{
		"sum":       nest("1+", "1", "", 900),
		"lists":     nest("[", "1", "]", 900),
		"exists":    nest("EXISTS (SELECT 1 WHERE ", "true", ")", 50),
		"lambdas":   nest("list_transform([1], lambda x: ", "1", ")", 49),
		"macros":    nest("nullif(", "1", ", 2)", 30),
		"cases":     nest("CASE ", "1", " WHEN 1 THEN 1 WHEN 2 THEN 2 WHEN 3 THEN 3 END", 14),
		"subselect": nest("1 FROM (SELECT ", "1", ")", 200),
		"unions":    strings.TrimSuffix(strings.Repeat("SELECT 1 UNION ALL ", 10_000), " UNION ALL "),
		"joins":     "SELECT count(*) FROM events" + strings.Repeat(", events", 500),
		"columns":   "SELECT 1" + strings.Repeat(", 1", 100_000),
		"brackets":  nest("(", "1", ")", 100_000),
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := s.Ask(ctx, "mine", &query.Plan{SQL: &query.SQL{Text: statement, Rows: 10}})
		cancel()
		if !refused(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, statement := range []string{
		nest("1+", "1", "", 60), nest("CASE ", "1", " WHEN 1 THEN 2 END", 3), nest("EXISTS (SELECT 1 WHERE ", "true", ")", 5), nest("nullif(", "1", ", 2)", 4),
		"SELECT CASE event WHEN 'a' THEN 1 WHEN 'b' THEN 2 WHEN 'c' THEN 3 ELSE 4 END, CASE WHEN event = 'x' THEN 1 END FROM events",
	} {
		if _, err := ask(t, s, statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

func TestSQLSaysEveryTypeOrRefusesIt(t *testing.T) {
	s := sqlStore(t)
	for expression, want := range map[string]string{
		"DATE '2026-10-01'":                           `"2026-10-01"`,
		"TIME '10:00:01.5'":                           `"10:00:01.5"`,
		"UUID '9b0a308c-4b17-4948-8953-8132f66a5748'": `"9b0a308c-4b17-4948-8953-8132f66a5748"`,
		"INTERVAL 36 HOUR":                            `"0 months 0 days 129600000000 microseconds"`,
		"union_value(k := 1)":                         `1`,
		"MAP {'b': 1, 'a': 'NaN'::DOUBLE}":            `{"a":null,"b":1}`,
		"'NaN'::DOUBLE":                               `null`,
		"['inf'::FLOAT]":                              `[null]`,
		"'101'::BIT":                                  `"101"`,
		"'a'::ENUM('a', 'b')":                         `"a"`,
		"[[1], NULL]":                                 `[[1],null]`,
		"{'a': [{'b': NULL}]}":                        `{"a":[{"b":null}]}`,
	} {
		answer, err := ask(t, s, "SELECT "+expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if got, err := json.Marshal(answer.Rows); err != nil || string(got) != "[["+want+"]]" {
			t.Errorf("%s: %s, %v; want %s", expression, got, err, want)
		}
	}
	for _, expression := range []string{"1::VARIANT", "MAP {[1]: 2}"} {
		if answer, err := ask(t, s, "SELECT "+expression); !refused(err) {
			t.Errorf("%s: %v, %+v", expression, err, answer)
		}
	}
}

func refused(err error) bool {
	var fault *weir.Error
	return errors.As(err, &fault) && fault.Code == query.CodeInvalid && fault.Field == "sql"
}

// A statement may make long texts; the answer has bounds nevertheless.
func TestSQLAnswerIsCutToItsBytes(t *testing.T) {
	s := sqlStore(t)
	const long = "SELECT replace(lpad('', 10000, 'x'), 'x', lpad('', %d, 'y')) FROM range(9)"
	answer, err := ask(t, s, fmt.Sprintf(long, 600))
	if err != nil || len(answer.Rows) != 5 || !answer.Truncated {
		t.Fatalf("%d rows, %v", len(answer.Rows), err)
	}
	if _, err := ask(t, s, fmt.Sprintf(long, 4000)); !refused(err) {
		t.Fatal(err)
	}
}

// Whoever may send events names their properties: no name makes the tables unreadable.
func TestSQLLivesWithAnyName(t *testing.T) {
	s, err := duckstore.Open(t.TempDir(), &duckstore.Options{Columns: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var properties []weir.Property
	for i := range 40 { // more than there are columns for
		properties = append(properties, weir.Property{Name: fmt.Sprintf("p%d\x00'\"x", i), Value: weir.Num(float64(i))})
	}
	for _, name := range []string{"a\x00b", "A\x00B", `q"uo.te'`, "TIME", "Person", strings.Repeat("x", 512), "$1", "?", "--", "/*"} {
		properties = append(properties, weir.Property{Name: name, Value: weir.Text("v")})
	}
	var events []weir.Event
	for i, name := range []string{"*", "$other", "a'b", "n\x00l", `\`} {
		events = append(events, weir.Event{Position: weir.At(0, uint64(i)+1), Time: 1_790_000_000e6, Name: name, Identity: 1, Person: 1, Properties: properties})
	}
	err = s.Write(t.Context(), "mine", &eventstore.Batch{Applied: map[int]uint64{0: 9}, Events: events, People: []weir.Person{{Number: 1, ID: "a", Traits: properties}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"SELECT * FROM events", "SELECT * FROM users", "SELECT * FROM orders", `SELECT "a` + "\uFFFD" + `b" FROM events WHERE event = '*'`} {
		if _, err := ask(t, s, statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
}
