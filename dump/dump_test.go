package dump_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/dump"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/eventstore/storetest"
	"github.com/weirhq/weir/state"
)

var update = flag.Bool("update", false, "write the golden files anew")

const ws = weir.WorkspaceID("acme_test")

var noon = weir.MicrosOf(time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC))

const minute = weir.Micros(time.Minute / time.Microsecond)

// shop is a state.View of what a test says.
type shop struct {
	state.View
	identities  []*weir.Identity
	sessions    []*weir.Session
	conversions []*weir.Conversion
	rows        []eventstore.Row
}

func (s *shop) Scan(_ context.Context, of weir.WorkspaceID, fn func(*weir.Identity) error) error {
	return each(s.identities, of == ws, func(a, b *weir.Identity) int { return cmp.Compare(a.ID, b.ID) }, fn)
}

func (s *shop) ScanSessions(_ context.Context, of weir.WorkspaceID, fn func(*weir.Session) error) error {
	return each(s.sessions, of == ws, func(a, b *weir.Session) int { return cmp.Compare(a.Number, b.Number) }, fn)
}

func (s *shop) ScanConversions(_ context.Context, of weir.WorkspaceID, fn func(*weir.Conversion) error) error {
	return each(s.conversions, of == ws, func(a, b *weir.Conversion) int { return cmp.Compare(a.ID, b.ID) }, fn)
}

func each[T any](list []T, known bool, compare func(a, b T) int, fn func(T) error) error {
	if !known {
		return nil
	}
	for _, v := range slices.SortedFunc(slices.Values(list), compare) {
		if err := fn(v); err != nil {
			return err
		}
	}
	return nil
}

func (s *shop) PersonByNumber(_ context.Context, _ weir.WorkspaceID, person uint32) (out []*weir.Identity, err error) {
	for _, i := range s.identities {
		if i.Person == person {
			out = append(out, i)
		}
	}
	return out, nil
}

func (s *shop) Conversions(_ context.Context, _ weir.WorkspaceID, identities []uint32) (out []*weir.Conversion, err error) {
	for _, c := range s.conversions {
		if slices.Contains(identities, c.Owner) {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *weir.Conversion) int { return cmp.Compare(a.At, b.At) })
	return out, nil
}

func (s *shop) Session(_ context.Context, _ weir.WorkspaceID, id string) (*weir.Session, error) {
	for _, v := range s.sessions {
		if v.ID == id {
			return v, nil
		}
	}
	return nil, nil
}

// events are the shop's rows in a store.
func (s *shop) events(t testing.TB) eventstore.Store {
	t.Helper()
	m := storetest.NewModel()
	t.Cleanup(func() { m.Close() })
	batch := &eventstore.Batch{Applied: map[int]uint64{0: 1000}}
	for _, r := range s.rows {
		batch.Events = append(batch.Events, r.Event)
		batch.Log = append(batch.Log, weir.Outcome{Position: r.Position, Kind: r.Kind, ItemID: r.ItemID})
	}
	if err := m.Write(context.Background(), ws, batch); err != nil {
		t.Fatal(err)
	}
	return m
}

func (s *shop) dump(t testing.TB) string {
	t.Helper()
	var out bytes.Buffer
	if err := dump.Write(context.Background(), &out, ws, s, s.events(t)); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func properties(pairs ...any) (out []weir.Property) {
	for i := 0; i < len(pairs); i += 2 {
		p := weir.Property{Name: pairs[i].(string)}
		switch v := pairs[i+1].(type) {
		case string:
			p.Value = weir.Text(v)
		case int:
			p.Value = weir.Num(float64(v))
		case float64:
			p.Value = weir.Num(v)
		case weir.Value:
			p.Value = v
		}
		out = append(out, p)
	}
	return out
}

func fields(pairs ...any) (f weir.Fields) {
	f.Set(weir.Stamp{At: noon, Item: "i"}, properties(pairs...)...)
	return f
}

// story is a shop with one of everything: Ann, who was anonymous at first, and
// an unknown visitor; what must not be written stands beside.
func story() *shop {
	signIn := weir.Edge{From: "a1", To: "ann", At: noon, Item: "user_alias:x", Rule: weir.RuleAlias}
	undone := weir.Edge{From: "a1", To: "ghost", At: noon - minute, Item: "identity_merge:m", Rule: weir.RuleMerge}
	return &shop{
		identities: []*weir.Identity{
			{
				ID: "a1", Number: 4, Person: 2, Converts: true, FirstSeen: noon, LastSeen: noon + 9*minute,
				Traits: fields("city", "Paris", "plan", weir.Value{}), Devices: []weir.Device{{ID: "d1", FirstSeen: noon, Fields: fields("language", "fr")}}, Edges: []weir.Edge{undone, signIn}, Retracted: []string{undone.ID()},
			},
			{ID: "ann", Number: 2, Person: 2, Authenticated: true, CreatedAt: noon - minute, FirstSeen: noon + minute, LastSeen: noon + minute, Traits: fields("email", "ann@example.com"), Incoming: []weir.Edge{signIn}},
			{ID: "ghost", Number: 3, Person: 3, Incoming: []weir.Edge{undone}},
			{ID: "key:email:ann@example.com", Number: 5, Person: 2, Key: true, FirstSeen: noon},
			{ID: "b2 <\"é\">", Number: 9, Person: 9, FirstSeen: noon + 3*minute, Traits: fields("tags", weir.Raw(`["a",1]`), "vip", weir.Boolean(true), "score", 1e21)},
		},
		sessions: []*weir.Session{
			{ID: "s1", Number: 7, User: "a1", Owner: 4, Device: "d1", StartedAt: noon, EndedAt: noon + minute, Fields: fields("utm_source", "google"), Points: []weir.Point{
				{Item: 1, At: noon, Flags: weir.PointPageview | weir.PointInteractive | weir.PointEvent}, {Item: 2, At: noon + minute, Flags: weir.PointEvent},
			}},
			{ID: "p1", Number: 8, Origin: weir.Impression, User: "a1", Owner: 4, StartedAt: noon - 9*minute, EndedAt: noon - 9*minute},
			{ID: "pool", Number: 6, Origin: weir.Attended, User: "ann", Owner: 2, StartedAt: noon},
			{ID: "r1", Number: 3, Origin: weir.Derived, User: "b2 <\"é\">", Owner: 9, StartedAt: noon + 3*minute, EndedAt: noon + 3*minute},
		},
		conversions: []*weir.Conversion{
			{
				ID: "order:o1", Goal: "order", User: "a1", Owner: 4, At: noon + minute, Amount: 1000, Currency: "USD", Value: 900, Fields: properties("total_price", 1000),
				Touches: []weir.Touch{{Session: 8, At: noon - 9*minute, Channel: "display", Role: weir.Initiator, Credits: []int64{900, 0}}, {Session: 7, At: noon, Channel: "organic search", Role: weir.Closer, Credits: []int64{0, 900}}},
			},
			{ID: "order:o2", Goal: "order", User: "a1", Owner: 4, At: noon + 2*minute, Amount: 500, Cancelled: true, Unpriced: true},
		},
		rows: []eventstore.Row{
			{Event: weir.Event{Position: weir.At(0, 1), Time: noon + minute, Name: "order", Identity: 4, Person: 2, Session: 7, Properties: properties("$value", 1000)}, Kind: weir.KindOrder, ItemID: "o1"},
			{Event: weir.Event{Position: weir.At(0, 2), Time: noon, Name: "pageview", Identity: 4, Person: 2, Session: 7, Properties: properties("$page", "/", "n", 0.5)}, Kind: weir.KindPageview, ItemID: "v1"},
			{Event: weir.Event{Position: weir.At(0, 3), Time: noon + 3*minute, Name: "Sign up", Identity: 9, Person: 9, Session: 3}, Kind: weir.KindCustomEvent, ItemID: "e1"},
			{Event: weir.Event{Position: weir.At(0, 4), Time: noon + 3*minute, Name: "Paid", Identity: 2, Person: 2, Origin: weir.Attended}, Kind: weir.KindCustomEvent, ItemID: "e0"},
		},
	}
}

func TestGolden(t *testing.T) {
	got := story().dump(t)
	const name = "testdata/story.jsonl"
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		diff, _, err := dump.Compare(bytes.NewReader(want), strings.NewReader(got))
		t.Errorf("%s %v\n%s\nrun with -update if that is right", name, err, diff)
	}
}

// Dense numbers, positions, the order of arrival and times of the last sight say
// how the truth came about, and change no byte.
func TestTheSameTruthIsTheSameBytes(t *testing.T) {
	want := story().dump(t)
	rapid.Check(t, func(r *rapid.T) {
		s := story()
		identities, sessions := renumber(r, 9), renumber(r, 9)
		for _, i := range s.identities {
			i.Number, i.Person = identities[i.Number], identities[i.Person]
			i.LastSeen += weir.Micros(rapid.IntRange(0, 9).Draw(r, "later"))
		}
		for _, v := range s.sessions {
			v.Number, v.Owner = sessions[v.Number], identities[v.Owner]
		}
		for _, c := range s.conversions {
			c.Owner = identities[c.Owner]
			for i := range c.Touches {
				c.Touches[i].Session = sessions[c.Touches[i].Session]
			}
		}
		positions := rapid.Permutation(s.rows).Draw(r, "arrival")
		for i, e := range positions {
			e.Position = weir.At(0, uint64(i+1))
			e.Identity, e.Person, e.Session = identities[e.Identity], identities[e.Person], sessions[e.Session]
			positions[i] = e
		}
		s.rows = positions
		if got := s.dump(t); got != want {
			r.Fatalf("got:\n%s\nwant:\n%s", got, want)
		}
	})
}

// renumber maps 1 to n to other numbers, and 0 to itself.
func renumber(r *rapid.T, n int) map[uint32]uint32 {
	list := make([]uint32, n)
	for i := range list {
		list[i] = uint32(i + 1)
	}
	out := map[uint32]uint32{}
	for i, number := range rapid.Permutation(list).Draw(r, "numbers") {
		out[uint32(i+1)] = number
	}
	return out
}

// A merge that was taken back leaves no trace.
func TestRetractedEdgesAreNotWritten(t *testing.T) {
	merged := story()
	clean := story()
	clean.identities = slices.DeleteFunc(clean.identities, func(i *weir.Identity) bool { return i.ID == "ghost" })
	clean.identities[0].Edges, clean.identities[0].Retracted = clean.identities[0].Edges[1:], nil
	if got, want := merged.dump(t), clean.dump(t); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// Stores that do not fit together are dumped all the same, for whoever looks for
// the damage.
func TestMissingReferencesAreNamed(t *testing.T) {
	s := story()
	s.rows[2].Session, s.rows[2].Person = 77, 78
	s.conversions[0].Touches[1].Session = 77
	got := s.dump(t)
	for _, want := range []string{`"missing":["person","session"]`, `"missing":["session of touch 2"]`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in:\n%s", want, got)
		}
	}
}

func TestUnknownWorkspaceIsEmpty(t *testing.T) {
	var out bytes.Buffer
	if err := dump.Write(t.Context(), &out, "other", story(), storetest.NewModel()); err != nil || out.Len() > 0 {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

var errFull = errors.New("disk is full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestErrorsOfTheWriterAreReported(t *testing.T) {
	s := story()
	if err := dump.Write(t.Context(), fullDisk{}, ws, s, s.events(t)); !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}

func TestCompare(t *testing.T) {
	text := story().dump(t)
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	lines[len(lines)-1] += "\n"
	changed := func(from, to string) string { return strings.Replace(text, from, to, 1) }
	tests := map[string]struct {
		a, b string
		want []string // lines of the difference, by their beginning
	}{
		"equal":        {text, text, nil},
		"both empty":   {"", "", nil},
		"first lacks":  {strings.Join(lines[1:], ""), text, []string{"+ " + lines[0]}},
		"second lacks": {text, strings.Join(lines[:len(lines)-1], ""), []string{"- " + lines[len(lines)-1]}},
		"second empty": {lines[0], "", []string{"- " + lines[0]}},
		"a member": {text, changed(`"value":900`, `"value":901`), []string{
			`  conversion "order:o1"`, `-   value: 900`, `+   value: 901`,
		}},
		"event's session": {text, changed(`"session":"s1"`, `"session":"s0"`), []string{"- {\"session\":\"s1\"", "+ {\"session\":\"s0\""}},
		"a member too many": {text, changed(`"kind":"order"`, `"kind":"order","more":1`), []string{
			`  event "order" of 2026-10-01T12:01:00Z, order "o1"`, `+   more: 1`,
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			diff, equal, err := dump.Compare(strings.NewReader(test.a), strings.NewReader(test.b))
			if err != nil || equal != (test.want == nil) {
				t.Fatalf("equal %v, %v", equal, err)
			}
			got := slices.Collect(strings.Lines(diff))
			if len(got) < len(test.want) || len(test.want) == 0 && diff != "" {
				t.Fatalf("got:\n%s\nwant %q", diff, test.want)
			}
			for i, want := range test.want {
				if strings.Contains(name, "session") { // the order of sessions changes
					if !strings.Contains(diff, want) {
						t.Errorf("no %q in:\n%s", want, diff)
					}
				} else if !strings.HasPrefix(got[i], strings.TrimSuffix(want, "\n")) {
					t.Errorf("line %d: got %q, want %q", i, got[i], want)
				}
			}
		})
	}
}

// However many lines are missing on either side, the others are matched.
func TestCompareMatchesLines(t *testing.T) {
	lines := slices.Collect(strings.Lines(story().dump(t)))
	rapid.Check(t, func(r *rapid.T) {
		keep := func(label string) (kept []string) {
			for _, l := range lines {
				if rapid.IntRange(0, 4).Draw(r, label) > 0 {
					kept = append(kept, l)
				}
			}
			return kept
		}
		a, b := keep("a"), keep("b")
		want := map[string]bool{}
		for _, l := range a {
			want["- "+l] = true
		}
		for _, l := range b {
			if want["- "+l] {
				delete(want, "- "+l)
			} else {
				want["+ "+l] = true
			}
		}
		diff, equal, err := dump.Compare(strings.NewReader(strings.Join(a, "")), strings.NewReader(strings.Join(b, "")))
		if err != nil {
			r.Fatal(err)
		}
		if equal != (len(want) == 0) {
			r.Fatalf("equal %v, want %d differences", equal, len(want))
		}
		if got := slices.Sorted(strings.Lines(diff)); len(want) <= 10 && !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
			r.Fatalf("got:\n%swant:\n%v", diff, want)
		}
	})
}

func TestCompareRefusesWhatIsNoDump(t *testing.T) {
	good := `{"user":"a","ids":[]}` + "\n"
	for _, bad := range []string{"no JSON\n", "[]\n", `{"other":1}` + "\n", `{"user":7}` + "\n", `{"user":"a"`, "\n"} {
		if _, _, err := dump.Compare(strings.NewReader(good), strings.NewReader(bad)); err == nil {
			t.Errorf("%q is taken for a dump", bad)
		}
	}
}
