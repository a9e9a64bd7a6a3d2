package pgstate

import (
	"context"
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// The database says that its disk is full: nothing is written, and the same call
// succeeds once there is room.
func TestFullDisk(t *testing.T) {
	s := open(t, testOptions(t))
	keys, entries := []state.ItemKey{{Workspace: ws, ID: "i"}}, []state.Entry{{Position: 1}}
	write := func() error {
		return begin(t, s, state.Need{Partitions: []int{1}}).Commit(t.Context(), state.Changes{
			Identities: []*weir.Identity{identity("u", 1, 1)}, Applied: map[int]uint64{1: 1},
		})
	}
	put := func() error { return s.Seen().Put(t.Context(), keys, nil, entries) }
	exec := func(statement string) {
		t.Helper()
		if _, err := s.pool.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$`)
	exec("CREATE TRIGGER t BEFORE INSERT ON identity_documents FOR EACH ROW EXECUTE FUNCTION full_disk()")
	exec("CREATE TRIGGER t BEFORE INSERT ON seen FOR EACH ROW EXECUTE FUNCTION full_disk()")
	for what, call := range map[string]func() error{"commit": write, "put": put} {
		if err := call(); !errors.Is(err, state.ErrFull) {
			t.Errorf("%s: got %v, want ErrFull", what, err)
		}
	}
	missing(t, s, "u")
	exec("DROP FUNCTION full_disk CASCADE")
	if err := errors.Join(write(), put()); err != nil {
		t.Errorf("with room: %v", err)
	}
}

// A document that cannot be read is damage, and is said to be.
func TestDamagedDocument(t *testing.T) {
	s := open(t, testOptions(t))
	commit(t, begin(t, s, state.Need{}), state.Changes{Identities: []*weir.Identity{identity("u", 1, 1)}})
	if _, err := s.pool.Exec(t.Context(), `UPDATE identity_documents SET doc = '\xff'`); err != nil {
		t.Fatal(err)
	}
	_, begun := s.Begin(t.Context(), state.Need{Users: users("u")})
	_, viewed := s.View().Person(t.Context(), ws, "u")
	for what, err := range map[string]error{"begin": begun, "view": viewed} {
		var told *weir.Error
		if !errors.Is(err, state.ErrDamaged) || !errors.As(err, &told) {
			t.Errorf("%s: got %v, want ErrDamaged", what, err)
		}
	}
	// The connection of the Begin that failed has no transaction open any more.
	commit(t, begin(t, s, state.Need{Users: users("v")}), state.Changes{})
}

// The numbers of a workspace end.
func TestNumbersAreUsedUp(t *testing.T) {
	s := open(t, testOptions(t))
	tx := begin(t, s, state.Need{})
	defer tx.Rollback()
	for range 2 {
		if first, err := tx.Take(t.Context(), ws, state.IdentityNumber, 1<<31-1); err != nil || first == 0 {
			t.Fatalf("got %d, %v", first, err)
		}
	}
	if first, err := tx.Take(t.Context(), ws, state.IdentityNumber, 2); err == nil {
		t.Errorf("got %d beyond the last number", first)
	}
	if first, err := tx.Take(t.Context(), ws, state.IdentityNumber, 1); err != nil || first != 1<<32-1 {
		t.Errorf("the last number is %d, %v", first, err)
	}
}

func TestMetrics(t *testing.T) {
	options := testOptions(t)
	registry := prometheus.NewRegistry()
	options.Metrics = registry
	s := open(t, options)
	commit(t, begin(t, s, state.Need{Users: users("u")}), state.Changes{Identities: []*weir.Identity{identity("u", 1, 1)}})
	if _, err := s.Seen().Lookup(context.Background(), make([]state.ItemKey, 1)); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			counts[f.GetName()] += m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for name, want := range map[string]float64{
		"weir_state_identities_written_total": 1, "weir_state_wait_seconds": 1, "weir_state_commit_seconds": 1, "weir_state_transaction_seconds": 1,
		"weir_state_seen_lookup_seconds": 1, "weir_state_seen_put_seconds": 0, "weir_state_begins_repeated_total": 0,
	} {
		if counts[name] != want {
			t.Errorf("%s is %v, want %v", name, counts[name], want)
		}
	}
}
