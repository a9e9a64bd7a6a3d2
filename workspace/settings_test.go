package workspace_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/workspace"
	"github.com/weirhq/weir/workspace/workspacetest"
)

func TestSettingsRules(t *testing.T) {
	long := strings.Repeat("x", 513)
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprint("id-", i)
	}
	goals := func(list ...order.Goal) func(*workspace.Settings) {
		return func(s *workspace.Settings) { s.Goals = list }
	}
	rates := func(list ...order.Rate) func(*workspace.Settings) {
		return func(s *workspace.Settings) { s.Rates = list }
	}
	channels := func(rules ...attribution.Rule) func(*workspace.Settings) {
		return func(s *workspace.Settings) { s.Channels = attribution.Mapping{Rules: rules, Default: "Other"} }
	}
	tests := []struct {
		name   string
		change func(*workspace.Settings)
		field  string // to blame; "" is valid
	}{
		{"gap of a minute", func(s *workspace.Settings) { s.Sessions.GapMinutes = 1 }, ""},
		{"gap of four hours", func(s *workspace.Settings) { s.Sessions.GapMinutes = 240 }, ""},
		{"no gap", func(s *workspace.Settings) { s.Sessions.GapMinutes = 0 }, "sessions.gap_minutes"},
		{"gap too long", func(s *workspace.Settings) { s.Sessions.GapMinutes = 241 }, "sessions.gap_minutes"},
		{"no look-back", func(s *workspace.Settings) { s.Attribution.LookbackDays = 0 }, "attribution.lookback_days"},
		{"look-back of a year", func(s *workspace.Settings) { s.Attribution.LookbackDays = 365 }, ""},
		{"look-back too long", func(s *workspace.Settings) { s.Attribution.LookbackDays = 366 }, "attribution.lookback_days"},
		{"half-life too short", func(s *workspace.Settings) { s.Attribution.HalfLifeDays = 0 }, "attribution.half_life_days"},
		{"half-life too long", func(s *workspace.Settings) { s.Attribution.HalfLifeDays = 91 }, "attribution.half_life_days"},
		{"key without a name", func(s *workspace.Settings) { s.ReconciliationKeys = []string{"email", " "} }, "reconciliation_keys[1]"},
		{"too many keys", func(s *workspace.Settings) { s.ReconciliationKeys = many[:11] }, "reconciliation_keys"},
		{"blocked id too long", func(s *workspace.Settings) { s.BlockedIDs = []string{long} }, "blocked_ids[0]"},
		{"blocked id that is no text", func(s *workspace.Settings) { s.BlockedIDs = []string{"\xff"} }, "blocked_ids[0]"},
		{"as many blocked ids as there may be", func(s *workspace.Settings) { s.BlockedIDs = many[:1000] }, ""},
		{"too many blocked ids", func(s *workspace.Settings) { s.BlockedIDs = many }, "blocked_ids"},
		{"everything that browsers may do", func(s *workspace.Settings) {
			s.Browsers = workspace.Browsers{MaySendOrders: true, MayLinkKnownUsers: true}
		}, ""},
		{"goals", goals(order.Goal{Event: "Lead"}, order.Goal{Event: "Plan", ValueProperty: "price", CurrencyProperty: "currency"}), ""},
		{"goal without a name", goals(order.Goal{Event: "Lead"}, order.Goal{}), "goals[1].event"},
		{"a goal twice", goals(order.Goal{Event: "Lead"}, order.Goal{Event: "Lead", ValueProperty: "x"}), "goals[1].event"},
		{"orders are no goal", goals(order.Goal{Event: "order"}), "goals[0].event"},
		{"a currency of nothing", goals(order.Goal{Event: "Lead", CurrencyProperty: "currency"}), "goals[0].value_property"},
		{"property too long", goals(order.Goal{Event: "Lead", ValueProperty: long}), "goals[0].value_property"},
		{"too many goals", goals(slices.Repeat([]order.Goal{{Event: "Lead"}}, 101)...), "goals"},
		{"rates", rates(order.Rate{Currency: "GBP", Rate: "1.17"}, order.Rate{Currency: "GBP", From: 1, Rate: "1.2"}, order.Rate{Currency: "USD", Rate: "0.92"}), ""},
		{"rate that is none", rates(order.Rate{Currency: "GBP", Rate: "1.17"}, order.Rate{Currency: "USD", Rate: "-1"}), "rates[1].rate"},
		{"rate of the own currency", rates(order.Rate{Currency: "EUR", Rate: "1"}), "rates[0].currency"},
		{"too many rates", rates(slices.Repeat([]order.Rate{{Currency: "GBP", Rate: "1"}}, 10_001)...), "rates"},
		{"channels", channels(attribution.Rule{Channel: "Partners", All: []attribution.Condition{{Field: "source", Op: "eq", Value: "acme"}}}), ""},
		{"no channels but one", channels([]attribution.Rule{}...), ""},
		{"channel without a name", channels(attribution.Rule{}), "channels.rules[0].channel"},
		{"condition without sense", channels(attribution.Rule{Channel: "A", All: []attribution.Condition{{Field: "source", Op: "eq"}}}), "channels.rules[0].all[0].value"},
		{"currency is no setting to change here", func(s *workspace.Settings) { s.Currency, s.Sessions.GapMinutes = "USD", 31 }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, _ := newDirectory()
			createShop(t, d)
			got, err := d.ChangeSettings(t.Context(), "shop", func(s *workspace.Settings) error { tt.change(s); return nil })
			if fieldOf(err) != tt.field || (err == nil) != (tt.field == "") {
				t.Fatalf("got %v, want the field %q blamed", err, tt.field)
			}
			want := workspace.DefaultSettings()
			if err == nil {
				tt.change(&want)
				want.Revision = 1
			}
			want.Currency = "EUR"
			if err == nil {
				slices.Sort(want.BlockedIDs)
				if !reflect.DeepEqual(got, want) {
					t.Errorf("got %+v, want %+v", got, want)
				}
			}
			if kept, err := d.Settings(t.Context(), "shop"); err != nil || !reflect.DeepEqual(kept, want) {
				t.Errorf("kept %+v, %v; want %+v", kept, err, want)
			}
		})
	}
}

// What differs only in the order of things that have none is no change.
func TestOrderOfGoalsAndRatesHasNoMeaning(t *testing.T) {
	d, _ := newDirectory()
	createShop(t, d)
	lists := func(s *workspace.Settings) {
		s.Goals = []order.Goal{{Event: "Trial"}, {Event: "Lead"}}
		s.Rates = []order.Rate{{Currency: "USD", Rate: "0.9"}, {Currency: "GBP", From: 5, Rate: "1.2"}, {Currency: "GBP", Rate: "1.1"}}
	}
	var got workspace.Settings
	for _, turn := range []bool{false, true} {
		var err error
		got, err = d.ChangeSettings(t.Context(), "shop", func(s *workspace.Settings) error {
			if lists(s); turn {
				slices.Reverse(s.Goals)
				slices.Reverse(s.Rates)
			}
			return nil
		})
		if err != nil || got.Revision != 1 {
			t.Fatalf("revision %d, %v", got.Revision, err)
		}
	}
	if got.Goals[0].Event != "Lead" || got.Rates[1] != (order.Rate{Currency: "GBP", From: 5, Rate: "1.2"}) || got.Rates[2].Currency != "USD" {
		t.Errorf("got %+v, %+v", got.Goals, got.Rates)
	}
}

func TestSettingsOfAWorkspaceThatDecidedNothing(t *testing.T) {
	d, _ := newDirectory()
	createShop(t, d)
	for ws, currency := range map[weir.WorkspaceID]string{"shop": "EUR", "none": ""} {
		want := workspace.DefaultSettings()
		want.Currency = currency
		got, err := d.Settings(t.Context(), ws)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v", ws, got, err)
		}
	}
	if s := workspace.DefaultSettings(); s.Sessions.Gap() != 30*60_000_000 || s.Attribution.Lookback() != 30*86_400_000_000 || s.Attribution.HalfLife() != 7*86_400_000_000 {
		t.Errorf("defaults %+v", s)
	}
	if _, err := d.ChangeSettings(t.Context(), "none", func(*workspace.Settings) error { return nil }); !errors.Is(err, workspace.ErrNoWorkspace) {
		t.Errorf("change of no workspace: got %v", err)
	}
}

// A release that knows less has written less: what is missing has its default.
func TestSettingsOfAFormerRelease(t *testing.T) {
	d, store := newDirectory()
	createShop(t, d)
	if _, err := store.Put(t.Context(), "settings", "shop", workspace.Document{ID: "settings", Body: []byte(`{"revision": 4, "sessions": {"gap_minutes": 5}}`)}); err != nil {
		t.Fatal(err)
	}
	want := workspace.DefaultSettings()
	want.Revision, want.Sessions.GapMinutes, want.Currency = 4, 5, "EUR"
	if got, err := d.Settings(t.Context(), "shop"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestRevisionRisesWithWhatChanges(t *testing.T) {
	d, _ := newDirectory()
	createShop(t, d)
	steps := []struct {
		change   func(*workspace.Settings)
		revision int64
	}{
		{func(*workspace.Settings) {}, 0},
		{func(s *workspace.Settings) { s.Revision = 99 }, 0},
		{func(s *workspace.Settings) { s.ReconciliationKeys = []string{"phone", "email", "email"} }, 1},
		{func(s *workspace.Settings) { s.ReconciliationKeys = []string{"email", " phone "} }, 1},
		{func(s *workspace.Settings) { s.Revision, s.Sessions.SplitOnCampaign = 0, true }, 2},
		{func(s *workspace.Settings) { s.Sessions.SplitOnCampaign = true }, 2},
		{func(s *workspace.Settings) { s.Sessions.SplitOnCampaign = false }, 3},
	}
	for i, step := range steps {
		got, err := d.ChangeSettings(t.Context(), "shop", func(s *workspace.Settings) error { step.change(s); return nil })
		if err != nil || got.Revision != step.revision {
			t.Errorf("step %d: revision %d, %v; want %d", i, got.Revision, err, step.revision)
		}
	}
	refusal := errors.New("no")
	if _, err := d.ChangeSettings(t.Context(), "shop", func(s *workspace.Settings) error { s.Sessions.GapMinutes = 7; return refusal }); !errors.Is(err, refusal) {
		t.Errorf("got %v", err)
	}
	if got, _ := d.Settings(t.Context(), "shop"); got.Revision != 3 || got.Sessions.GapMinutes != 30 {
		t.Errorf("after a change that gave up: %+v", got)
	}
}

// Two processes change one workspace at once: no change is lost.
func TestConcurrentChangesOfSettings(t *testing.T) {
	store := &workspacetest.Memory{}
	first := workspace.New(store, nil)
	createShop(t, first)
	directories := []*workspace.Directory{first, workspace.New(store, nil)}
	const each = 8 // as many may lose to one another and start over
	var running sync.WaitGroup
	for n, d := range directories {
		running.Go(func() {
			for i := range each {
				_, err := d.ChangeSettings(t.Context(), "shop", func(s *workspace.Settings) error {
					s.BlockedIDs = append(s.BlockedIDs, fmt.Sprintf("id-%d-%d", n, i))
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	got, err := workspace.New(store, nil).Settings(t.Context(), "shop")
	if err != nil || len(got.BlockedIDs) != 2*each || got.Revision != 2*each {
		t.Errorf("%d ids at revision %d, %v; want %d", len(got.BlockedIDs), got.Revision, err, 2*each)
	}
}

// A reader that began before a change and ends after it must not bring the old
// settings back.
func TestSlowReadDoesNotHideAChange(t *testing.T) {
	store := &workspacetest.Memory{}
	createShop(t, workspace.New(store, nil))
	gate := &slow{Memory: store, holding: make(chan struct{}), release: make(chan struct{})}
	d := workspace.New(gate, nil)
	read := make(chan workspace.Settings)
	go func() {
		s, err := d.Settings(t.Context(), "shop")
		if err != nil {
			t.Error(err)
		}
		read <- s
	}()
	<-gate.holding
	changed, err := d.ChangeSettings(t.Context(), "shop", func(s *workspace.Settings) error { s.Sessions.GapMinutes = 60; return nil })
	if err != nil || changed.Revision != 1 {
		t.Fatalf("changed to %+v, %v", changed, err)
	}
	close(gate.release)
	<-read
	if got, err := d.Settings(t.Context(), "shop"); err != nil || got.Sessions.GapMinutes != 60 {
		t.Errorf("after the change: %+v, %v", got, err)
	}
}

// slow holds back the answer to the first read of settings.
type slow struct {
	*workspacetest.Memory
	held    atomic.Bool
	holding chan struct{} // closed while it does
	release chan struct{}
}

func (s *slow) Get(ctx context.Context, collection string, ws weir.WorkspaceID, id string) (workspace.Document, error) {
	doc, err := s.Memory.Get(ctx, collection, ws, id)
	if collection == "settings" && s.held.CompareAndSwap(false, true) {
		close(s.holding)
		<-s.release
	}
	return doc, err
}

func TestSettingsAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &workspacetest.Memory{}
		here, there := workspace.New(store, nil), workspace.New(store, nil)
		write, _ := createShop(t, here)
		gap := func(d *workspace.Directory) int {
			s, err := d.Settings(t.Context(), "shop")
			if err != nil {
				t.Fatal(err)
			}
			return s.Sessions.GapMinutes
		}
		orders := func(d *workspace.Directory) bool {
			grant, err := d.Authenticate(t.Context(), write.Text)
			if err != nil {
				t.Fatal(err)
			}
			return grant.Browsers.MaySendOrders
		}
		if gap(here) != 30 || gap(there) != 30 || orders(here) || orders(there) {
			t.Fatal("not the defaults")
		}
		if _, err := here.ChangeSettings(t.Context(), "shop", func(s *workspace.Settings) error {
			s.Sessions.GapMinutes, s.Browsers.MaySendOrders = 15, true
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if gap(here) != 15 || !orders(here) {
			t.Error("a change is not seen at once in its own process")
		}
		if gap(there) != 30 || orders(there) {
			t.Error("nothing is remembered")
		}
		reads := 0
		store.Err = func(_, collection string) error {
			if collection == "settings" {
				reads++
			}
			return nil
		}
		time.Sleep(2*time.Second - 1)
		if gap(there) != 30 || reads != 0 {
			t.Errorf("forgotten too early: %d reads", reads)
		}
		time.Sleep(time.Nanosecond)
		if gap(there) != 15 || !orders(there) || reads != 1 {
			t.Errorf("a change is not seen after CacheFor, or cost %d reads", reads)
		}
		// While the store is away, what is remembered goes on, and it is not asked each time.
		failure := errors.New("the store is away")
		asked := 0
		store.Err = func(string, string) error { asked++; return failure }
		time.Sleep(2 * time.Second)
		for range 10 {
			if gap(there) != 15 || !orders(there) {
				t.Fatal("what is remembered does not go on")
			}
		}
		if asked > 2 {
			t.Errorf("the store that is away was asked %d times in a moment", asked)
		}
		if _, err := there.Authenticate(t.Context(), "wk_nobody_has_this_key"); !errors.Is(err, failure) {
			t.Errorf("a key that nobody knows: %v", err)
		}
		store.Err = nil
		if _, err := here.ChangeSettings(t.Context(), "shop", func(s *workspace.Settings) error { s.Sessions.GapMinutes = 20; return nil }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if gap(there) != 20 {
			t.Error("the store is back, and is not asked")
		}
		store.Err = func(string, string) error { return failure }
		time.Sleep(15 * time.Minute)
		if _, err := there.Settings(t.Context(), "shop"); !errors.Is(err, failure) {
			t.Errorf("got %v", err)
		}
		if _, err := there.Authenticate(t.Context(), write.Text); !errors.Is(err, failure) {
			t.Errorf("got %v", err)
		}
	})
}

func BenchmarkSettings(b *testing.B) {
	d, _ := newDirectory()
	createShop(b, d)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Settings(b.Context(), "shop"); err != nil {
			b.Fatal(err)
		}
	}
}
