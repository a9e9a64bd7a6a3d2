package storetest

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
)

// testLikeTheModel runs random programs of writes and questions on the store and
// on the model. Each program has a workspace of its own.
func testLikeTheModel(t *testing.T, h *Harness) {
	model := NewModel()
	checkPrograms(t, cmp.Or(h.Programs, 10), func(r *rapid.T, run int) {
		p := &program{ws: weir.WorkspaceID(fmt.Sprint("random-", run)), persons: map[uint32]uint32{}}
		p.run(t, r, model, h.Store)
	})
}

// checkPrograms runs a random program so many times, with its number from 1 on. rapid
// takes the number of checks from a flag; this is ours. Once a program has failed there
// is no limit, so that rapid can find the smallest.
func checkPrograms(t *testing.T, limit int, program func(r *rapid.T, run int)) {
	runs := 0
	rapid.Check(t, func(r *rapid.T) {
		if runs++; runs > limit {
			return
		}
		passed := false
		defer func() {
			if !passed {
				limit = math.MaxInt
			}
		}()
		program(r, runs)
		passed = true
	})
}

// program draws batches that could be the pipeline's.
type program struct {
	ws     weir.WorkspaceID
	seqs   [3]uint64
	events []weir.Event // all that were written
	// persons are those of the identities that were moved. Not every event that is
	// written later knows: a batch's own moves put that right.
	persons map[uint32]uint32
}

func (p *program) personOf(identity uint32) uint32 { return cmp.Or(p.persons[identity], identity) }

var (
	names      = []string{"a", "b", "c"}
	properties = []string{"p", "q", "r", "s"}
	texts      = []string{
		"", "a", "A", "abc", "5", "5.0", "05", "-0", "0", "1e3", "1000", "1e400", "true", "TRUE", "null", "é", "É", "ß", "İ", "ǅ", "x\ny", "\x00", "日本",
		"2026-10-15T10:00:00Z", "2026-10-15T10:00:00.999999999+05:30", "2026-10-15T12:00:00.1-15:59", "2026-02-30", "2026-10-15", "0001-01-01", "9999-12-31",
		"0000-01-01", "2026-10-15t10:00:00z", "2026-10-15T24:00:00Z", " 2026-10-15", "2026-10-15T10:00:60Z", "9999-12-31T23:59:59.9999999Z", "0001-01-01T00:00:00+15:00",
		"5e-324", "1e-400", "179769313486231570814527423731704356798070567525844996598917476803157260780028538760589558632766878171540458953514382464234321326889464182768467546703537516986049910576551282076245490090389328944075868508455133942304583236903222948165808559332123347764797926204144723168738177180919299881250404026184124858368",
		"+7", "--7", "7.", ".7", "1_000", "0x10", "inf", "nan", " 5", "5 ", "%", "_", "'", `"`, `\`, "[1]", "{}",
	}
	numbers = []float64{
		0, math.Copysign(0, -1), 1, -1, 5, 5.5, 0.1, 1e-4, 9.99e-5, 1e-5, 1.5e-6, 1e-6, 9.9e-7, 1e15, 1e15 + 1, 1e16, 1.2345e16, 123456789012345680,
		999999999999999934464, 1e21, 1.5e21, 1e300, 5e-324, math.MaxFloat64, -123.456, 1000, 2026, 4503599627370497.5, -1e20,
	}
	lists = []string{
		`[]`, `[1]`, `["a"]`, `["a","A",5,5.5,true,null]`, `[[1],{"a":"b"}]`, `{}`, `{"a":[1,2]}`, `[null]`, `[""]`, `["5"]`,
		`["2026-10-15T10:00:00Z","x"]`, `[1e21,1e-7,-0,1e999]`, `[ 1 ]`, `["é"]`, `"`,
	}
)

func value(r *rapid.T) weir.Value {
	switch rapid.IntRange(0, 9).Draw(r, "type") {
	case 0:
		return weir.Value{}
	case 1, 2, 3:
		return weir.Num(rapid.OneOf(rapid.SampledFrom(numbers), rapid.Float64()).Draw(r, "number"))
	case 4:
		return weir.Boolean(rapid.Bool().Draw(r, "bool"))
	case 5, 6:
		return weir.Raw(rapid.SampledFrom(lists[:len(lists)-1]).Draw(r, "list"))
	}
	return weir.Text(rapid.OneOf(rapid.SampledFrom(texts), rapid.String()).Draw(r, "text"))
}

// amount is a property of which most values are multiples of 1/4, so that sums are
// exact in any order.
const amount = "amount"

func drawProperties(r *rapid.T) []weir.Property {
	var out []weir.Property
	if rapid.IntRange(0, 4).Draw(r, "there") > 0 {
		quarters := weir.Num(float64(rapid.IntRange(-40, 400).Draw(r, "quarters")) / 4)
		v := rapid.SampledFrom([]weir.Value{
			quarters, quarters, quarters, quarters, weir.Text(quarters.String()), weir.Text("+7.50"), weir.Text("1e1"), weir.Text("1e999"),
			weir.Text("ten"), weir.Text(""), weir.Boolean(true), weir.Raw("[1]"), weir.Raw(`{"a":1}`), {},
		}).Draw(r, "amount")
		out = append(out, weir.Property{Name: amount, Value: v})
	}
	for _, name := range properties {
		if rapid.IntRange(0, 3).Draw(r, "there") > 0 {
			out = append(out, weir.Property{Name: name, Value: value(r)})
		}
	}
	return out
}

// run writes and asks both stores the same.
func (p *program) run(t *testing.T, r *rapid.T, model, s eventstore.Store) {
	for range rapid.IntRange(1, 5).Draw(r, "batches") {
		b := p.batch(r)
		for _, s := range []eventstore.Store{model, s} {
			if err := s.Write(t.Context(), p.ws, b); err != nil {
				r.Fatal(err)
			}
		}
		for range 8 {
			p.ask(t, r, model, s)
		}
		filter := eventstore.ScanFilter{}
		if rapid.Bool().Draw(r, "of some") {
			filter = eventstore.ScanFilter{Names: []string{"a", "c", "unknown"}, From: moment(r)}
		}
		got, err := scanAll(t, s, p.ws, filter)
		if want, _ := scanAll(t, model, p.ws, filter); err != nil || !reflect.DeepEqual(got, want) {
			r.Fatalf("scan of %+v: %v\n%+v, want\n%+v", filter, err, got, want)
		}
	}
}

func (p *program) batch(r *rapid.T) *eventstore.Batch {
	b := &eventstore.Batch{Applied: map[int]uint64{}, AsOf: weir.Micros(rapid.Int64Range(1, 1e9).Draw(r, "as of"))}
	for range rapid.IntRange(0, 30).Draw(r, "events") {
		partition := rapid.IntRange(0, len(p.seqs)-1).Draw(r, "partition")
		p.seqs[partition]++
		identity := uint32(rapid.IntRange(1, 6).Draw(r, "identity"))
		b.Events = append(b.Events, weir.Event{
			Position: weir.At(partition, p.seqs[partition]), Time: moment(r), Name: rapid.SampledFrom(names).Draw(r, "name"),
			Identity: identity, Person: p.personOf(identity), Session: uint32(rapid.IntRange(0, 5).Draw(r, "session")),
			Origin: weir.Origin(rapid.IntRange(0, 1).Draw(r, "origin")), Properties: drawProperties(r),
		})
		if rapid.IntRange(0, 3).Draw(r, "logged") > 0 {
			b.Log = append(b.Log, weir.Outcome{
				Position: weir.At(partition, p.seqs[partition]), Kind: rapid.SampledFrom([]weir.Kind{weir.KindOrder, weir.KindPageview}).Draw(r, "kind"),
				ItemID: fmt.Sprint(rapid.IntRange(0, 9).Draw(r, "item")), ReceivedAt: 1, Status: weir.Stored,
			})
		}
		b.Applied[partition] = p.seqs[partition]
	}
	p.events = append(p.events, b.Events...)
	for range rapid.IntRange(0, 3).Draw(r, "replaced") {
		if len(p.events) > 0 {
			b.Replaced = append(b.Replaced, rapid.SampledFrom(p.events).Draw(r, "event").Position)
		}
	}
	for range rapid.IntRange(0, 2).Draw(r, "moves") {
		b.Moves = append(b.Moves, eventstore.Move{
			Identity: uint32(rapid.IntRange(1, 6).Draw(r, "moved")), Person: uint32(rapid.IntRange(1, 9).Draw(r, "to")), From: firstMoment - 1, To: lastMoment + 1,
		})
	}
	b.Moves = slices.CompactFunc(b.Moves, func(x, y eventstore.Move) bool { return x.Identity == y.Identity })
	for _, m := range b.Moves {
		p.persons[m.Identity] = m.Person
	}
	for range rapid.IntRange(0, 4).Draw(r, "session moves") {
		from := moment(r)
		b.Sessions = append(b.Sessions, eventstore.SessionMove{
			Identity: uint32(rapid.IntRange(1, 6).Draw(r, "moved")), Origin: weir.Origin(rapid.IntRange(0, 1).Draw(r, "origin")),
			From: from, To: from + weir.Micros(rapid.Int64Range(0, 30).Draw(r, "hours"))*hour, Session: uint32(rapid.IntRange(0, 9).Draw(r, "session")),
		})
	}
	for range rapid.IntRange(0, 3).Draw(r, "people") {
		b.People = append(b.People, weir.Person{Number: uint32(rapid.IntRange(1, 9).Draw(r, "person")), Traits: drawProperties(r)})
	}
	if rapid.Bool().Draw(r, "somebody goes") {
		b.Gone = []uint32{uint32(rapid.IntRange(1, 9).Draw(r, "gone"))}
	}
	return b
}

const (
	hour        = weir.Micros(3600e6)
	firstMoment = weir.Micros(1_790_000_000e6)
	lastMoment  = firstMoment + 100*hour
)

func moment(r *rapid.T) weir.Micros {
	return firstMoment + weir.Micros(rapid.Int64Range(0, int64(lastMoment-firstMoment)).Draw(r, "time"))/hour*hour + weir.Micros(rapid.Int64Range(-1, 1).Draw(r, "off"))
}

// ask asks both the same.
func (p *program) ask(t *testing.T, r *rapid.T, model, s eventstore.Store) {
	plan := drawPlan(r)
	want, err := model.Ask(t.Context(), p.ws, plan)
	if err != nil {
		r.Fatal(err)
	}
	got, err := s.Ask(t.Context(), p.ws, plan)
	if err != nil {
		r.Fatalf("%v\nplan: %s", err, show(plan))
	}
	got.ElapsedMS = 0
	if !reflect.DeepEqual(got.AsOf, want.AsOf) {
		r.Errorf("as of %+v, want %+v", got.AsOf, want.AsOf)
	}
	if !slices.Equal(got.Persons, want.Persons) || (got.Persons == nil) != (want.Persons == nil) {
		r.Fatalf("plan: %s\nexplained: %v, want %v", show(plan), got.Persons, want.Persons)
	}
	if g, w := format(t, got), format(t, want); string(g) != string(w) {
		r.Fatalf("plan: %s\nanswered:\n%swant:\n%s", show(plan), g, w)
	}
}

// drawBuckets divides a range into hours, of which some are longer: as calendars
// do.
func drawBuckets(r *rapid.T) query.Buckets {
	at := firstMoment + weir.Micros(rapid.Int64Range(-3, 50).Draw(r, "from"))*hour/2
	b := query.Buckets{Edges: []weir.Micros{at}}
	width := weir.Micros(rapid.Int64Range(1, 24).Draw(r, "width")) * hour
	for i := range rapid.IntRange(1, 12).Draw(r, "buckets") {
		at += width + weir.Micros(rapid.SampledFrom([]int{0, 0, 0, 0, 0, 1, -1}).Draw(r, "change"))*hour/2
		b.Edges = append(b.Edges, at)
		b.Labels = append(b.Labels, fmt.Sprint("b", i))
	}
	return b
}

func ref(r *rapid.T) query.Ref {
	return query.Ref{
		On:   rapid.SampledFrom([]query.Scope{query.OnEvent, query.OnEvent, query.OnUser}).Draw(r, "on"),
		Name: rapid.SampledFrom(append([]string{"unknown", amount}, properties...)).Draw(r, "property"),
	}
}

func predicate(r *rapid.T, depth int) query.Predicate {
	if depth > 0 {
		parts := func() []query.Predicate {
			var out []query.Predicate
			for range rapid.IntRange(0, 2).Draw(r, "parts") {
				out = append(out, predicate(r, depth-1))
			}
			return out
		}
		switch rapid.IntRange(0, 6).Draw(r, "predicate") {
		case 0:
			return query.All(parts())
		case 1:
			return query.Any(parts())
		case 2:
			return query.Not{Of: predicate(r, depth-1)}
		}
	}
	return comparison(r)
}

func comparison(r *rapid.T) *query.Compare {
	c := &query.Compare{Property: ref(r), Op: query.Op(rapid.IntRange(int(query.In), int(query.IsSet)).Draw(r, "op"))}
	text := func() string {
		var forms []string
		for _, f := range numbers {
			forms = append(forms, weir.FormatNumber(f))
		}
		return rapid.OneOf(rapid.SampledFrom(texts), rapid.SampledFrom(forms), rapid.SampledFrom(lists)).Draw(r, "operand")
	}
	switch c.Op {
	case query.In:
		for range rapid.IntRange(1, 3).Draw(r, "operands") {
			c.Text = append(c.Text, text())
		}
	case query.Contains:
		c.Text = []string{rapid.SampledFrom([]string{"", "a", "é", "5", ".", "e", "ru", "\"", "1", "0", "i", "ß", "\x00", "[", "-"}).Draw(r, "part")}
	case query.Regex:
		c.Text = []string{rapid.SampledFrom([]string{"", "^a", "5$", "(?i:É)", "^(?:true|x.y)$", `(?s:x.y)`, "^[0-9]+$", `\.`, "e[+-]", "^$", `^-?0`}).Draw(r, "pattern")}
	case query.Range:
		bound := func(open float64) float64 {
			return rapid.OneOf(rapid.SampledFrom(numbers), rapid.Just(open)).Draw(r, "bound")
		}
		c.Low, c.High = bound(math.Inf(-1)), bound(math.Inf(1))
		c.LowOpen, c.HighOpen = rapid.Bool().Draw(r, "low open"), rapid.Bool().Draw(r, "high open")
	case query.Times:
		bound := func(open weir.Micros) weir.Micros {
			return rapid.SampledFrom([]weir.Micros{open, 1_792_058_400e6, 1_792_058_400e6 + 1, 1_792_039_800_999_999, 1_792_041_000e6, 1_792_115_941e6, 1_792_022_400e6, -62_135_596_800_000_000}).Draw(r, "instant")
		}
		c.From, c.To = bound(query.TimeMin), bound(query.TimeMax)
		c.FromDay, c.ToDay = bound(query.TimeMin), bound(query.TimeMax)
	}
	return c
}

func showPredicate(p query.Predicate) string {
	list := func(parts []query.Predicate) string {
		out := ""
		for _, part := range parts {
			out += " " + showPredicate(part)
		}
		return "(" + out + " )"
	}
	switch p := p.(type) {
	case nil:
		return "true"
	case query.All:
		return "all" + list(p)
	case query.Any:
		return "any" + list(p)
	case query.Not:
		return "not " + showPredicate(p.Of)
	case *query.Compare:
		return fmt.Sprintf("%+q", fmt.Sprintf("%+v", *p))
	}
	return "?"
}
