package clickstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/clickstore"
	"github.com/weirhq/weir/query"
)

// sqlStore has two workspaces, of which one must not see the other, and the name of the
// other's database.
func sqlStore(t *testing.T) (s *clickstore.Store, other string) {
	t.Helper()
	prefix := prefixOf(t)
	s = open(t, prefix, clickstore.Options{})
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
		write(t, ws, &eventstore.Batch{
			Applied: map[int]uint64{0: 3},
			Events: []weir.Event{
				{Position: weir.At(0, 1), Time: 1_790_000_000e6, Name: "pageview", Identity: 1, Person: 1, Session: 7, Properties: properties("$page", "/", "Plan", "a", "plan", "b")},
				{Position: weir.At(0, 2), Time: 1_790_000_060e6, Name: "order", Identity: 2, Person: 1, Session: 7, Properties: properties("$value", 1250, "event", "x")},
				{Position: weir.At(0, 3), Time: 1_790_000_120e6, Name: "it's", Identity: 3, Person: 3, Properties: properties("$value", "much", "`odd`\n\x00", "z")},
			},
			Moves:  []eventstore.Move{{Identity: 2, Person: 1, From: query.TimeMin, To: query.TimeMax}},
			People: []weir.Person{{Number: 1, ID: string(ws) + "-ada", Traits: properties("country", "FR")}, {Number: 3, ID: string(ws) + "-bob"}},
		}, s)
	}
	return s, prefix + "_other"
}

func askSQL(t *testing.T, s *clickstore.Store, statement string) (*query.Answer, error) {
	return s.Ask(t.Context(), "mine", &query.Plan{SQL: &query.SQL{Text: statement, Rows: 10}})
}

func TestSQL(t *testing.T) {
	s, _ := sqlStore(t)
	for _, c := range []struct{ statement, want string }{
		{"SELECT count(*) AS n FROM events", `["n"] [[3]]`},
		{"select event, user_id, session, \"$page\" from events order by time;", `["event","user_id","session","$page"] [["pageview","mine-ada",7,"/"],["order","mine-ada",7,null],["it's","mine-bob",0,null]]`},
		{"SELECT \"$value\" FROM events WHERE event = 'order'", `["$value"] [["1250"]]`}, // one of them is a text, so all are
		{"SELECT \"$value\" + 1 AS v FROM orders -- and a comment", `["v"] [[1251]]`},
		{"SELECT \"Plan\", \"property_plan\", \"property_event\" FROM events ORDER BY time LIMIT 1", `["Plan","property_plan","property_event"] [["a","b",null]]`},
		{"SELECT user_id, country FROM users ORDER BY person", `["user_id","country"] [["mine-ada","FR"],["mine-bob",null]]`},
		{"WITH a AS (SELECT 1 x) SELECT a.x + b.x AS y FROM a, (SELECT 2 x) b", `["y"] [[3]]`},
		{"SELECT time FROM events ORDER BY 1 LIMIT 1", `["time"] [["2026-09-21T14:13:20.000000Z"]]`},
		{"SELECT [1, 2] AS l, 0.5 AS d, 9007199254740993 AS big, nan AS none, NULL AS nothing", `["l","d","big","none","nothing"] [[[1,2],0.5,"9007199254740993",null,null]]`},
		{"SELECT e.event, count(*) OVER () AS n FROM events e JOIN users u USING (person) WHERE u.country = 'FR' ORDER BY 1", `["event","n"] [["order",2],["pageview",2]]`},
		{"SELECT session, events, ended_at - started_at AS took FROM sessions", `["session","events","took"] [[7,2,60]]`},
		{"SELECT toStartOfDay(time) AS day, uniqExact(person) AS n, countIf(event = 'order') AS orders FROM events GROUP BY day", `["day","n","orders"] [["2026-09-21T00:00:00Z",2,1]]`},
		{"SELECT person FROM events WHERE person IN (SELECT person FROM users WHERE country IN ('FR', 'DE')) GROUP BY ALL", `["person"] [[1]]`},
		{"SELECT DISTINCT person FROM events WHERE person NOT IN orders.person", ""},
		{"SELECT arrayMap(x -> x + 1, [1]) AS a, if(1, 'x', 'y') AS b, CASE WHEN 1 THEN 2 ELSE 3 END AS c", `["a","b","c"] [[[2],"x",2]]`},
		{"SELECT * FROM (SELECT 1 AS a UNION ALL SELECT 2 AS a) ORDER BY a", `["a"] [[1],[2]]`},
	} {
		answer, err := askSQL(t, s, c.statement)
		if c.want == "" {
			if err == nil {
				t.Errorf("%s: %v, want an error", c.statement, answer.Rows)
			}
			continue
		}
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
	s, _ := sqlStore(t)
	answer, err := askSQL(t, s, "SELECT a.session FROM events a, events b, events c")
	if err != nil || len(answer.Rows) != 10 || !answer.Truncated {
		t.Fatalf("%v: %v", answer, err)
	}
}

// What reads anything but the workspace's own tables, or does anything, is refused, and
// the store lives on.
func TestSQLReachesNothingElse(t *testing.T) {
	s, other := sqlStore(t)
	const secret = "other-ada"
	for _, statement := range []string{
		"", ";", "SELEC 1", "SELECT 1; SELECT 2", "SELECT nothing FROM events",
		"SELECT * FROM OTHER.people", "SELECT * FROM `OTHER`.`people`", "SELECT * FROM people", "SELECT * FROM log", "SELECT * FROM identities", "SELECT * FROM visits", "SELECT * FROM seen", "SELECT * FROM events_local",
		"SELECT * FROM system.tables", "SELECT * FROM information_schema.tables", "SELECT * FROM `system.tables`", "SELECT 1 IN system.one", "SELECT 1 IN people", "SELECT 1 NOT IN OTHER.people", "SELECT in(1, OTHER.people)",
		"SELECT globalIn(1, OTHER.people)", "SELECT * FROM people AS `a (alias b`", "SELECT * FROM people AS `x\n     TableIdentifier y`",
		"SELECT `a\n       Literal 1\n     Function plus (children 1)` IN OTHER.people FROM events", "SELECT 1 AS `a\nSelectWithUnionQuery` FROM OTHER.people",
		"SELECT * FROM url('http://127.0.0.1:1/', CSV)", "SELECT * FROM file('/etc/passwd', CSV)", "SELECT * FROM remote('127.0.0.1', OTHER.people)", "SELECT * FROM merge('OTHER', '.*')", "SELECT * FROM cluster('x', OTHER.people)",
		"SELECT * FROM postgresql('127.0.0.1', 'a', 'b', 'c', 'd')", "SELECT * FROM mysql('127.0.0.1', 'a', 'b', 'c', 'd')", "SELECT * FROM s3('http://127.0.0.1:1/')", "SELECT * FROM executable('x', CSV, 'a Int8')",
		"SELECT * FROM numbers(10)", "SELECT * FROM view(SELECT 1)", "SELECT * FROM input('a Int8')", "SELECT * FROM generateRandom('a Int8')", "SELECT * FROM dictionary('x')", "SELECT * FROM events e JOIN OTHER.events o ON 1",
		"SELECT file('/etc/passwd')", "SELECT dictGet('a', 'b', 1)", "SELECT joinGet('OTHER.people', 'id', 1)", "SELECT hasColumnInTable('OTHER', 'people', 'id')", "SELECT sleep(1)", "SELECT sleepEachRow(1)", "SELECT getSetting('max_threads')",
		"SELECT currentDatabase()", "SELECT hostName()", "SELECT version()", "SELECT currentUser()", "SELECT getMacro('x')", "SELECT addressToLine(1)", "SELECT catboostEvaluate('x', 1)", "SELECT aiGenerate('x', 'y')", "SELECT * APPLY(file) FROM events",
		"SELECT throwIf(1)", "SELECT initializeAggregation('count', 1)", "SELECT logTrace('x')", "SELECT reverseDNSQuery('127.0.0.1')", "SELECT filesystemAvailable()",
		"SELECT (SELECT any(id) FROM OTHER.people)", "SELECT 1 WHERE EXISTS (SELECT * FROM OTHER.people)", "SELECT 1 ORDER BY (SELECT count() FROM OTHER.people)", "WITH a AS (SELECT * FROM OTHER.people) SELECT * FROM a",
		"WITH (SELECT any(id) FROM OTHER.people) AS x SELECT x", "SELECT 1 UNION ALL SELECT count() FROM OTHER.people", "SELECT * FROM events ARRAY JOIN (SELECT groupArray(id) FROM OTHER.people) AS x",
		"SELECT count() OVER (ORDER BY (SELECT any(id) FROM OTHER.people))", "SELECT 1 LIMIT (SELECT count() FROM OTHER.people)", "SELECT * FROM (SELECT * FROM (SELECT * FROM OTHER.people))",
		"SELECT 1 SETTINGS max_memory_usage = 0", "SELECT 1 INTO OUTFILE 'x'", "SELECT 1 FORMAT CSV", "SELECT 1) SETTINGS readonly = 0 UNION ALL SELECT * FROM (SELECT 1", "SELECT 1) LIMIT 1; DROP TABLE events; --",
		"INSERT INTO events VALUES (1)", "ALTER TABLE events DELETE WHERE 1", "CREATE TABLE x (a Int8) ENGINE = Memory", "DROP TABLE events", "TRUNCATE TABLE events", "OPTIMIZE TABLE events", "RENAME TABLE events TO x", "SHOW TABLES", "DESCRIBE events",
		"EXPLAIN SELECT 1", "SET max_threads = 1", "USE system", "SYSTEM FLUSH LOGS", "KILL QUERY WHERE 1", "GRANT ALL ON *.* TO default", "ATTACH TABLE x", "EXISTS TABLE events", "CHECK TABLE events",
		"SELECT {a:String}", "SELECT ?", "SELECT 1 /*", "SELECT 'a", "(EXPLAIN AST SELECT 1)", "SELECT * FROM (EXPLAIN SELECT * FROM OTHER.people)", "SELECT * FROM (SHOW TABLES)",
	} {
		statement = strings.ReplaceAll(statement, "OTHER", other)
		answer, err := askSQL(t, s, statement)
		var fault *weir.Error
		if !errors.As(err, &fault) || fault.Code != query.CodeInvalid {
			t.Errorf("%q: %v, %+v", statement, err, answer)
			continue
		}
		if strings.Contains(fault.Message, secret) || strings.Contains(fault.Message, "argMax") {
			t.Errorf("%q says too much: %s", statement, fault.Message)
		}
	}
	if answer, err := askSQL(t, s, "SELECT count(*) FROM events"); err != nil || fmt.Sprint(answer.Rows) != "[[3]]" {
		t.Errorf("afterwards: %v, %v", answer, err)
	}
}

func TestSQLThatNeedsTooMuchMemoryIsRefused(t *testing.T) {
	prefix := prefixOf(t)
	s := open(t, prefix, clickstore.Options{Memory: 128 << 20})
	_, err := askSQL(t, s, "SELECT length(arraySort(x -> -x, range(100000000)))")
	var fault *weir.Error
	if !errors.As(err, &fault) || !strings.Contains(fault.Message, "memory") {
		t.Fatalf("%v", err)
	}
}
