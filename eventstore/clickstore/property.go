package clickstore

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/query"
)

// groups is over how many columns the texts, and the numbers, of properties are spread,
// by name: a question about one property reads about one in so many of all.
const groups = 8

// keyOf is a property's key in maps. It is never empty: the engine does not find an empty
// key of low cardinality.
func keyOf(property string) string { return "." + clean(property) }

// groupOf is the number of a property's columns.
func groupOf(property string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(clean(property))) // which cannot fail
	return int(h.Sum32() % groups)
}

// propertyColumns are the columns of a table that has properties. All that a condition
// looks at is worked out when a row is written, so that the engine never parses a value.
//
//	types         a letter for each property that is not null, in order of name
//	text0 …       the text forms
//	number0 …     of values that read as a number, and are no list
//	list          of lists, the text forms of the elements, but for nulls
//	list_number   of lists, the numbers among them
//	instants      of texts, and of lists' elements, those that read as an instant
//	days          and as a date
func propertyColumns() []string {
	columns := []string{"types String"}
	for i := range groups {
		columns = append(columns, fmt.Sprintf("text%d Map(String, String)", i))
	}
	for i := range groups {
		columns = append(columns, fmt.Sprintf("number%d Map(String, Float64)", i))
	}
	return append(columns, "list Map(String, Array(String))", "list_number Map(String, Array(Float64))",
		"instants Map(String, Array(Int64))", "days Map(String, Array(Int64))")
}

// typeLetters are those of the column types.
var typeLetters = map[weir.Type]byte{weir.String: 's', weir.Number: 'n', weir.Bool: 'b', weir.JSON: 'j'}

// properties is the sheet of these columns.
type properties struct {
	types          proto.ColStr
	text           [groups]mapOf[string]
	number         [groups]mapOf[float64]
	list           mapOf[[]string]
	listNumber     mapOf[[]float64]
	instants, days mapOf[[]int64]
	sorted         []weir.Property // of the row at hand; used again
}

// mapOf is a column of maps in the making.
type mapOf[V any] struct{ *proto.ColMap[string, V] }

func newMap[V any](values proto.ColumnOf[V]) mapOf[V] {
	return mapOf[V]{proto.NewMap(proto.ColumnOf[string](new(proto.ColStr)), values)}
}

func (m mapOf[V]) put(key string, value V) {
	m.Keys.Append(key)
	m.Values.Append(value)
}

// end ends a row.
func (m mapOf[V]) end() { m.Offsets.Append(uint64(m.Keys.Rows())) }

func newProperties() *properties {
	p := &properties{
		list:       newMap[[]string](new(proto.ColStr).Array()),
		listNumber: newMap[[]float64](new(proto.ColFloat64).Array()),
		instants:   newMap[[]int64](new(proto.ColInt64).Array()),
		days:       newMap[[]int64](new(proto.ColInt64).Array()),
	}
	for i := range groups {
		p.text[i], p.number[i] = newMap[string](new(proto.ColStr)), newMap[float64](new(proto.ColFloat64))
	}
	return p
}

// add adds a row.
func (p *properties) add(row []weir.Property) {
	p.sorted = append(p.sorted[:0], row...)
	slices.SortFunc(p.sorted, func(a, b weir.Property) int { return cmp.Compare(a.Name, b.Name) })
	letters := make([]byte, 0, len(row))
	for i := range p.sorted {
		if letter, ok := typeLetters[p.sorted[i].Value.Type]; ok {
			letters = append(letters, letter)
			p.put(p.sorted[i].Name, p.sorted[i].Value)
		}
	}
	p.types.AppendBytes(letters)
	for i := range groups {
		p.text[i].end()
		p.number[i].end()
	}
	p.list.end()
	p.listNumber.end()
	p.instants.end()
	p.days.end()
}

func (p *properties) put(property string, v weir.Value) {
	name, g, text := keyOf(property), groupOf(property), clean(v.String())
	p.text[g].put(name, text)
	switch v.Type {
	case weir.Number:
		p.number[g].put(name, v.Num+0) // which makes 0 of -0
	case weir.String:
		if n, ok := query.ReadNumber(text); ok {
			p.number[g].put(name, n+0)
		}
		p.putTimes(name, []string{text})
	case weir.JSON:
		elements, ok := elementsOf(v)
		if !ok {
			return // an object is a text
		}
		p.list.put(name, elements)
		var numbers []float64
		for _, element := range elements {
			if n, ok := query.ReadNumber(element); ok {
				numbers = append(numbers, n+0)
			}
		}
		if len(numbers) > 0 {
			p.listNumber.put(name, numbers)
		}
		p.putTimes(name, elements)
	}
}

// putTimes puts those of some texts that read as times.
func (p *properties) putTimes(name string, texts []string) {
	var instants, days []int64
	for _, text := range texts {
		if at, ok := query.ReadTime(text); ok {
			instants = append(instants, int64(at))
		} else if at, ok := query.ReadDay(text); ok {
			days = append(days, int64(at))
		}
	}
	if len(instants) > 0 {
		p.instants.put(name, instants)
	}
	if len(days) > 0 {
		p.days.put(name, days)
	}
}

// elementsOf are the texts of a list's elements but for nulls; it is false of an object.
func elementsOf(v weir.Value) ([]string, bool) {
	var raw []json.RawMessage
	if json.Unmarshal([]byte(v.Str), &raw) != nil || raw == nil {
		return nil, false
	}
	texts := make([]string, 0, len(raw))
	for _, one := range raw {
		var element weir.Value
		if element.UnmarshalJSON(one) != nil {
			element = weir.Text(string(one)) // a number that no float64 holds
		}
		if element.Type != weir.Null {
			texts = append(texts, clean(element.String()))
		}
	}
	return texts, true
}

// columns are those to be written.
func (p *properties) columns() []proto.InputColumn {
	columns := []proto.InputColumn{{Name: "types", Data: &p.types}}
	for i := range groups {
		columns = append(columns, proto.InputColumn{Name: fmt.Sprint("text", i), Data: p.text[i]})
	}
	for i := range groups {
		columns = append(columns, proto.InputColumn{Name: fmt.Sprint("number", i), Data: p.number[i]})
	}
	return append(columns, proto.InputColumn{Name: "list", Data: p.list}, proto.InputColumn{Name: "list_number", Data: p.listNumber},
		proto.InputColumn{Name: "instants", Data: p.instants}, proto.InputColumn{Name: "days", Data: p.days})
}

// readProperties undoes what add did, from the columns types and text0 … of a row.
func readProperties(types string, texts []*proto.ColMap[string, string], row int) ([]weir.Property, error) {
	var out []weir.Property
	for _, column := range texts {
		for _, kv := range column.RowKV(row) {
			out = append(out, weir.Property{Name: kv.Key[1:], Value: weir.Text(kv.Value)})
		}
	}
	if len(out) != len(types) {
		return nil, fmt.Errorf("%d properties have %d types", len(out), len(types))
	}
	slices.SortFunc(out, func(a, b weir.Property) int { return cmp.Compare(a.Name, b.Name) })
	for i := range out {
		v := &out[i].Value
		switch types[i] {
		case 'n':
			n, err := strconv.ParseFloat(v.Str, 64)
			if err != nil {
				return nil, fmt.Errorf("property %q: %w", out[i].Name, err)
			}
			*v = weir.Num(n)
		case 'b':
			*v = weir.Boolean(v.Str == "true")
		case 'j':
			*v = weir.Raw(v.Str)
		}
	}
	return out, nil
}
