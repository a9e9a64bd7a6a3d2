package clickstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// refuse is an error about the statement.
func refuse(format string, args ...any) error {
	return &weir.Error{Code: query.CodeInvalid, Field: "sql", Message: "The statement cannot be run: " + fmt.Sprintf(format, args...)}
}

// ownTableNames are the tables of a statement.
const ownTableNames = "events, users, sessions, orders"

// Nodes of the syntax tree that a statement may have. What is not here names a setting, a
// file, a format, or is not known.
var permittedNodes = []string{
	"ArrayJoin", "Asterisk", "ColumnsExceptTransformer", "ColumnsListMatcher", "ColumnsTransformerList", "ExpressionList", "Function", "Identifier", "InterpolateElement", "Literal", "OrderByElement",
	"QualifiedAsterisk", "SelectIntersectExceptQuery", "SelectQuery", "SelectWithUnionQuery", "Subquery", "TableExpression", "TableIdentifier", "TableJoin", "TablesInSelectQuery",
	"TablesInSelectQueryElement", "WindowDefinition", "WindowListElement", "WithElement",
}

// Categories of functions, as the server itself has them, that look at their arguments
// alone; and some more functions. Others read dictionaries, files or other tables, tell of
// the server, or wait.
var (
	permittedCategories = []string{
		"Aggregate Functions", "Arithmetic", "Arrays", "Bit", "Comparison", "Conditional", "Dates and Times", "Distance", "Encoding", "Financial", "Hash", "IP Address", "JSON", "Logical", "Map", "Mathematical",
		"Null", "Rounding", "String", "String Replacement", "String Search", "String Splitting", "Tuple", "Type Conversion", "URL", "UUID", "Window Functions",
	}
	permittedFunctions = []string{"bar", "formatReadableQuantity", "formatReadableTimeDelta", "lambda", "neighbor", "runningDifference", "toTypeName", "transform", "untuple"}
	// combinators are what the name of an aggregate may end in.
	combinators  = []string{"If", "Array", "Map", "Distinct", "OrDefault", "OrNull", "ForEach", "ArgMin", "ArgMax", "State", "Merge"}
	tableReaders = []string{"in", "notIn", "nullIn", "notNullIn", "globalIn", "globalNotIn", "globalNullIn", "globalNotNullIn"}
)

const mostNodes = 20_000 // of a statement's syntax tree

// node is one of a syntax tree.
type node struct {
	kind, text string // such as Identifier, and what stands behind it
	name       string // of the text, what is no alias
	children   []*node
}

// functions are those that a statement may use.
type functions struct {
	exact, folded map[string]bool
	aggregates    map[string]bool
}

// readFunctions asks the server what its functions are.
func (r *reader) readFunctions(ctx context.Context) (*functions, error) {
	f := &functions{exact: map[string]bool{}, folded: map[string]bool{}, aggregates: map[string]bool{}}
	var name, category proto.ColStr
	var aggregate, folded proto.ColUInt8
	// A name that stands for another has the other's category.
	statement := "SELECT f.name, if(f.alias_to = '', f.categories, o.categories), toUInt8(f.is_aggregate), toUInt8(f.case_insensitive) FROM system.functions AS f" +
		" LEFT ANY JOIN (SELECT name, categories FROM system.functions) AS o ON o.name = f.alias_to WHERE f.origin = 'System'"
	err := r.query(ctx, statement, proto.Results{{Data: &name}, {Data: &category}, {Data: &aggregate}, {Data: &folded}}, func() error {
		for i := range aggregate {
			n := name.Row(i)
			if aggregate[i] == 0 && !slices.Contains(permittedCategories, category.Row(i)) && !slices.Contains(permittedFunctions, n) {
				continue
			}
			f.exact[n] = true
			if folded[i] != 0 {
				f.folded[strings.ToLower(n)] = true
			}
			if aggregate[i] != 0 {
				f.aggregates[n] = true
			}
		}
		return nil
	})
	for _, n := range permittedFunctions {
		f.exact[n] = true // some are of the parser
	}
	if err != nil {
		return nil, fmt.Errorf("list functions: %w", err)
	}
	return f, nil
}

func (f *functions) permit(name string) bool {
	if f.exact[name] || f.folded[strings.ToLower(name)] {
		return true
	}
	for _, end := range combinators {
		if rest, ok := strings.CutSuffix(name, end); ok && (f.aggregates[rest] || f.folded[strings.ToLower(rest)] || f.permit(rest)) {
			return true
		}
	}
	return false
}

// permit refuses what is not one SELECT over the workspace's own tables. The server parses
// it, inside of the same words as it runs in.
func (r *reader) permit(ctx context.Context, text string) error {
	var lines []string
	var line proto.ColStr
	err := r.query(ctx, "EXPLAIN AST "+within(text, 1), proto.Results{{Data: &line}}, func() error {
		for i := range line.Rows() {
			lines = append(lines, line.Row(i))
		}
		return nil
	})
	if err != nil {
		return statementError(err)
	}
	if len(lines) > mostNodes {
		return refuse("it is too long; write it shorter.")
	}
	tree, err := treeOf(lines)
	if err != nil {
		return err
	}
	f, err := r.readFunctions(ctx)
	if err != nil {
		return err
	}
	return (&permission{f}).node(tree)
}

// within puts a statement where it runs: inside of another, so that nothing can stand
// before or behind it.
func within(text string, rows int) string {
	return fmt.Sprintf("SELECT * FROM (\n%s\n) LIMIT %d", text, rows)
}

// treeOf reads a syntax tree as the server explains it: a line for each node, with as many
// spaces before it as it is deep. A name with the end of a line in it could look like
// nodes; then the numbers of children would not be right.
func treeOf(lines []string) (*node, error) {
	broken := refuse("its syntax tree cannot be read; leave out names with odd characters.")
	var path []*node
	var counts []int
	for _, text := range lines {
		trimmed := strings.TrimLeft(text, " ")
		depth := len(text) - len(trimmed)
		if depth > len(path) || depth == 0 && len(path) > 0 {
			return nil, broken
		}
		count := 0
		if head, tail, ok := cutLast(trimmed, " (children "); ok {
			n, err := strconv.Atoi(strings.TrimSuffix(tail, ")"))
			if err != nil {
				return nil, broken
			}
			trimmed, count = head, n
		}
		n := &node{}
		n.kind, n.text, _ = strings.Cut(strings.TrimRight(trimmed, " "), " ")
		n.name, _, _ = strings.Cut(n.text, " (alias ")
		for i := depth; i < len(path); i++ {
			if len(path[i].children) != counts[i] {
				return nil, broken
			}
		}
		path, counts = append(path[:depth], n), append(counts[:depth], count)
		if depth > 0 {
			parent := path[depth-1]
			parent.children = append(parent.children, n)
		}
	}
	for i, n := range path {
		if len(n.children) != counts[i] {
			return nil, broken
		}
	}
	if len(path) == 0 {
		return nil, broken
	}
	return path[0], nil
}

func cutLast(text, separator string) (before, after string, found bool) {
	i := strings.LastIndex(text, separator)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(separator):], true
}

// permission looks through one syntax tree.
type permission struct{ functions *functions }

func (p *permission) node(n *node) error {
	if !slices.Contains(permittedNodes, n.kind) {
		return refuse("it may not have %s in it.", strings.TrimSpace(n.kind+" "+n.text))
	}
	switch n.kind {
	case "TableIdentifier":
		if err := n.permitTable(); err != nil {
			return err
		}
	case "TableExpression":
		for _, child := range n.children {
			if child.kind == "Function" {
				return refuse("%q makes a table; it may read %s.", child.name, ownTableNames)
			}
		}
	case "Function":
		if !p.functions.permit(n.name) {
			return refuse("the function %q is none that it may use.", n.name)
		}
		if slices.Contains(tableReaders, n.name) {
			if err := n.permitOperands(); err != nil {
				return err
			}
		}
	}
	for _, child := range n.children {
		if err := p.node(child); err != nil {
			return err
		}
	}
	return nil
}

// permitOperands is for IN: a name on its right side is that of a table.
func (n *node) permitOperands() error {
	for _, arguments := range n.children {
		for i, argument := range arguments.children {
			if i > 0 && argument.kind == "Identifier" {
				if err := argument.permitTable(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// permitTable permits the four tables, and names of WITH. The tree does not have the
// latter; but any name without a point is of the workspace's own database, of which the
// tables are known.
func (n *node) permitTable() error {
	real := func(t table) bool { return n.name == t.name || n.name == t.name+"_local" }
	if !slices.Contains(strings.Split(ownTableNames, ", "), n.name) && slices.ContainsFunc(tables(), real) || strings.Contains(n.text, ".") {
		return refuse("it may not read %q, but %s.", n.name, ownTableNames)
	}
	return nil
}
