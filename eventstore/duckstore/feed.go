package duckstore

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/journey"
	"github.com/weirhq/weir/query"
)

// feed gives rows to package journey, for one question.
type feed struct {
	*reader
	mu    sync.Mutex // guards what follows while rows are read
	room  int64      // bytes that texts may still take
	list  []string
	index map[string]int32
	names []int32 // of events, by code-1
}

func (r *reader) newFeed(memory int64) *feed {
	return &feed{reader: r, room: memory, index: map[string]int32{}}
}

// Highest implements journey.Source.
func (s *feed) Highest() uint32 { return s.persons.highest }

// Streams implements journey.Source.
func (s *feed) Streams() int { return s.store.options.Threads }

// Text implements journey.Source.
func (s *feed) Text(number int32) string { return s.list[number] }

// Rows implements journey.Source.
func (s *feed) Rows(ctx context.Context, r *journey.Request, part, parts int, open func() journey.Sink) error {
	statement, args, ok := s.compile(r, part, parts)
	if !ok {
		return nil // events that nobody has sent
	}
	return s.stream(ctx, statement.columns, statement.from, args, func() func(*chunk) error {
		h := &feedHand{
			feed: s, request: r, statement: statement, sink: open(),
			short: map[engineText]int32{}, long: map[string]int32{},
		}
		h.block.Texts = make([][]int32, len(r.Texts))
		return h.take
	})
}

// feedHand makes blocks of one stream's rows.
type feedHand struct {
	*feed
	request   *journey.Request
	statement *rowsStatement
	sink      journey.Sink
	block     journey.Block
	marks     []uint32
	// Numbers of texts that were met here: of those that the engine has in one piece,
	// by that piece, and of longer ones.
	short map[engineText]int32
	long  map[string]int32
}

// take takes rows of identity, time, marks, session if it is asked for, and the texts.
func (h *feedHand) take(c *chunk) error {
	b := &h.block
	b.At = column[int64](c, 1)
	b.Marks = h.marksOf(column[uint32](c, 2), b.At)
	b.Person = h.persons.ofAll(column[uint32](c, 0), b.Person)
	next := 3
	if h.request.Sessions {
		b.Session = column[uint32](c, next)
		next++
	}
	for i, of := range h.request.Texts {
		var err error
		if of == journey.EventName {
			b.Texts[i], err = h.eventNames(column[uint32](c, next+i), b.Texts[i])
		} else {
			b.Texts[i], err = h.numbers(c, next+i, b.Texts[i])
		}
		if err != nil {
			return err
		}
	}
	return h.sink(b)
}

// People implements journey.Source.
func (s *feed) People(ctx context.Context, of query.Ref, fn func(person uint32, text string)) error {
	var args arguments
	s.workspace.mu.RLock()
	c := &compiler{catalogue: s.catalogue, schema: s.schema, args: &args}
	text := c.textOf(of)
	s.workspace.mu.RUnlock()
	var last engineText
	var lastText string
	return s.chunks(ctx, fmt.Sprintf("SELECT p.person, %s FROM %s.people p", text, s.schema), args, func(c *chunk) error {
		persons, texts, valid := column[uint32](c, 0), column[engineText](c, 1), c.valid(1)
		for i, person := range persons {
			if !isSet(valid, i) {
				continue
			}
			if texts[i] != last || len(texts[i].bytes()) > inlined {
				last, lastText = texts[i], string(texts[i].bytes())
			}
			fn(person, lastText)
		}
		return nil
	})
}

// Visits implements journey.Source.
func (s *feed) Visits(ctx context.Context, part, parts int, fn func(*eventstore.Visit)) error {
	return s.visits(ctx, "", func(v eventstore.Visit) error {
		if int(v.Person)%parts == part {
			fn(&v)
		}
		return nil
	})
}

// eventNames are the numbers of event names by their codes.
func (h *feedHand) eventNames(codes []uint32, into []int32) ([]int32, error) {
	names, err := h.namesByCode()
	if err != nil {
		return nil, err
	}
	into = into[:0]
	for _, code := range codes {
		into = append(into, names[code-1])
	}
	return into, nil
}

// namesByCode are the numbers of all event names.
func (s *feed) namesByCode() ([]int32, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names == nil {
		s.workspace.mu.RLock()
		defer s.workspace.mu.RUnlock()
		for _, name := range s.catalogue.names {
			n, err := s.number(name)
			if err != nil {
				return nil, err
			}
			s.names = append(s.names, n)
		}
	}
	return s.names, nil
}

// number is that of a text. The feed is locked.
func (s *feed) number(text string) (int32, error) {
	n, ok := s.index[text]
	if !ok {
		if s.room -= int64(len(text)) + 128; s.room < 0 {
			return 0, journey.ErrTooLarge
		}
		n = int32(len(s.list))
		s.list = append(s.list, text)
		s.index[text] = n
	}
	return n, nil
}

// numbers are those of a column's texts.
func (h *feedHand) numbers(c *chunk, i int, into []int32) ([]int32, error) {
	texts, valid := column[engineText](c, i), c.valid(i)
	into = into[:0]
	var last engineText // neighbours are often alike
	lastNumber := int32(journey.NoText)
	for row := range texts {
		t := &texts[row]
		switch {
		case !isSet(valid, row):
			into = append(into, journey.NoText)
			continue
		case *t == last && lastNumber != journey.NoText: // the same bytes, in the same place if they are many
			into = append(into, lastNumber)
			continue
		}
		n, err := h.numberOf(t)
		if err != nil {
			return nil, err
		}
		last, lastNumber = *t, n
		into = append(into, n)
	}
	return into, nil
}

// numberOf is the number of a text of the engine.
func (h *feedHand) numberOf(t *engineText) (n int32, err error) {
	text := t.bytes()
	isLong := len(text) > inlined
	var known bool
	if isLong {
		n, known = h.long[string(text)]
	} else {
		n, known = h.short[*t]
	}
	if known {
		return n, nil
	}
	h.feed.mu.Lock()
	defer h.feed.mu.Unlock()
	if n, err = h.number(string(text)); err != nil {
		return 0, err
	}
	if isLong {
		h.long[h.list[n]] = n
	} else {
		h.short[*t] = n
	}
	return n, nil
}

// rowsStatement gives rows of identity, time, marks, session if it is asked for, and the
// texts.
type rowsStatement struct {
	columns []string
	from    string
	// byName has the marks of each event, by code, if nothing but the name and the time
	// decides: then the column of marks has the code. Its last are those of all others.
	byName []uint32
	// timed are marks whose span is not that of all rows.
	timed []readMark
}

// marksOf are those of a column of the statement.
func (h *feedHand) marksOf(column []uint32, at []int64) []uint32 {
	s := h.statement
	if s.byName == nil {
		return column
	}
	h.marks = slices.Grow(h.marks[:0], len(column))[:len(column)]
	marks, others := h.marks, uint32(len(s.byName)-1)
	for i, code := range column {
		marks[i] = s.byName[min(code, others)]
	}
	for _, t := range s.timed {
		from, to, bit := int64(t.From), int64(t.To), uint32(1)<<t.bit
		for i, time := range at[:len(marks)] {
			if time < from || time >= to {
				marks[i] &^= bit
			}
		}
	}
	return marks
}

// compile makes the statement of a request; it is false if no row can be chosen.
func (s *feed) compile(r *journey.Request, part, parts int) (statement *rowsStatement, args arguments, ok bool) {
	s.workspace.mu.RLock()
	defer s.workspace.mu.RUnlock()
	c := &compiler{catalogue: s.catalogue, schema: s.schema, args: &args}
	reads := c.reads(r.Marks)
	if len(reads.marks) == 0 {
		return nil, nil, false
	}
	c.event = reads.only()
	statement = &rowsStatement{columns: []string{"e.identity", "e.ts"}}
	guarded := false // rows without a mark have to be left out
	if statement.byName = reads.byName(); statement.byName != nil {
		statement.columns = append(statement.columns, "e.name")
		for _, m := range reads.marks {
			if m.bounds != reads.span {
				statement.timed = append(statement.timed, m)
			}
		}
	} else {
		guarded = !reads.sure
		statement.columns = append(statement.columns, c.markBits(reads))
	}
	if r.Sessions {
		statement.columns = append(statement.columns, "e.session")
	}
	for _, of := range r.Texts {
		text := "e.name"
		if of != journey.EventName {
			text = c.textOf(of)
		}
		statement.columns = append(statement.columns, text)
	}
	where := []string{reads.span.sql()}
	if !reads.every {
		where = append(where, amongCodes(reads.codes))
	}
	if parts > 1 {
		where = append(where, fmt.Sprintf("e.identity IN (SELECT identity FROM %s.identities WHERE person %% %d = %d)", s.schema, parts, part))
	}
	statement.from = fmt.Sprintf("FROM %s.events e WHERE %s", s.schema, strings.Join(where, " AND "))
	if guarded {
		statement.guard()
	}
	return statement, args, true
}

// guard leaves out rows without a mark. The engine works out the marks once for both.
func (s *rowsStatement) guard() {
	var inner, outer []string
	for i, column := range s.columns {
		inner = append(inner, fmt.Sprintf("%s c%d", column, i))
		outer = append(outer, fmt.Sprintf("c%d", i))
	}
	s.from = fmt.Sprintf("FROM (SELECT %s %s) WHERE c2 > 0", strings.Join(inner, ", "), s.from)
	s.columns = outer
}

// amongCodes chooses events. The engine looks for one of several numbers in one after the
// other, and sorts what it has found; a look at a bit is several times as fast.
func amongCodes(codes []uint32) string {
	if len(codes) < 2 || codes[len(codes)-1] > 62 {
		return inList("e.name", codes)
	}
	set := uint64(0)
	for _, code := range codes {
		set |= 1 << code
	}
	return fmt.Sprintf("(%d::UBIGINT >> e.name::UBIGINT) & 1::UBIGINT = 1::UBIGINT", set)
}

// textOf is the text form of a property, null if it is absent.
func (c *compiler) textOf(of query.Ref) string {
	g := c.group(of)
	return g.text(g.key)
}

// reads is what the marks of a request have in common.
type reads struct {
	marks []readMark
	span  bounds   // of all
	codes []uint32 // of events that some mark is about, sorted; without meaning if every
	every bool     // a mark is about any event
	sure  bool     // a row of those events in that span has a mark
}

type readMark struct {
	bit   int
	codes []uint32 // nil: any
	bounds
	where query.Predicate
}

// bounds are a span of time; an end that is open is not compared.
type bounds struct{ query.Span }

func (b bounds) sql() string {
	parts := []string{}
	if b.From > math.MinInt64 {
		parts = append(parts, fmt.Sprintf("e.ts >= (%d)", b.From))
	}
	if b.To < math.MaxInt64 {
		parts = append(parts, fmt.Sprintf("e.ts < (%d)", b.To))
	}
	if len(parts) == 0 {
		return "true"
	}
	return strings.Join(parts, " AND ")
}

// reads leaves out marks whose events nobody has sent.
func (c *compiler) reads(marks []journey.Mark) *reads {
	out := &reads{sure: true, span: bounds{query.Span{From: math.MaxInt64, To: math.MinInt64}}}
	for bit, m := range marks {
		codes, every := c.codes(m.Events)
		if !every && len(codes) == 0 || m.From >= m.To {
			continue
		}
		out.marks = append(out.marks, readMark{bit, codes, bounds{m.Span}, m.Where})
		out.span.From, out.span.To = min(out.span.From, m.From), max(out.span.To, m.To)
		out.every = out.every || every
		out.codes = append(out.codes, codes...)
	}
	slices.Sort(out.codes)
	out.codes = slices.Compact(out.codes)
	covered := []uint32{} // by marks without more conditions
	all := false
	for _, m := range out.marks {
		if m.where == nil && m.bounds == out.span {
			covered = append(covered, m.codes...)
			all = all || m.codes == nil
		}
	}
	slices.Sort(covered)
	out.sure = all || !out.every && slices.Equal(slices.Compact(covered), out.codes)
	return out
}

// codes are those of the events that were ever sent; every is true of no names.
func (c *compiler) codes(names []string) (codes []uint32, every bool) {
	for _, name := range names {
		if code := c.catalogue.codes[name]; code != 0 && !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	return codes, len(names) == 0
}

// only is the one event that is read, or 0.
func (r *reads) only() uint32 {
	if r.every || len(r.codes) != 1 {
		return 0
	}
	return r.codes[0]
}

// byName are the marks of each event that is read, by code, and last those of all
// others, if nothing but the name and the time decides; else it is nil.
func (r *reads) byName() []uint32 {
	highest := uint32(0)
	for _, m := range r.marks {
		if m.where != nil {
			return nil
		}
		for _, code := range m.codes {
			highest = max(highest, code)
		}
	}
	marks := make([]uint32, highest+2)
	for _, m := range r.marks {
		bit := uint32(1) << m.bit
		for _, code := range m.codes {
			marks[code] |= bit
		}
		for code := range marks {
			if m.codes == nil {
				marks[code] |= bit
			}
		}
	}
	return marks
}

// markBits has a bit for each mark that holds of a row.
func (c *compiler) markBits(r *reads) string {
	var parts []string
	for _, m := range r.marks {
		parts = append(parts, c.markBit(r, m))
	}
	return "(" + strings.Join(parts, " | ") + ")::UINTEGER"
}

// markBit is the mark's bit, or 0. What holds of all rows that are read is not asked.
func (c *compiler) markBit(r *reads, m readMark) string {
	var conditions []string
	if m.codes != nil && (r.every || !slices.Equal(slices.Sorted(slices.Values(m.codes)), r.codes)) {
		conditions = append(conditions, inList("e.name", m.codes))
	}
	span := m.bounds
	if span.From == r.span.From {
		span.From = math.MinInt64
	}
	if span.To == r.span.To {
		span.To = math.MaxInt64
	}
	if text := span.sql(); text != "true" {
		conditions = append(conditions, text)
	}
	if m.where != nil {
		event := c.event
		if len(m.codes) == 1 {
			c.event = m.codes[0]
		}
		conditions = append(conditions, c.predicate(m.where, true))
		c.event = event
	}
	if len(conditions) == 0 {
		return fmt.Sprint(uint32(1) << m.bit)
	}
	return fmt.Sprintf("CASE WHEN %s THEN %d ELSE 0 END", strings.Join(conditions, " AND "), uint32(1)<<m.bit)
}
