package duckstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/duckstore"
	"github.com/weirhq/weir/query"
)

// sqlStore has two workspaces, of which one must not see the other.
func sqlStore(t *testing.T) *duckstore.Store {
	t.Helper()
	s, err := duckstore.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	properties := func(pairs ...any) []weir.Property {
		var out []weir.Property
		for i := 0; i < len(pairs); i += 2 {
			v := weir.Value{}
			switch value := pairs[i+1].(type) {
			case string:
				v = weir.Text(value)
			case int:
				v = weir.Num(float64(value))
			}
			out = append(out, weir.Property{Name: pairs[i].(string), Value: v})
		}
		return out
	}
	for _, ws := range []weir.WorkspaceID{"mine", "other"} {
		err := s.Write(t.Context(), ws, &eventstore.Batch{
			Applied: map[int]uint64{0: 3},
			Events: []weir.Event{
				{Position: weir.At(0, 1), Time: 1_790_000_000e6, Name: "pageview", Identity: 1, Person: 1, Session: 7, Properties: properties("$page", "/", "Plan", "a", "plan", "b")},
				{Position: weir.At(0, 2), Time: 1_790_000_060e6, Name: "order", Identity: 2, Person: 1, Session: 7, Properties: properties("$value", 1250, "event", "x")},
				{Position: weir.At(0, 3), Time: 1_790_000_120e6, Name: "it's", Identity: 3, Person: 3, Properties: properties("$value", "much")},
			},
			Moves:  []eventstore.Move{{Identity: 2, Person: 1, From: query.TimeMin, To: query.TimeMax}},
			People: []weir.Person{{Number: 1, ID: string(ws) + "-ada", Traits: properties("country", "FR")}, {Number: 3, ID: string(ws) + "-bob"}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func ask(t *testing.T, s *duckstore.Store, statement string) (*query.Answer, error) {
	return s.Ask(t.Context(), "mine", &query.Plan{SQL: &query.SQL{Text: statement, Rows: 10}})
}

func TestSQL(t *testing.T) {
	s := sqlStore(t)
	for _, c := range []struct{ statement, want string }{
		{"SELECT count(*) AS n FROM events", `["n"] [[3]]`},
		{"select event, user_id, session, \"$page\" from events order by time;", `["event","user_id","session","$page"] [["pageview","mine-ada",7,"/"],["order","mine-ada",7,null],["it's","mine-bob",0,null]]`},
		{"SELECT \"$value\" FROM events WHERE event = 'order'", `["$value"] [["1250"]]`}, // one of them is a text, so all are
		{"SELECT \"$value\" + 1 AS v FROM orders -- and a comment", `["v"] [[1251]]`},
		{"SELECT \"Plan\", \"property_plan\", \"property_event\" FROM events ORDER BY time LIMIT 1", `["Plan","property_plan","property_event"] [["a","b",null]]`},
		{"SELECT user_id, country FROM users ORDER BY person", `["user_id","country"] [["mine-ada","FR"],["mine-bob",null]]`},
		{"WITH a AS (SELECT 1 x) SELECT a.x + b.x AS y FROM a, (SELECT 2 x) b", `["y"] [[3]]`},
		{"SELECT time FROM events ORDER BY 1 LIMIT 1", `["time"] [["2026-09-21T14:13:20Z"]]`},
		{"SELECT [1, 2] AS l, {'a': 1.5} AS s, 0.5::DECIMAL(4,2) AS d, 9007199254740993 AS big", `["l","s","d","big"] [[[1,2],{"a":1.5},0.5,"9007199254740993"]]`},
		{"SELECT x FROM range(3) t(x)", `["x"] [[0],[1],[2]]`},
		{"SELECT e.event, count(*) OVER () AS n FROM events e JOIN users u USING (person) WHERE u.country = 'FR' ORDER BY 1", `["event","n"] [["order",2],["pageview",2]]`},
		{"FROM users SELECT count(*) AS n", `["n"] [[2]]`},
		{"SELECT 1 AS a UNION ALL SELECT 2 ORDER BY a", `["a"] [[1],[2]]`},
	} {
		answer, err := ask(t, s, c.statement)
		if err != nil {
			t.Errorf("%s: %v", c.statement, err)
			continue
		}
		columns, _ := json.Marshal(answer.Columns)
		rows, err := json.Marshal(answer.Rows)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%s %s", columns, rows); got != c.want {
			t.Errorf("%s: %s, want %s", c.statement, got, c.want)
		}
	}
}

func TestSQLIsCutToItsRows(t *testing.T) {
	answer, err := ask(t, sqlStore(t), "SELECT * FROM range(11)")
	if err != nil || len(answer.Rows) != 10 || !answer.Truncated {
		t.Fatalf("%d rows, truncated %v: %v", len(answer.Rows), answer.Truncated, err)
	}
}

// What reads anything but the workspace's own tables, or does anything, is refused, and
// the store lives on.
func TestSQLReachesNothingElse(t *testing.T) {
	s := sqlStore(t)
	for _, statement := range []string{
		"", ";", "SELEC 1", "SELECT 1; SELECT 2", "SELECT nothing FROM events",
		`SELECT * FROM "w_other".events`, `SELECT * FROM "w_other".main.events`, `SELECT * FROM w_mine.events`, "SELECT * FROM main.events", "SELECT * FROM w_mine.main.log",
		"SELECT * FROM log", "SELECT * FROM people", "SELECT * FROM identities", "SELECT * FROM commits", "SELECT * FROM \"EVENTS\".x",
		"SELECT * FROM duckdb_tables()", "SELECT * FROM duckdb_settings()", "SELECT * FROM information_schema.tables", "SELECT * FROM sqlite_master", "SELECT * FROM pragma_database_list",
		"SELECT * FROM pragma_table_info('events')", "SHOW TABLES", "DESCRIBE events", "SUMMARIZE events", "FROM (SHOW TABLES)", "FROM (DESCRIBE events)", "SELECT * FROM (DESCRIBE SELECT 1)",
		"SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM read_blob('*.duckdb')", "SELECT * FROM '/etc/passwd'", "SELECT * FROM 'x.csv'", "SELECT * FROM glob('*')",
		`SELECT * FROM query_table('w_other.events')`, `SELECT * FROM query('SELECT 1')`, `SELECT * FROM query_table(['w_other.events'])`, "SELECT * FROM json_execute_serialized_sql('{}')",
		"SELECT (SELECT count(*) FROM w_other.events)", "SELECT 1 WHERE EXISTS (SELECT * FROM w_other.events)", "SELECT 1 ORDER BY (SELECT count(*) FROM log)", "SELECT list(x) FILTER ((SELECT count(*) FROM log) > 0) FROM range(1) t(x)",
		"WITH a AS (SELECT * FROM w_other.events) SELECT * FROM a", "WITH RECURSIVE a AS (SELECT 1 x UNION ALL SELECT x + 1 FROM a, log) SELECT * FROM a LIMIT 1", "WITH events AS (SELECT 1) SELECT * FROM events",
		"SELECT * FROM events e JOIN w_other.events o ON true", "SELECT * FROM (VALUES ((SELECT count(*) FROM log)))", "SELECT * FROM events, LATERAL (SELECT * FROM log)",
		"PIVOT log ON kind", "SELECT * FROM (PIVOT w_other.events ON name)", "UNPIVOT log ON kind",
		"INSERT INTO events VALUES (1)", "DELETE FROM events", "UPDATE events SET time = now()", "CREATE TABLE x (a INT)", "DROP TABLE events", "ATTACH 'x.duckdb'", "DETACH w_other", "COPY events TO 'x'",
		"EXPORT DATABASE 'x'", "SET threads = 1", "PRAGMA database_list", "INSTALL httpfs", "LOAD httpfs", "CALL duckdb_tables()", "EXPLAIN SELECT 1", "USE w_other", "VACUUM", "CHECKPOINT", "BEGIN", "COMMIT", "ROLLBACK",
		"SELECT current_setting('memory_limit')", "SELECT getvariable('x')", "SELECT current_database()", "SELECT give_rows(1::UBIGINT)", "SELECT people_in(''::BIT, 1::UBIGINT)", "SELECT nextval('x')", "SELECT version()",
		"SELECT $1", "SELECT ?", "SELECT 1) LIMIT 1; DROP TABLE events; --", "SELECT 1 /*", "SELECT 'a",
	} {
		answer, err := ask(t, s, statement)
		var fault *weir.Error
		if !errors.As(err, &fault) || fault.Code != query.CodeInvalid {
			t.Errorf("%q: %v, %+v", statement, err, answer)
		}
	}
	if answer, err := ask(t, s, "SELECT count(*) FROM events"); err != nil || fmt.Sprint(answer.Rows) != "[[3]]" {
		t.Errorf("afterwards: %v, %v", answer, err)
	}
}

func TestSQLThatNeedsTooMuchMemoryIsRefused(t *testing.T) {
	s, err := duckstore.Open(t.TempDir(), &duckstore.Options{Memory: 128 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 3 {
		_, err = ask(t, s, "SELECT list(x ORDER BY x DESC) FROM range(100000000) t(x)")
		var fault *weir.Error
		if !errors.As(err, &fault) || !strings.Contains(fault.Message, "memory") {
			t.Fatalf("%v", err)
		}
	}
	if _, err := ask(t, s, "SELECT 1"); err != nil {
		t.Fatalf("afterwards: %v", err)
	}
}
