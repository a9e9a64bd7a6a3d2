package clickstore

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// maxAnswer is how many bytes an answer may have.
const maxAnswer = 32 << 20

// sql answers a statement of the asker's own. It may read the tables events, users,
// sessions and orders of its workspace and nothing else: its syntax tree is looked through
// for everything that names a table or makes one, and for functions that do more than
// look at their arguments. Then it runs inside a statement in which those four names are
// defined, that only reads, in the workspace's own database.
func (r *reader) sql(ctx context.Context, q *query.SQL) (*query.Answer, error) {
	text := strings.TrimRight(strings.TrimSpace(q.Text), "; \t\r\n")
	r.settings["database"] = r.database
	if err := r.permit(ctx, text); err != nil {
		return nil, err
	}
	seen, err := r.readSeen(ctx)
	if err != nil {
		return nil, err
	}
	set := maps.Clone(r.settings)
	maps.Copy(set, settings{
		"default_format": "JSONCompact", "output_format_json_quote_64bit_integers": "1", "output_format_json_quote_denormals": "0", "output_format_json_quote_decimals": "0",
		"date_time_output_format": "iso", "max_result_bytes": fmt.Sprint(maxAnswer), "result_overflow_mode": "throw", "allow_ddl": "0", "allow_introspection_functions": "0",
	})
	response, err := r.store.client.post(ctx, "WITH "+r.ownTables(seen)+" "+within(text, q.Rows+1), nil, set)
	if err != nil {
		return nil, statementError(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4*maxAnswer)) // as JSON it is longer
	if err != nil {
		return nil, fmt.Errorf("reach ClickHouse: %w", err)
	}
	answer, err := answerOf(body)
	if err != nil {
		if e := exceptionIn(body); e != nil {
			return nil, statementError(e)
		}
		return nil, fmt.Errorf("read answer of ClickHouse: %w", err)
	}
	if len(answer.Rows) > q.Rows {
		answer.Rows, answer.Truncated = answer.Rows[:q.Rows], true
	}
	return answer, nil
}

// answerOf reads the server's JSON. Whole numbers of 64 bits are texts there.
func answerOf(body []byte) (*query.Answer, error) {
	var table struct {
		Meta []struct{ Name, Type string }
		Data [][]any
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&table); err != nil {
		return nil, err
	}
	answer := &query.Answer{Columns: []string{}, Rows: make([]any, 0, len(table.Data))}
	for _, column := range table.Meta {
		answer.Columns = append(answer.Columns, column.Name)
	}
	for _, row := range table.Data {
		for i := range row {
			row[i] = plain(row[i], strings.Contains(table.Meta[i].Type, "Int64"))
		}
		answer.Rows = append(answer.Rows, row)
	}
	return answer, nil
}

// plain is a value as answers have it: a number where a reader of JSON does not round it.
func plain(v any, whole bool) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return exactNumber(n, v.String())
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return query.Real(f)
	case string:
		if whole {
			if n, err := json.Number(v).Int64(); err == nil {
				return exactNumber(n, v)
			}
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i], whole)
		}
	case map[string]any:
		for name := range v {
			v[name] = plain(v[name], whole)
		}
	}
	return v
}

func exactNumber(n int64, text string) any {
	if n > -1<<53 && n < 1<<53 {
		return n
	}
	return text
}

// statementError makes an error of the engine about a statement one of the question.
func statementError(err error) error {
	var e *Exception
	switch {
	case !errors.As(err, &e):
		return err
	case isCode(err, codeMemory, codeTooManyBytes, codeTooManyRows):
		return &weir.Error{Code: query.CodeInvalid, Field: "sql", Message: "The statement needs more memory than it may have. Read fewer rows or columns, or group by fewer values."}
	case isCode(err, codeTimeout, codeTooSlow):
		return &weir.Error{Code: query.CodeInvalid, Field: "sql", Message: "The statement takes longer than it may. Read fewer rows or columns."}
	case isMissing(err) && strings.Contains(e.Text, "Database"):
		return err
	}
	// What follows is the whole statement, with what it was put into.
	text := e.Text
	if at := inScope.FindStringIndex(text); at != nil {
		text = text[:at[0]]
	}
	if _, rest, ok := strings.Cut(text, "DB::Exception: "); ok {
		text = rest
	}
	return refuse("%s", strings.TrimSpace(text))
}

var inScope = regexp.MustCompile(`(?i)[.,]? in scope `)

// ownTables defines the tables of a statement.
func (r *reader) ownTables(seen map[seenProperty]bool) string {
	person := personOf("e")
	fixed := "fromUnixTimestamp64Micro(e.ts, 'UTC') AS time, " + person + " AS person, nullIf(p.id, '') AS user_id, e.session AS session"
	from := fmt.Sprintf(" FROM %s AS e FINAL LEFT ANY JOIN %s AS m ON m.identity = e.identity LEFT ANY JOIN (SELECT person, id FROM %s FINAL) AS p ON p.person = %s WHERE %s",
		r.name("events"), r.moved(r.snapshot), r.name("people"), person, r.rows("e"))
	order := string(weir.KindOrder)
	micros := func(column string) string {
		return fmt.Sprintf("fromUnixTimestamp64Micro(p.%s, 'UTC') AS %[1]s", column)
	}
	return strings.Join([]string{
		"events AS (SELECT " + fixed + ", CAST(e.name, 'String') AS event" + columnsOf(seen, scopeEvent, nil, "e", "time", "person", "user_id", "session", "event") + from + ")",
		fmt.Sprintf("users AS (SELECT p.person AS person, p.id AS user_id, %s, %s, %s%s FROM %s AS p FINAL)", micros("created_at"), micros("first_seen"), micros("last_seen"),
			columnsOf(seen, scopeUser, nil, "p", "person", "user_id", "created_at", "first_seen", "last_seen"), r.name("people")),
		"sessions AS (SELECT e.session AS session, any(" + person + ") AS person, any(nullIf(p.id, '')) AS user_id, fromUnixTimestamp64Micro(min(e.ts), 'UTC') AS started_at," +
			" fromUnixTimestamp64Micro(max(e.ts), 'UTC') AS ended_at, count() AS events" + from + " AND e.session > 0 GROUP BY e.session)",
		"orders AS (SELECT " + fixed + columnsOf(seen, scopeEvent, &order, "e", "time", "person", "user_id", "session") + from + " AND e.name = " + quoteText(order) + ")",
	}, ", ")
}

// columnsOf are columns with properties, of one event or of any: numbers if all values
// are, else texts. One that differs from another, or from a fixed column, only in case has
// "property_" before its name, and if need be a number behind it.
func columnsOf(seen map[seenProperty]bool, scope string, event *string, alias string, fixed ...string) string {
	taken := map[string]bool{}
	for _, name := range fixed {
		taken[name] = true
	}
	numbers := map[string]bool{} // by property
	for p := range seen {
		if p.scope != scope || event != nil && p.event != *event {
			continue
		}
		all, known := numbers[p.property]
		numbers[p.property] = p.typ == weir.Number && (all || !known)
	}
	var out strings.Builder
	for _, name := range slices.SortedFunc(maps.Keys(numbers), cmp.Compare[string]) {
		column := name
		for n := 1; column == "" || taken[strings.ToLower(column)]; n++ {
			column = "property_" + name
			if n > 1 {
				column = fmt.Sprintf("property_%s_%d", name, n)
			}
		}
		taken[strings.ToLower(column)] = true
		o := property(alias, name)
		value := o.orNull()
		if numbers[name] {
			value = fmt.Sprintf("if(%s, %s, NULL)", o.isNum, o.number)
		}
		fmt.Fprintf(&out, ", %s AS %s", value, quoteName(column))
	}
	return out.String()
}
