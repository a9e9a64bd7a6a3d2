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
	answer.Columns = columns
	err = scan(rows, func() error {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, v := range values {
			values[i] = plain(v)
		}
		answer.Rows = append(answer.Rows, values)
		return nil
	})
	if err != nil {
		return nil, statementError(err)
	}
	if len(answer.Rows) > q.Rows {
		answer.Rows, answer.Truncated = answer.Rows[:q.Rows], true
	}
	return answer, nil
}

// statementError makes an error of the engine about a statement one of the question,
// where it is the asker's to mend.
func statementError(err error) error {
	var d *duckdb.Error
	if !errors.As(err, &d) {
		return err
	}
	switch d.Type {
	case duckdb.ErrorTypeOutOfMemory:
		return &weir.Error{Code: query.CodeInvalid, Field: "sql", Message: "The statement needs more memory than it may have. Read fewer rows or columns, or group by fewer values."}
	case duckdb.ErrorTypeParser, duckdb.ErrorTypeSyntax, duckdb.ErrorTypeBinder, duckdb.ErrorTypeCatalog, duckdb.ErrorTypeConversion,
		duckdb.ErrorTypeOutOfRange, duckdb.ErrorTypeInvalidInput, duckdb.ErrorTypeMismatchType, duckdb.ErrorTypeExpression, duckdb.ErrorTypeDivideByZero,
		duckdb.ErrorTypeNotImplemented, duckdb.ErrorTypeExecutor, duckdb.ErrorTypeParameterNotResolved, duckdb.ErrorTypeParameterNotAllowed, duckdb.ErrorTypeDecimal:
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
		return fmt.Errorf("read syntax tree: %w", err)
	}
	switch {
	case tree.Error:
		return refuse("%s", tree.Message)
	case len(tree.Statements) != 1:
		return refuse("it must be one SELECT; these are %d statements.", len(tree.Statements))
	}
	return permitNode(tree.Statements[0].Node, nil)
}

// ownTableNames are what a statement may read.
var ownTableNames = []string{"events", "users", "sessions", "orders"}

// permitNode looks through a part of a syntax tree. defined are the names that WITH
// defines around it.
func permitNode(node any, defined []string) error {
	switch n := node.(type) {
	case []any:
		for _, part := range n {
			if err := permitNode(part, defined); err != nil {
				return err
			}
		}
	case map[string]any:
		defined, err := definedBy(n, defined)
		if err != nil {
			return err
		}
		if err := permitOne(n, defined); err != nil {
			return err
		}
		for _, part := range n {
			if err := permitNode(part, defined); err != nil {
				return err
			}
		}
	}
	return nil
}

// definedBy adds the names of a node's WITH.
func definedBy(n map[string]any, defined []string) ([]string, error) {
	with, _ := n["cte_map"].(map[string]any)
	entries, _ := with["map"].([]any)
	for _, entry := range entries {
		pair, _ := entry.(map[string]any)
		name, _ := pair["key"].(string)
		if slices.Contains(ownTableNames, strings.ToLower(name)) {
			return nil, refuse("WITH may not define %q, which is a table.", name)
		}
		defined = append(slices.Clip(defined), strings.ToLower(name))
	}
	return defined, nil
}

// permitOne looks at one node. Types that it does not know are refused where they could
// be a table.
func permitOne(n map[string]any, defined []string) error {
	kind, _ := n["type"].(string)
	word := func(field string) string {
		text, _ := n[field].(string)
		return strings.ToLower(text)
	}
	switch kind {
	case "BASE_TABLE":
		if word("catalog_name") != "" || word("schema_name") != "" {
			return refuse("tables are named without a schema: %s.", strings.Join(ownTableNames, ", "))
		}
		if name := word("table_name"); !slices.Contains(ownTableNames, name) && !slices.Contains(defined, name) {
			return refuse("there is no table %q; there are %s.", name, strings.Join(ownTableNames, ", "))
		}
	case "TABLE_FUNCTION":
		call, _ := n["function"].(map[string]any)
		name, _ := call["function_name"].(string)
		if !slices.Contains([]string{"unnest", "range", "generate_series"}, strings.ToLower(name)) {
			return refuse("the table function %q is not allowed; unnest, range and generate_series are.", name)
		}
	case "SHOW_REF", "DELIM_GET", "COLUMN_DATA", "BOUND_TABLE_REF", "PIVOT":
		return refuse("it may not have %s.", strings.ToLower(kind))
	}
	class := word("class")
	if class == "parameter" {
		return refuse("it may not have parameters; write the values out.")
	}
	if class == "function" || class == "window" {
		name := word("function_name")
		if word("catalog") != "" || word("schema") != "" && word("schema") != "main" {
			return refuse("functions are named without a schema.")
		}
		if slices.Contains(forbiddenFunctions, name) {
			return refuse("the function %q is not allowed.", name)
		}
	}
	return nil
}

// forbiddenFunctions tell of the machine, of other workspaces, or do something.
var forbiddenFunctions = []string{
	"current_catalog", "current_connection_id", "current_database", "current_query", "current_query_id", "current_role", "current_schema",
	"current_schemas", "current_setting", "current_transaction_id", "current_user", "currval", "getenv", "getvariable", "in_search_path", "json_execute_serialized_sql",
	"nextval", "people_in", "session_user", "sleep_ms", "txid_current", "user", "version", "write_log",
}

// ownTables defines the tables of a statement.
func (r *reader) ownTables() string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var args arguments
	c := &compiler{catalogue: r.catalogue, schema: r.schema, args: &args, literal: true}
	names := make([]string, 0, len(r.catalogue.names))
	for i, name := range r.catalogue.names {
		names = append(names, fmt.Sprintf("WHEN %d THEN %s", i+1, quoteText(name)))
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
// numbers if all values are, else texts. One that differs from another, or from a fixed column, only
// in case has "property_" before its name, and if need be a number behind it.
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
		column := p.name
		for n := 1; taken[strings.ToLower(column)]; n++ {
			column = "property_" + p.name
			if n > 1 {
				column = fmt.Sprintf("property_%s_%d", p.name, n)
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
	return "coalesce(" + strings.Join(values, ", ") + ")"
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
