package journey

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

// deed is an event of a diary.
type deed struct {
	person  uint32
	at      weir.Micros
	name    string
	session uint32
	props   map[string]string
}

// diary is a Source of deeds and traits. It gives small blocks of the same memory, in
// the order of the deeds, to two streams in turn.
type diary struct {
	deeds  []deed
	traits map[uint32]map[string]string
	visits []eventstore.Visit
	fail   error // of Rows

	texts   []string
	numbers map[string]int32
	given   int // rows
	reads   int // calls of Rows
}

func (d *diary) number(text string, ok bool) int32 {
	if !ok {
		return NoText
	}
	n, known := d.numbers[text]
	if !known {
		if d.numbers == nil {
			d.numbers = map[string]int32{}
		}
		n = int32(len(d.texts))
		d.texts = append(d.texts, text)
		d.numbers[text] = n
	}
	return n
}

func (d *diary) Highest() uint32 {
	highest := uint32(0)
	for _, e := range d.deeds {
		highest = max(highest, e.person)
	}
	return highest
}

func (d *diary) Text(number int32) string { return d.texts[number] }

func (d *diary) People(_ context.Context, of query.Ref, fn func(uint32, string)) error {
	for person, traits := range d.traits {
		if text, ok := traits[of.Name]; ok {
			fn(person, text)
		}
	}
	return nil
}

func (d *diary) Visits(_ context.Context, part, parts int, fn func(*eventstore.Visit)) error {
	for _, v := range d.visits {
		if int(v.Person)%parts == part {
			fn(&v)
		}
	}
	return nil
}

func (d *diary) Streams() int { return 2 }

func (d *diary) Rows(_ context.Context, r *Request, part, parts int, open func() Sink) error {
	d.reads++
	b := &Block{Texts: make([][]int32, len(r.Texts))}
	sinks := [2]Sink{open(), open()}
	flush := func() error {
		sinks[0], sinks[1] = sinks[1], sinks[0]
		given := *b
		if !r.Sessions {
			given.Session = nil
		}
		err := sinks[0](&given)
		for i := range b.At { // whoever kept it sees that it was not theirs
			b.Person[i], b.At[i], b.Session[i], b.Marks[i] = 99, -1, 99, 0
		}
		b.Person, b.At, b.Session, b.Marks = b.Person[:0], b.At[:0], b.Session[:0], b.Marks[:0]
		for i := range b.Texts {
			b.Texts[i] = b.Texts[i][:0]
		}
		return err
	}
	for _, e := range d.deeds {
		marks := marksOf(r, e)
		if int(e.person)%parts != part || marks == 0 {
			continue
		}
		d.given++
		b.Person, b.At = append(b.Person, e.person), append(b.At, int64(e.at))
		b.Session, b.Marks = append(b.Session, e.session), append(b.Marks, marks)
		for i, ref := range r.Texts {
			text, ok := e.props[ref.Name]
			if ref == EventName {
				text, ok = e.name, true
			}
			b.Texts[i] = append(b.Texts[i], d.number(text, ok))
		}
		if len(b.At) == 7 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if d.fail != nil {
		return d.fail
	}
	return flush()
}

func marksOf(r *Request, e deed) uint32 {
	marks := uint32(0)
	for i, m := range r.Marks {
		if e.at >= m.From && e.at < m.To && e.matches(m.Match) {
			marks |= 1 << i
		}
	}
	return marks
}

// matches knows no other condition than one property that is one of some texts.
func (e deed) matches(m query.Match) bool {
	if len(m.Events) > 0 && !slices.Contains(m.Events, e.name) {
		return false
	}
	if m.Where == nil {
		return true
	}
	c := m.Where.(*query.Compare)
	text, ok := e.props[c.Property.Name]
	return ok && slices.Contains(c.Text, text)
}

// ask answers a plan in plenty of memory. What is answered by summaries must be what the
// rows say.
func ask(t testing.TB, d *diary, p *query.Plan) *query.Answer {
	t.Helper()
	a, err := Answer(t.Context(), p, d, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if bySummaries(p) {
		f, given, reads := newFold(p), d.given, d.reads
		traits, err := readTraits(t.Context(), d, f.trait())
		if err != nil {
			t.Fatal(err)
		}
		texts := &Texts{source: d, traits: traits}
		if err := foldParts(t.Context(), f, texts, 1, 1<<30); err != nil {
			t.Fatal(err)
		}
		d.given, d.reads = given, reads
		rows := f.answer(texts)
		said := func(a *query.Answer) string {
			text, err := json.Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("%s %v", text, a.Persons)
		}
		if got, want := said(a), said(rows); got != want {
			t.Errorf("summaries say %s\nrows say %s", got, want)
		}
	}
	return a
}

func bySummaries(p *query.Plan) bool {
	s, ok := newFold(p).(summarizer)
	if !ok {
		return false
	}
	needs, _ := s.summaries()
	return needs != nil
}

// clock reads "2026-10-05 20:00" in UTC.
func clock(text string) weir.Micros {
	at, err := time.Parse("2006-01-02 15:04", text)
	if err != nil {
		panic(err)
	}
	return weir.Micros(at.UnixMicro())
}

// daily is so many days from a date on.
func daily(date string, days int) query.Buckets {
	from := clock(date + " 00:00")
	b, err := query.Calendar{Interval: query.Day}.Divide(from, from+weir.Micros(days)*dayLong)
	if err != nil {
		panic(err)
	}
	return b
}

const (
	minuteLong = weir.Micros(60e6)
	hourLong   = 60 * minuteLong
	dayLong    = 24 * hourLong
)

func event(names ...string) query.Match { return query.Match{Events: names} }

func onEvent(name string) query.Ref { return query.Ref{On: query.OnEvent, Name: name} }

func onUser(name string) query.Ref { return query.Ref{On: query.OnUser, Name: name} }

func where(property string, texts ...string) *query.Compare {
	return &query.Compare{Property: onEvent(property), Op: query.In, Text: texts}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// collect puts deeds through a collector.
func collect(t *testing.T, d *diary, r *Request) (*Texts, map[uint32][]Event, []uint32) {
	t.Helper()
	texts := &Texts{source: d}
	c := newCollector(texts, d.Highest(), 1<<30)
	if err := d.Rows(t.Context(), r, 0, 1, c.open); err != nil {
		t.Fatal(err)
	}
	byPerson, order := map[uint32][]Event{}, []uint32{}
	for person, events := range c.persons() {
		if _, twice := byPerson[person]; twice {
			t.Errorf("person %d comes twice", person)
		}
		byPerson[person] = slices.Clone(events)
		order = append(order, person)
	}
	return texts, byPerson, order
}

func TestCollectorGivesEveryRowOnceToItsPerson(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	d := &diary{}
	type row struct {
		person  uint32
		at      weir.Micros
		session uint32
		text    string
		marks   uint32
	}
	want := map[row]int{}
	for range 3000 {
		e := deed{person: random.Uint32N(40) * 3, at: weir.Micros(random.Int64N(50)), name: "a", session: random.Uint32N(4)}
		text := "none"
		if random.IntN(3) > 0 {
			text = string(rune('p' + random.IntN(4)))
			e.props = map[string]string{"x": text}
		}
		marks := uint32(1)
		if random.IntN(2) == 0 {
			e.name, marks = "b", 2
		}
		d.deeds = append(d.deeds, e)
		want[row{e.person, e.at, e.session, text, marks}]++
	}
	all := query.Span{From: 0, To: 100}
	texts, byPerson, order := collect(t, d, &Request{Marks: []Mark{{event("a"), all}, {event("b"), all}}, Texts: []query.Ref{onEvent("x")}, Sessions: true})
	got := map[row]int{}
	for person, events := range byPerson {
		for _, e := range events {
			text := "none"
			if n := texts.Of(e.Values, 0); n != NoText {
				text = texts.Text(n)
			}
			got[row{person, e.At, e.Session, text, e.Marks}]++
		}
	}
	if !maps.Equal(got, want) {
		t.Error("the rows are not those that came")
	}
	if !slices.IsSorted(order) {
		t.Errorf("persons come as %v", order)
	}
}

func TestCollectorOrdersByTimeThenTextsThenSessionsThenMarks(t *testing.T) {
	text := func(x, y string) map[string]string {
		props := map[string]string{}
		if x != "" {
			props["x"] = x
		}
		if y != "" {
			props["y"] = y
		}
		return props
	}
	// In the order that is wanted; "z" is numbered first, so that numbers do not order.
	want := []deed{
		{person: 5, at: 9, name: "a", props: text("z", "z")},
		{person: 5, at: 10, name: "a", props: text("b", "c")},
		{person: 5, at: 10, name: "a", props: text("b", "")},
		{person: 5, at: 10, name: "a", props: text("c", "a")},
		{person: 5, at: 10, name: "a", session: 1, props: text("", "a")},
		{person: 5, at: 10, name: "b", session: 1, props: text("", "a")},
		{person: 5, at: 10, name: "a", session: 2, props: text("", "a")},
		{person: 5, at: 10, name: "a", props: text("", "")},
		{person: 5, at: 11, name: "a", props: text("a", "a")},
	}
	all := query.Span{From: 0, To: 100}
	request := &Request{Marks: []Mark{{event("a"), all}, {event("b"), all}}, Texts: []query.Ref{onEvent("x"), onEvent("y")}, Sessions: true}
	for seed := range uint64(20) {
		d := &diary{deeds: slices.Clone(want)}
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(want), func(i, j int) { d.deeds[i], d.deeds[j] = d.deeds[j], d.deeds[i] })
		texts, byPerson, _ := collect(t, d, request)
		for i, e := range byPerson[5] {
			name := []string{"", "a", "b"}[e.Marks]
			props := map[string]string{}
			for n, ref := range request.Texts {
				if number := texts.Of(e.Values, n); number != NoText {
					props[ref.Name] = texts.Text(number)
				}
			}
			same(t, "event", deed{5, e.At, name, e.Session, props}, want[i])
		}
	}
}

func TestEqualTextsHaveEqualValues(t *testing.T) {
	d := &diary{deeds: []deed{
		{at: 1, name: "a", props: map[string]string{"x": "p"}},
		{at: 2, name: "a", props: map[string]string{"x": "q"}},
		{at: 3, name: "a", props: map[string]string{"x": "p"}},
		{at: 4, name: "a"},
	}}
	_, byPerson, _ := collect(t, d, &Request{Marks: []Mark{{event("a"), query.Span{From: 0, To: 9}}}, Texts: []query.Ref{onEvent("x")}})
	e := byPerson[0]
	if e[0].Values != e[2].Values || e[0].Values == e[1].Values || e[3].Values == e[0].Values || e[3].Values == e[1].Values {
		t.Errorf("values are %d, %d, %d, %d", e[0].Values, e[1].Values, e[2].Values, e[3].Values)
	}
}

// rowSize is what a row takes.
const rowSize = int64(unsafe.Sizeof(Event{}))

// busyDiary has 64 persons with 10 events each, in 8 days.
func busyDiary() *diary {
	random := rand.New(rand.NewPCG(7, 7))
	d := &diary{traits: map[uint32]map[string]string{}}
	for i := range 640 {
		d.deeds = append(d.deeds, deed{
			person: uint32(i % 64), at: clock("2026-10-01 00:00") + weir.Micros(random.Int64N(int64(8*dayLong))), name: "a",
			props: map[string]string{"x": string(rune('p' + random.IntN(4)))},
		})
	}
	return d
}

func TestAQuestionThatDoesNotFitIsDividedByPersons(t *testing.T) {
	plans := map[string]*query.Plan{
		"stickiness":   {Stickiness: &query.Stickiness{Match: event("a"), Buckets: daily("2026-10-01", 8)}},
		"distribution": {Distribution: &query.Distribution{Match: event("a"), Range: wide, Property: new(onEvent("x")), Bins: 3}},
		"flows":        {Flows: &query.Flows{Match: event("a"), Range: wide, Node: new(onEvent("x")), PerUser: true, Steps: 4, Limit: 10}},
		"explained stickiness": {
			Stickiness: &query.Stickiness{Match: event("a"), Buckets: daily("2026-10-01", 8), Cumulative: true},
			Explain:    &query.Explain{Intervals: 5},
		},
		"explained lifecycle": {
			Lifecycle: &query.Lifecycle{Match: event("a"), Buckets: daily("2026-10-02", 5), Before: clock("2026-10-01 00:00")},
			Explain:   &query.Explain{State: "returning", Bucket: 0},
		},
		"explained distribution": {
			Distribution: &query.Distribution{Match: event("a"), Range: query.Span{From: wide.From, To: clock("2026-10-03 00:00")}, Bins: 9},
			Explain:      &query.Explain{Bin: 1},
		},
		"explained flows": {
			Flows:   &query.Flows{Match: event("a"), Range: wide, Node: new(onEvent("x")), PerUser: true, Steps: 4, Limit: 10},
			Explain: &query.Explain{From: &query.Node{Step: 1, Node: "p"}, To: &query.Node{Step: 2, Node: "q"}},
		},
		"explained retention": {
			Retention: &query.Retention{
				Start: event("a"), Return: event("a"), Cohorts: daily("2026-10-01", 3), Edges: daily("2026-10-01", 4).Edges,
				Periods: 1, Now: wide.To,
			},
			Explain: &query.Explain{Cohort: 1, Period: 1},
		},
	}
	for name, p := range plans {
		d := busyDiary()
		want := ask(t, d, p)
		rows := int64(d.given)
		d.reads = 0
		memory := rowSize * rows / 3
		if bySummaries(p) {
			memory *= int64(d.Streams()) // each has its own
		}
		got, err := Answer(t.Context(), p, d, memory)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case bySummaries(p) && d.reads != 1:
			t.Errorf("%s: the rows were read %d times, want once", name, d.reads)
		case !bySummaries(p) && d.reads != 1+4:
			t.Errorf("%s: the rows were read %d times, want once in vain and then in 4 parts", name, d.reads)
		}
		sameAnswer(t, name, got, want)
		if p.Explain != nil && (len(got.Persons) < 2 || len(got.Persons) == 64) {
			t.Errorf("%s: %d persons prove nothing", name, len(got.Persons))
		}
	}
}

func TestAQuestionThatNeverFitsSaysSo(t *testing.T) {
	p := &query.Plan{Stickiness: &query.Stickiness{Match: event("a"), Buckets: daily("2026-10-01", 8)}}
	if _, err := Answer(t.Context(), p, busyDiary(), rowSize*9); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestTheSourcesErrorIsTheAnswers(t *testing.T) {
	p := &query.Plan{Stickiness: &query.Stickiness{Match: event("a"), Buckets: daily("2026-10-01", 8)}}
	d := busyDiary()
	d.fail = errors.New("disk is gone")
	if _, err := Answer(t.Context(), p, d, 1<<30); !errors.Is(err, d.fail) {
		t.Errorf("got %v", err)
	}
}

func TestACancelledQuestionEnds(t *testing.T) {
	p := &query.Plan{Stickiness: &query.Stickiness{Match: event("a"), Buckets: daily("2026-10-01", 8)}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Answer(ctx, p, busyDiary(), 1<<30); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestKnowsJourneysOnly(t *testing.T) {
	if Knows(&query.Plan{Trends: &query.Trends{}}) {
		t.Error("trends are no journey")
	}
	if !Knows(&query.Plan{Flows: &query.Flows{Steps: 2}}) {
		t.Error("flows are a journey")
	}
}
