package duckstore

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// sql answers a statement of the asker's own. It may read the tables events, users,
// sessions and orders of its workspace and nothing else: its syntax tree is looked
// through for everything that names a table or makes one, and then it runs inside a
// statement in which those four names are defined. The transaction only reads, and the
// engine's settings are locked.
func (r *reader) sql(ctx context.Context, q *query.SQL) (*query.Answer, error) {
	text := strings.TrimRight(strings.TrimSpace(q.Text), "; \t\r\n")
	if err := r.permit(ctx, text); err != nil {
		return nil, err
	}
	statement := fmt.Sprintf("WITH %s SELECT * FROM (\n%s\n) LIMIT %d", r.ownTables(), text, q.Rows+1)
	rows, err := r.conn.QueryContext(ctx, statement)
	if err != nil {
		return nil, statementError(err)
	}
	answer := &query.Answer{Rows: []any{}}
	columns, err := rows.Columns()
	if err != nil {
		return nil, errors.Join(statementError(err), rows.Close())
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, errors.Join(statementError(err), rows.Close())
	}
	answer.Columns = columns
	size := 0
	err = scan(rows, func() error {
		if answer.Truncated {
			return nil
		}
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, v := range values {
			values[i] = plainOf(types[i].DatabaseTypeName(), v)
			size += weight(values[i])
		}
		if size > maxAnswer {
			answer.Truncated = true
			return nil
		}
		answer.Rows = append(answer.Rows, values)
		return nil
	})
	if err != nil {
		return nil, statementError(err)
	}
	if answer.Truncated && len(answer.Rows) == 0 {
		return nil, refuse("a row of its answer has more than %d MB.", maxAnswer>>20)
	}
	if len(answer.Rows) > q.Rows {
		answer.Rows, answer.Truncated = answer.Rows[:q.Rows], true
	}
	return answer, nil
}

// maxAnswer is how many bytes the values of an answer may have; rows behind them are cut.
const maxAnswer = 32 << 20

// weight is about how many bytes a value has in the answer.
func weight(v any) int {
	total := 8
	switch v := v.(type) {
	case string:
		total += len(v)
	case []any:
		for _, one := range v {
			total += weight(one)
		}
	case map[string]any:
		for name, one := range v {
			total += len(name) + weight(one)
		}
	}
	return total
}

// statementError makes an error of the engine about a statement one of the question,
// where it is the asker's to mend.
func statementError(err error) error {
	var d *duckdb.Error
	if !errors.As(err, &d) {
		// The driver has no type of Go for some of the engine's, and no type of error for that.
		if text := err.Error(); strings.Contains(text, "unsupported data type") || strings.Contains(text, "type not supported") {
			return refuse("a column has a type that the answer cannot hold; write CAST(… AS VARCHAR) around it.")
		}
		return err
	}
	if isOutOfMemory(d) {
		return &weir.Error{Code: query.CodeInvalid, Field: "sql", Message: "The statement needs more memory than it may have. Read fewer rows or columns, or group by fewer values."}
	}
	switch d.Type {
	case duckdb.ErrorTypeParser, duckdb.ErrorTypeSyntax, duckdb.ErrorTypeBinder, duckdb.ErrorTypeCatalog, duckdb.ErrorTypeConversion,
		duckdb.ErrorTypeOutOfRange, duckdb.ErrorTypeInvalidInput, duckdb.ErrorTypeMismatchType, duckdb.ErrorTypeExpression, duckdb.ErrorTypeDivideByZero,
		duckdb.ErrorTypeNotImplemented, duckdb.ErrorTypeExecutor, duckdb.ErrorTypeParameterNotResolved, duckdb.ErrorTypeParameterNotAllowed, duckdb.ErrorTypeDecimal,
		duckdb.ErrorTypePermission:
		return refuse("%s", d.Msg)
	}
	return err
}

// refuse is an error about the statement.
func refuse(format string, args ...any) error {
	return &weir.Error{Code: query.CodeInvalid, Field: "sql", Message: "The statement cannot be run: " + fmt.Sprintf(format, args...)}
}

// permit refuses what is not one SELECT over the workspace's own tables.
func (r *reader) permit(ctx context.Context, text string) error {
	if err := permitCases(text); err != nil {
		return err
	}
	var serialized string
	if err := r.conn.QueryRowContext(ctx, "SELECT json_serialize_sql($1::VARCHAR)::VARCHAR", text).Scan(&serialized); err != nil {
		return statementError(err)
	}
	var tree struct {
		Error      bool   `json:"error"`
		Message    string `json:"error_message"`
		Statements []struct {
			Node any `json:"node"`
		} `json:"statements"`
	}
	if err := json.Unmarshal([]byte(serialized), &tree); err != nil {
		return refuse("its syntax tree cannot be read (%v); write it shorter.", err)
	}
	switch {
	case tree.Error:
		return refuse("%s", tree.Message)
	case len(tree.Statements) != 1:
		return refuse("it must be one SELECT; these are %d statements.", len(tree.Statements))
	}
	return (&permission{}).node(tree.Statements[0].Node, nil, nesting{})
}

// ownTables defines the tables of a statement.
func (r *reader) ownTables() string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var args arguments
	c := &compiler{catalogue: r.catalogue, schema: r.schema, args: &args, literal: true}
	names := make([]string, 0, len(r.catalogue.names))
	for i, name := range r.catalogue.names {
		names = append(names, fmt.Sprintf("WHEN %d THEN %s", i+1, quoteText(strings.ReplaceAll(name, "\x00", "\uFFFD"))))
	}
	name := "''"
	if len(names) > 0 {
		name = "CASE e.name " + strings.Join(names, " ") + " END"
	}
	from := fmt.Sprintf(" FROM %[1]s.events e JOIN %[1]s.identities i ON i.identity = e.identity LEFT JOIN %[1]s.people p ON p.person = i.person", r.schema)
	const fixed = "make_timestamp(e.ts) AS time, i.person AS person, p.id AS user_id, e.session AS session"
	tables := []string{
		"events AS (SELECT " + fixed + ", " + name + " AS event" + c.propertyColumns(r.catalogue.events, "e", 0, "time", "person", "user_id", "session", "event") + from + ")",
		fmt.Sprintf("users AS (SELECT p.person AS person, p.id AS user_id, make_timestamp(p.created_at) AS created_at, make_timestamp(p.first_seen) AS first_seen, make_timestamp(p.last_seen) AS last_seen%s FROM %s.people p)",
			c.propertyColumns(r.catalogue.people, "p", 0, "person", "user_id", "created_at", "first_seen", "last_seen"), r.schema),
		"sessions AS (SELECT e.session AS session, any_value(i.person) AS person, any_value(p.id) AS user_id, make_timestamp(min(e.ts)) AS started_at, make_timestamp(max(e.ts)) AS ended_at, count(*) AS events" + from + " WHERE e.session > 0 GROUP BY e.session)",
	}
	order := r.catalogue.codes[string(weir.KindOrder)]
	c.event = order
	tables = append(tables, "orders AS (SELECT "+fixed+c.propertyColumns(r.catalogue.events, "e", order, "time", "person", "user_id", "session")+from+fmt.Sprintf(" WHERE e.name = %d)", order))
	return strings.Join(tables, ", ")
}

// propertyColumns are columns with the properties of a table, of one event or of any:
// numbers if all values are, else texts. One that differs from another, or from a fixed
// column, only in case has "property_" before its name, and if need be a number behind it.
func (c *compiler) propertyColumns(l *layout, alias string, event uint32, fixed ...string) string {
	taken := map[string]bool{}
	for _, name := range fixed {
		taken[name] = true
	}
	type property struct {
		name    string
		sources []source
	}
	var all []property
	for name := range l.byName {
		if sources := c.sources(l, alias, event, name); len(sources) > 0 {
			all = append(all, property{name, sources})
		}
	}
	slices.SortFunc(all, func(a, b property) int { return cmp.Compare(a.name, b.name) })
	var out strings.Builder
	for _, p := range all {
		name := strings.ReplaceAll(p.name, "\x00", "\uFFFD") // a statement ends at its first zero byte
		column := name
		for n := 1; taken[strings.ToLower(column)]; n++ {
			column = "property_" + name
			if n > 1 {
				column = fmt.Sprintf("property_%s_%d", name, n)
			}
		}
		taken[strings.ToLower(column)] = true
		fmt.Fprintf(&out, ", %s AS %s", propertyColumn(p.sources), quoteName(column))
	}
	return out.String()
}

func propertyColumn(sources []source) string {
	numbers := true
	for _, s := range sources {
		numbers = numbers && s.typ == weir.Number
	}
	var values []string
	for _, s := range sources {
		value := s.column
		if !numbers {
			value = s.text()
		}
		if s.guard != "" {
			value = "CASE WHEN " + s.guard + " THEN " + value + " END"
		}
		values = append(values, value)
	}
	// A zero byte, which would end the statement, can only be in a text between quotes.
	return strings.ReplaceAll("coalesce("+strings.Join(values, ", ")+")", "\x00", "' || chr(0) || '")
}

// plainOf is a column's value as JSON has it.
func plainOf(typ string, v any) any {
	switch v := v.(type) {
	case time.Time:
		switch typ {
		case "DATE":
			return v.UTC().Format(time.DateOnly)
		case "TIME":
			return v.UTC().Format("15:04:05.999999")
		}
	case []byte:
		if typ == "UUID" && len(v) == len(duckdb.UUID{}) {
			id := duckdb.UUID(v)
			return id.String()
		}
	}
	return plain(v)
}

// plain is a value of the engine as JSON has it.
func plain(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case duckdb.Decimal:
		return v.Float64()
	case duckdb.Union:
		return plain(v.Value)
	case duckdb.Interval:
		return fmt.Sprintf("%d months %d days %d microseconds", v.Months, v.Days, v.Micros)
	case duckdb.OrderedMap:
		out := make(map[string]any, v.Len())
		for i, key := range v.Keys() {
			out[fmt.Sprint(plain(key))] = plain(v.Values()[i])
		}
		return out
	case *big.Int:
		return v.String()
	case int64:
		return exactNumber(v)
	case uint64:
		if v < 1<<53 {
			return int64(v)
		}
		return fmt.Sprint(v)
	case float64:
		return query.Real(v)
	case float32:
		return query.Real(v)
	case nil, string, bool, int8, int16, int32, uint8, uint16, uint32:
		return v
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	case map[string]any: // a struct
		out := make(map[string]any, len(v))
		for name, one := range v {
			out[name] = plain(one)
		}
		return out
	}
	return fmt.Sprint(v)
}

// exactNumber is a number that a reader of JSON does not round, or its text.
func exactNumber(n int64) any {
	if n > -1<<53 && n < 1<<53 {
		return n
	}
	return fmt.Sprint(n)
}
