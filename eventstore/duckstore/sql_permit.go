package duckstore

import (
	"math"
	"regexp"
	"slices"
	"strings"
)

// Limits of a statement. The engine plans some statements in a time that doubles with
// each level, and does not look for an interrupt meanwhile.
const (
	maxExpressions = 100    // expressions in expressions
	maxQueries     = 12     // SELECT in SELECT
	maxExpansions  = 6      // lambdas, and functions that the engine writes out, in one another
	maxSelects     = 200    // in all
	maxTables      = 100    // in all
	maxNodes       = 50_000 // of the syntax tree
	maxPadding     = 10_000 // characters
)

// permission looks through one syntax tree.
type permission struct{ selects, tables, nodes int }

// nesting is what a node is inside of.
type nesting struct{ expressions, queries, expansions int }

// bits of a statement's growth that are allowed: see permitCases.
const maxGrowth = 13

var (
	anyCase    = regexp.MustCompile(`(?i)\bcase\b`)
	searchCase = regexp.MustCompile(`(?i)\bcase\s+when\b`)
	anyWhen    = regexp.MustCompile(`(?i)\bwhen\b`)
)

// permitCases refuses many CASE x WHEN. The engine's parser repeats x for every WHEN, so
// that a few in one another make a tree of gigabytes; the text alone can tell before it
// is parsed. What is in comments and strings counts too, which is on the safe side.
func permitCases(text string) error {
	cases := float64(len(anyCase.FindAllStringIndex(text, -1)) - len(searchCase.FindAllStringIndex(text, -1)))
	whens := float64(len(anyWhen.FindAllStringIndex(text, -1)))
	if cases > 1 && whens > cases && cases*math.Log2(whens/cases) > maxGrowth {
		return refuse("it has too many CASE x WHEN; write CASE WHEN x = … instead.")
	}
	return nil
}

// node looks through a part of the tree. defined are the names of WITH that the engine
// knows there: one that it did not know would be a table of its own catalogue, or a file.
func (p *permission) node(node any, defined []string, in nesting) error {
	switch n := node.(type) {
	case []any:
		for _, part := range n {
			if err := p.node(part, defined, in); err != nil {
				return err
			}
		}
	case map[string]any:
		in, err := p.count(n, in)
		if err != nil {
			return err
		}
		if defined, err = p.with(n, defined, in); err != nil {
			return err
		}
		if err := permitOne(n, defined); err != nil {
			return err
		}
		return p.parts(n, defined, in)
	}
	return nil
}

// parts looks through what a node has, but for its WITH.
func (p *permission) parts(n map[string]any, defined []string, in nesting) error {
	kind := word(n, "type")
	for field, part := range n {
		scope := defined
		switch {
		case field == "cte_map":
			continue
		case field == "right" && kind == "recursive_cte_node":
			scope = append(slices.Clip(defined), word(n, "cte_name"))
		case field == "function" && kind == "table_function":
			// permitOne knows its name, which as that of an expression may be forbidden.
			call, _ := part.(map[string]any)
			if err := p.parts(call, defined, in); err != nil {
				return err
			}
			continue
		}
		if err := p.node(part, scope, in); err != nil {
			return err
		}
	}
	return nil
}

// with looks through a node's WITH, and adds its names. A name is known behind its own
// definition, and in it only on the right side of a recursive one.
func (p *permission) with(n map[string]any, defined []string, in nesting) ([]string, error) {
	with, _ := n["cte_map"].(map[string]any)
	entries, _ := with["map"].([]any)
	for _, entry := range entries {
		pair, _ := entry.(map[string]any)
		name := word(pair, "key")
		if slices.Contains(ownTableNames, name) {
			return nil, refuse("WITH may not define %q, which is a table.", name)
		}
		if err := p.node(pair["value"], defined, in); err != nil {
			return nil, err
		}
		defined = append(slices.Clip(defined), name)
	}
	return defined, nil
}

// count refuses what is too large or too deep.
func (p *permission) count(n map[string]any, in nesting) (nesting, error) {
	p.nodes++
	if word(n, "class") != "" {
		in.expressions++
	}
	if word(n, "class") == "lambda" || word(n, "class") == "function" && slices.Contains(expanded, word(n, "function_name")) {
		in.expansions++
	}
	switch word(n, "type") {
	case "select_node":
		p.selects++
		in.queries++
	case "base_table", "table_function":
		p.tables++
	}
	switch {
	case in.expressions > maxExpressions:
		return in, refuse("its expressions are nested deeper than %d.", maxExpressions)
	case in.expansions > maxExpansions:
		return in, refuse("lambdas, or functions such as nullif, are nested deeper than %d.", maxExpansions)
	case in.queries > maxQueries:
		return in, refuse("its SELECTs are nested deeper than %d.", maxQueries)
	case p.selects > maxSelects:
		return in, refuse("it has more than %d SELECTs.", maxSelects)
	case p.tables > maxTables:
		return in, refuse("it names tables more than %d times.", maxTables)
	case p.nodes > maxNodes:
		return in, refuse("it is too long.")
	}
	return in, nil
}

// ownTableNames are what a statement may read.
var ownTableNames = []string{"events", "users", "sessions", "orders"}

// word is a text of a node in lower case, as the engine compares names: letters that are
// not ASCII stay, or a WITH of the Kelvin sign would stand for a table with a k.
func word(n map[string]any, field string) string {
	text, _ := n[field].(string)
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// permitOne looks at one node. Types that it does not know are refused where they could
// be a table.
func permitOne(n map[string]any, defined []string) error {
	switch kind := word(n, "type"); kind {
	case "base_table":
		if word(n, "catalog_name") != "" || word(n, "schema_name") != "" {
			return refuse("tables are named without a schema: %s.", strings.Join(ownTableNames, ", "))
		}
		if name := word(n, "table_name"); !slices.Contains(ownTableNames, name) && !slices.Contains(defined, name) {
			return refuse("there is no table %q; there are %s.", name, strings.Join(ownTableNames, ", "))
		}
	case "table_function":
		call, _ := n["function"].(map[string]any)
		name := word(call, "function_name")
		if !slices.Contains([]string{"unnest", "range", "generate_series"}, name) {
			return refuse("the table function %q is not allowed; unnest, range and generate_series are.", name)
		}
		if word(call, "catalog") != "" || word(call, "schema") != "" {
			return refuse("functions are named without a schema.")
		}
	case "show_ref", "delim_get", "column_data", "bound_table_ref", "pivot":
		return refuse("it may not have %s.", kind)
	}
	switch word(n, "class") {
	case "parameter":
		return refuse("it may not have parameters; write the values out.")
	case "function", "window":
		return permitFunction(n)
	}
	return nil
}

func permitFunction(n map[string]any) error {
	name := word(n, "function_name")
	if schema := word(n, "schema"); word(n, "catalog") != "" || schema != "" && schema != "main" {
		return refuse("functions are named without a schema.")
	}
	switch {
	case slices.Contains(forbiddenFunctions, name):
		return refuse("the function %q is not allowed.", name)
	case slices.Contains([]string{"range", "generate_series"}, name):
		return refuse("%s makes a table, not a list: write it behind FROM.", name)
	case slices.Contains([]string{"lpad", "rpad"}, name) && !isPadding(n):
		return refuse("the length of %s must be a number up to %d.", name, maxPadding)
	}
	return nil
}

// isPadding reports whether the second argument of a call is a small number.
func isPadding(call map[string]any) bool {
	children, _ := call["children"].([]any)
	if len(children) < 2 {
		return true // which the engine refuses
	}
	argument, _ := children[1].(map[string]any)
	value, _ := argument["value"].(map[string]any)
	length, isNumber := value["value"].(float64)
	return word(argument, "class") == "constant" && isNumber && length <= maxPadding
}

// expanded are macros of the engine: a call is replaced by an expression that may have an
// argument more than once.
var expanded = []string{
	"ago", "array_append", "array_pop_back", "array_pop_front", "array_prepend", "array_push_back", "array_push_front", "array_reverse", "array_to_string",
	"array_to_string_comma_default", "date_add", "days_in_month", "fdiv", "fmod", "generate_subscripts", "geomean", "geometric_mean", "list_append", "list_prepend", "list_reverse",
	"map_contains_entry", "map_contains_value", "map_to_pg_oid", "md5_number_lower", "md5_number_upper", "nullif", "pg_size_pretty", "regexp_split_to_table", "round_even",
	"roundbankers", "split_part", "wavg", "weighted_avg",
}

// forbiddenFunctions tell of the machine or of other workspaces, do something, or make
// much of little: the engine counts a value that is being made neither in its memory nor
// in the time after which it looks for an interrupt.
var forbiddenFunctions = []string{
	"array_resize", "bitstring", "combine", "current_catalog", "current_connection_id", "current_database", "current_query", "current_query_id", "current_role", "current_schema",
	"current_schemas", "current_setting", "current_transaction_id", "current_user", "currval", "damerau_levenshtein", "editdist3", "finalize", "format_type", "get_block_size",
	"getenv", "getvariable", "in_search_path", "inet_client_addr", "inet_client_port", "inet_server_addr", "inet_server_port", "jaro_similarity", "jaro_winkler_similarity",
	"give_rows", "json_deserialize_sql", "json_execute_serialized_sql", "json_serialize_plan", "json_serialize_sql", "levenshtein", "list_resize", "nextval", "people_in", "pg_conf_load_time",
	"pg_get_constraintdef", "pg_get_viewdef", "pg_postmaster_start_time", "pg_sleep", "repeat", "session_user", "sleep_ms", "txid_current", "user", "version", "write_log",
}
