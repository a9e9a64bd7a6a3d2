package clickstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/journey"
	"github.com/weirhq/weir/query"
)

// feed gives rows to package journey, for one question.
type feed struct {
	*reader
	highest uint32
	room    int64 // bytes that texts may still take
	texts   []string
	numbers map[string]int32
}

func (r *reader) newFeed(ctx context.Context, memory int64) (*feed, error) {
	f := &feed{reader: r, room: memory, numbers: map[string]int32{}}
	var highest proto.ColUInt32
	statement := "SELECT max(greatest(identity, person)) FROM " + r.name("identities")
	err := r.query(ctx, statement, proto.Results{{Data: &highest}}, func() error {
		f.highest = highest[0]
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count identities: %w", err)
	}
	return f, nil
}

// Highest implements journey.Source.
func (s *feed) Highest() uint32 { return s.highest }

// Text implements journey.Source.
func (s *feed) Text(number int32) string { return s.texts[number] }

// number is that of a text.
func (s *feed) number(text []byte) (int32, error) {
	n, ok := s.numbers[string(text)]
	if ok {
		return n, nil
	}
	if s.room -= int64(len(text)) + 64; s.room < 0 {
		return 0, journey.ErrTooLarge
	}
	n = int32(len(s.texts))
	s.texts = append(s.texts, string(text))
	s.numbers[s.texts[n]] = n
	return n, nil
}

// Streams implements journey.Source: the answer of the server is one.
func (s *feed) Streams() int { return 1 }

// Rows implements journey.Source.
func (s *feed) Rows(ctx context.Context, r *journey.Request, part, parts int, open func() journey.Sink) error {
	var person, session, marks proto.ColUInt32
	var at proto.ColInt64
	texts := make([]*proto.ColNullable[string], len(r.Texts))
	into := proto.Results{{Data: &person}, {Data: &at}, {Data: &marks}}
	if r.Sessions {
		into = append(into, proto.ResultColumn{Data: &session})
	}
	for i := range texts {
		texts[i] = new(proto.ColStr).Nullable()
		into = append(into, proto.ResultColumn{Data: texts[i]})
	}
	b, sink := &journey.Block{Texts: make([][]int32, len(r.Texts))}, open()
	return s.query(ctx, s.statement(r, part, parts), into, func() error {
		b.Person, b.At, b.Marks = person, at, marks
		if r.Sessions {
			b.Session = session
		}
		for i := range texts {
			var err error
			if b.Texts[i], err = s.column(texts[i], b.Texts[i]); err != nil {
				return err
			}
		}
		return sink(b)
	})
}

// column are the numbers of a column's texts.
func (s *feed) column(c *proto.ColNullable[string], into []int32) ([]int32, error) {
	texts := c.Values.(*proto.ColStr)
	into = into[:0]
	var last []byte // neighbours are often alike
	lastNumber := int32(journey.NoText)
	for row, null := range c.Nulls {
		if null != 0 {
			into = append(into, journey.NoText)
			continue
		}
		text := texts.RowBytes(row)
		if lastNumber == journey.NoText || !slices.Equal(text, last) {
			n, err := s.number(text)
			if err != nil {
				return nil, err
			}
			last, lastNumber = text, n
		}
		into = append(into, lastNumber)
	}
	return into, nil
}

// statement selects the rows of a request: person, time, marks, session if it is asked
// for, and the texts.
func (s *feed) statement(r *journey.Request, part, parts int) string {
	c := &compiler{reader: s.reader}
	columns := []string{c.personOfRow() + " AS who", "e.ts"}
	var bits, spans []string
	var names []string
	every := false
	for i, m := range r.Marks {
		conditions := append(bounds("e.ts", m.Span), c.match(m.Match)...)
		if len(conditions) == 0 {
			conditions = []string{"1"}
		}
		bits = append(bits, fmt.Sprintf("if(%s, toUInt32(%d), toUInt32(0))", strings.Join(conditions, " AND "), uint32(1)<<i))
		spans = append(spans, "("+strings.Join(append([]string{"1"}, bounds("e.ts", m.Span)...), " AND ")+")")
		names = append(names, m.Events...)
		every = every || len(m.Events) == 0
	}
	columns = append(columns, "toUInt32("+strings.Join(bits, " + ")+") AS marks")
	if r.Sessions {
		columns = append(columns, "e.session")
	}
	for i, of := range r.Texts {
		text := "CAST(e.name, 'Nullable(String)')"
		if of != journey.EventName {
			text = c.operand(of).orNull()
		}
		columns = append(columns, fmt.Sprintf("%s AS t%d", text, i))
	}
	// What all marks have in common lets the engine pass over the rest.
	slices.Sort(spans)
	where := []string{s.rows("e"), "(" + strings.Join(slices.Compact(spans), " OR ") + ")"}
	if !every {
		slices.Sort(names)
		where = append(where, c.match(query.Match{Events: slices.Compact(names)})...)
	}
	where = append(where, "marks > 0")
	if parts > 1 {
		where = append(where, fmt.Sprintf("who %% %d = %d", parts, part))
	}
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s", strings.Join(columns, ", "), c.events(), strings.Join(where, " AND "))
}

// People implements journey.Source.
func (s *feed) People(ctx context.Context, of query.Ref, fn func(person uint32, text string)) error {
	o := property("p", of.Name)
	var person proto.ColUInt32
	var text proto.ColStr
	statement := fmt.Sprintf("SELECT p.person, %s FROM %s AS p FINAL WHERE %s", o.text, s.name("people"), o.has)
	return s.query(ctx, statement, proto.Results{{Data: &person}, {Data: &text}}, func() error {
		for row, p := range person {
			fn(p, text.Row(row))
		}
		return nil
	})
}

// Visits implements journey.Source.
func (s *feed) Visits(ctx context.Context, part, parts int, fn func(*eventstore.Visit)) error {
	where := "1"
	if parts > 1 {
		where = fmt.Sprintf("who %% %d = %d", parts, part)
	}
	return s.visits(ctx, where, "", func(v eventstore.Visit) error {
		fn(&v)
		return nil
	})
}
