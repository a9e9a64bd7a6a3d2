package journey

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unsafe"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/query"
)

// attributed credits the visits that led to conversions.
type attributed struct {
	plan    *query.Attribution
	explain *query.Explain
	options attribution.Options
	fields  []field // of Request.Texts, in order of what order.FromItem calls them
	visits  map[uint32][]visited
	texts   []string // of visits, by number
	numbers map[string]int32
	rows    map[int32]*credited // by the number of the key's text, or NoText
	totals  credited
	persons []uint32 // with explain

	path   attribution.Path // of the person at hand
	point  []visited        // the same
	of     []int            // touchpoints of the conversion at hand; used again
	times  []weir.Micros
	direct []bool
}

// field is a property of an event that a conversion is made of.
type field struct {
	own  string // what order.FromItem calls it
	name string // on the event
}

// visited is a visit, as far as it matters here. Texts are numbers.
type visited struct {
	at     weir.Micros
	id     int32
	key    int32 // of the row
	direct bool
	seen   attribution.Seen
}

// credited is a row in the making.
type credited struct {
	billionths, cents, touchpoints int64
	roles                          [4]int64 // by weir.Role
}

// aConversion is what a conversion comes to in billionths: parts are as many, so that
// they add up to whole ones exactly, in whatever order.
const aConversion = 1_000_000_000

// The marks of an attribution.
const (
	markCounted = 1 << iota // a conversion that the question is about
	markOrder               // with AfterPrevious: an order,
	markGoal                // or another conversion, of any time that can matter
)

func newAttribution(p *query.Attribution, explain *query.Explain) fold {
	f := &attributed{
		plan: p, explain: explain, rows: map[int32]*credited{}, persons: []uint32{},
		options: attribution.Options{Lookback: p.Lookback, HalfLife: p.HalfLife, AfterPrevious: p.AfterPrevious},
	}
	if p.Orders || p.AfterPrevious {
		f.fields = append(f.fields, field{"cancelled_at", "cancelled_at"})
	}
	switch {
	case p.Orders:
		f.fields = append(f.fields, field{"currency", "currency"}, field{"subtotal_price", "subtotal_price"}, field{"total_price", "$value"})
	default:
		for _, name := range []string{p.Goal.ValueProperty, p.Goal.CurrencyProperty} {
			if name != "" && !slices.Contains(f.fields, field{name, name}) {
				f.fields = append(f.fields, field{name, name})
			}
		}
	}
	slices.SortFunc(f.fields, func(a, b field) int { return strings.Compare(a.own, b.own) })
	return f
}

func (f *attributed) request() *Request {
	r := &Request{Marks: []Mark{{Match: f.plan.Match, Span: f.plan.Range}}}
	for _, one := range f.fields {
		r.Texts = append(r.Texts, query.Ref{On: query.OnEvent, Name: one.name})
	}
	if !f.plan.AfterPrevious {
		return r
	}
	// What came before the look-back of the first conversion takes nothing from it.
	span := query.Span{From: f.plan.Range.From - f.options.Window(), To: f.plan.Range.To}
	r.Marks = append(r.Marks, Mark{Match: query.Match{Events: []string{order.Orders}}, Span: span})
	var goals []string
	for _, g := range f.plan.Goals {
		if g.Event != "" && g.Event != order.Orders {
			goals = append(goals, g.Event)
		}
	}
	if len(goals) > 0 {
		r.Marks = append(r.Marks, Mark{Match: query.Match{Events: goals}, Span: span})
	}
	if !f.plan.Orders {
		r.Marks = append(r.Marks, Mark{Match: f.plan.Match, Span: span})
	}
	return r
}

func (f *attributed) trait() *query.Ref { return nil }

// visit takes in the visits of a part of the persons, and forgets those of the part
// before.
func (f *attributed) visit(ctx context.Context, source Source, part, parts int, memory int64) (used int64, err error) {
	f.visits = map[uint32][]visited{}
	if f.numbers == nil {
		f.numbers = map[string]int32{}
	}
	from := f.plan.Range.From - f.options.Window()
	err = source.Visits(ctx, part, parts, func(v *eventstore.Visit) {
		if v.Origin == weir.Attended || v.StartedAt <= 0 || v.StartedAt < from || v.StartedAt >= f.plan.Range.To || used > memory {
			return
		}
		before, source := len(f.texts), v.Source
		source.Impression = v.Origin == weir.Impression
		one := visited{at: v.StartedAt, id: f.number(v.ID), key: f.keyOf(v), direct: source.Direct(), seen: attribution.SeenOf(source)}
		f.visits[v.Person] = append(f.visits[v.Person], one)
		used += 2 * int64(unsafe.Sizeof(one)) // slices have room to grow
		for _, text := range f.texts[before:] {
			used += int64(len(text)) + 64
		}
	})
	if err == nil && used > memory {
		err = errFull
	}
	return used, err
}

// number is that of a text; the empty text is none.
func (f *attributed) number(text string) int32 {
	if text == "" {
		return NoText
	}
	n, ok := f.numbers[text]
	if !ok {
		n = int32(len(f.texts))
		text = strings.Clone(text)
		f.texts = append(f.texts, text)
		f.numbers[text] = n
	}
	return n
}

func (f *attributed) text(number int32) string {
	if number == NoText {
		return ""
	}
	return f.texts[number]
}

func (f *attributed) keyOf(v *eventstore.Visit) int32 {
	switch f.plan.By {
	case query.BySource:
		return f.number(v.Source.Source)
	case query.ByMedium:
		return f.number(v.Source.Medium)
	case query.ByCampaign:
		return f.number(v.Source.Campaign)
	case query.ByLandingPage:
		return f.number(v.Source.LandingPage)
	}
	return f.number(v.Channel)
}

func (f *attributed) add(who Person, events []Event, t *Texts) {
	f.walk(who.Number)
	var previous attribution.Previous
	var counted bool
	for i := range events {
		e := &events[i]
		c, ok := f.conversion(e, t)
		if !ok {
			continue
		}
		before := previous.Of(e.At)
		if e.Marks&markCounted != 0 {
			counted = f.credit(c, before) || counted
		}
	}
	if counted {
		f.persons = append(f.persons, who.Number)
	}
}

// walk makes the path of a person.
func (f *attributed) walk(person uint32) {
	f.point = f.visits[person]
	slices.SortFunc(f.point, func(a, b visited) int {
		return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(f.text(a.id), f.text(b.id)))
	})
	f.path.Times = f.path.Times[:0]
	for i := range f.point {
		f.path.Times = append(f.path.Times, f.point[i].at)
	}
	f.path.Seen = func(i int) attribution.Seen { return f.point[i].seen }
}

// conversion is what an event is worth; ok is false if it is no conversion, as an
// order that is cancelled.
func (f *attributed) conversion(e *Event, t *Texts) (c weir.Conversion, ok bool) {
	var fields []weir.Property
	for i, one := range f.fields {
		if n := t.Of(e.Values, i); n != NoText {
			fields = append(fields, weir.Property{Name: one.own, Value: weir.Text(t.Text(n))})
		}
	}
	kind, name := weir.KindCustomEvent, f.plan.Goal.Event
	if f.plan.Orders && e.Marks&markCounted != 0 || e.Marks&markOrder != 0 {
		kind, name = weir.KindOrder, order.Orders
	} else if e.Marks&markCounted == 0 {
		return weir.Conversion{At: e.At}, true // it is before others, and its worth is of no account
	}
	c, ok = order.FromItem(kind, name, fields, e.At, []order.Goal{f.plan.Goal}, f.plan.Rates)
	if c.Unpriced {
		c.Value = 0
	}
	return c, ok && !c.Cancelled
}

// credit shares a conversion among its touchpoints. It reports whether explain asks
// for who made it.
func (f *attributed) credit(c weir.Conversion, previous weir.Micros) (asked bool) {
	f.totals.billionths += aConversion
	f.totals.cents += c.Value
	f.of = f.path.Touches(f.of[:0], c.At, previous, f.options)
	if len(f.of) == 0 {
		row := f.row(NoText)
		row.billionths += aConversion
		row.cents += c.Value
		return f.asksFor(NoText)
	}
	f.times, f.direct = f.times[:0], f.direct[:0]
	for _, i := range f.of {
		f.times, f.direct = append(f.times, f.point[i].at), append(f.direct, f.point[i].direct)
	}
	cents := attribution.Credits(c.Value, f.times, f.direct, c.At, f.plan.Model, f.plan.HalfLife)
	parts := attribution.Credits(aConversion, f.times, f.direct, c.At, f.plan.Model, f.plan.HalfLife)
	for n, i := range f.of {
		role := attribution.RoleOf(n, len(f.of))
		row := f.row(f.point[i].key)
		row.cents += cents[n]
		row.billionths += parts[n]
		for _, of := range []*credited{row, &f.totals} {
			of.touchpoints++
			of.roles[role]++
		}
		asked = asked || parts[n] > 0 && f.asksFor(f.point[i].key)
	}
	return asked
}

func (f *attributed) row(key int32) *credited {
	row := f.rows[key]
	if row == nil {
		row = &credited{}
		f.rows[key] = row
	}
	return row
}

func (f *attributed) asksFor(key int32) bool {
	if f.explain == nil {
		return false
	}
	named := f.explain.Group[0]
	if key == NoText || named == nil {
		return key == NoText && named == nil
	}
	return f.texts[key] == *named
}

func (f *attributed) answer(*Texts) *query.Answer {
	if f.explain != nil {
		slices.Sort(f.persons)
		return &query.Answer{Persons: f.persons}
	}
	rows := make([]query.CreditRow, 0, len(f.rows))
	for key, row := range f.rows {
		out := row.answer()
		if key != NoText {
			out.Key = &f.texts[key]
		}
		rows = append(rows, out)
	}
	slices.SortFunc(rows, func(a, b query.CreditRow) int {
		return cmp.Or(cmp.Compare(b.ValueCents, a.ValueCents), cmp.Compare(b.Conversions, a.Conversions), compareKeys(a.Key, b.Key))
	})
	totals := f.totals.answer()
	a := &query.Answer{Rows: []any{}, Totals: &totals, Truncated: len(rows) > query.MaxLines}
	for _, row := range rows[:min(len(rows), query.MaxLines)] {
		a.Rows = append(a.Rows, row)
	}
	return a
}

// compareKeys orders by bytes, null last.
func compareKeys(a, b *string) int {
	switch {
	case a == nil || b == nil:
		return cmp.Compare(missing(a), missing(b))
	default:
		return strings.Compare(*a, *b)
	}
}

func missing(key *string) int {
	if key == nil {
		return 1
	}
	return 0
}

func (c *credited) answer() query.CreditRow {
	return query.CreditRow{
		Conversions: float64(c.billionths) / aConversion, ValueCents: c.cents, Touchpoints: c.touchpoints,
		Roles: query.Roles{Alone: c.roles[weir.Alone], Initiator: c.roles[weir.Initiator], Assisting: c.roles[weir.Assisting], Closer: c.roles[weir.Closer]},
	}
}
