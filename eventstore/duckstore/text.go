package duckstore

import (
	"fmt"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// groupExpr is the text form of a property, by which a breakdown groups. Rows
// are grouped by a key, of which the text is made for each group only, where the
// two are one to one.
type groupExpr struct {
	key  string
	text func(key string) string
	typ  weir.Type // of the key; String where it is the text
}

// group is the text form of a property of the event, or of the person's row p.
func (c *compiler) group(of query.Ref) groupExpr {
	sources := c.sourcesOf(of, "p")
	if len(sources) == 1 && sources[0].typ != weir.Null && sources[0].guard == "" {
		s := sources[0]
		key := s.column
		if s.typ == weir.JSON {
			key += "[1]"
		}
		return groupExpr{key, func(key string) string { return scalarText(s.typ, key) }, s.typ}
	}
	// Never more than one of them is not null: a property has one value.
	texts := []string{}
	for _, s := range sources {
		text := s.text()
		if s.guard != "" {
			text = "CASE WHEN " + s.guard + " THEN " + text + " END"
		}
		texts = append(texts, text)
	}
	key := "CAST(NULL AS VARCHAR)"
	if len(texts) > 0 {
		key = "coalesce(" + strings.Join(texts, ", ") + ")"
	}
	return groupExpr{key, func(key string) string { return key }, weir.String}
}

// text is the text form of the column's value.
func (s source) text() string {
	switch s.typ {
	case weir.JSON:
		return s.column + "[1]"
	case weir.Null:
		return fmt.Sprintf("CASE WHEN json_type(%[1]s) = 'ARRAY' THEN %[1]s ->> '$[0]' ELSE %[1]s ->> '$' END", s.column)
	}
	return scalarText(s.typ, s.column)
}

func scalarText(t weir.Type, column string) string {
	switch t {
	case weir.Number:
		return numberText(column)
	case weir.Bool:
		return fmt.Sprintf("CASE WHEN %[1]s THEN 'true' WHEN NOT %[1]s THEN 'false' END", column)
	}
	return column
}

// numberText is weir.FormatNumber in SQL. The engine writes the same shortest
// digits, but other numbers with an exponent: from 1e15 up and below 1e-4.
func numberText(n string) string {
	// The digits without point and sign, and the exponent, of a text such as
	// "-1.25e-05".
	const parts = "replace(split_part(ltrim(CAST(%[1]s AS VARCHAR), '-'), 'e', 1), '.', '')"
	return fmt.Sprintf("CASE"+
		" WHEN abs(%[1]s) < 1e15 AND %[1]s = trunc(%[1]s) THEN CAST(CAST(%[1]s AS BIGINT) AS VARCHAR)"+
		" WHEN abs(%[1]s) >= 1e-4 AND abs(%[1]s) < 1e15 THEN CAST(%[1]s AS VARCHAR)"+
		" WHEN abs(%[1]s) >= 1e-6 AND abs(%[1]s) < 1e-4 THEN"+
		"  CASE WHEN %[1]s < 0 THEN '-' ELSE '' END || CASE WHEN abs(%[1]s) < 1e-5 THEN '0.00000' ELSE '0.0000' END || "+parts+
		" WHEN abs(%[1]s) >= 1e15 AND abs(%[1]s) < 1e21 AND contains(CAST(%[1]s AS VARCHAR), 'e') THEN"+
		"  CASE WHEN %[1]s < 0 THEN '-' ELSE '' END || rpad("+parts+", CAST(split_part(CAST(%[1]s AS VARCHAR), 'e', 2) AS INTEGER) + 1, '0')"+
		" WHEN abs(%[1]s) >= 1e15 AND abs(%[1]s) < 1e21 THEN regexp_replace(CAST(%[1]s AS VARCHAR), '\\.0$', '')"+
		" ELSE CAST(%[1]s AS VARCHAR) END", n)
}
