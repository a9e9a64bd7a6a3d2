package sqlitestate

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"syscall"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// crashDir names the directory that a helper process commits to until it is
// killed. The helper is this test binary.
const crashDir = "WEIR_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		fmt.Fprintln(os.Stderr, commitForEver(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const crashUsers = 60

func crashNeed() state.Need {
	need := state.Need{Partitions: []int{0, 1}}
	for n := range crashUsers {
		k := state.Key{Workspace: "w", ID: fmt.Sprint("u", n)}
		need.Users, need.Sessions, need.Conversions = append(need.Users, k), append(need.Sessions, k), append(need.Conversions, k)
	}
	return need
}

// commitForEver writes the number of the commit into every document and both
// positions, puts an item of that number, and only then says so.
func commitForEver(dir string) error {
	s, err := Open(dir, &Options{Memory: 32 << 20})
	if err != nil {
		return err
	}
	ctx := context.Background()
	for {
		tx, err := s.Begin(ctx, crashNeed())
		if err != nil {
			return err
		}
		n := tx.Snapshot().Applied[0] + 1
		changes := state.Changes{Applied: map[int]uint64{0: n, 1: n}}
		for i, k := range crashNeed().Users {
			identity := &weir.Identity{Workspace: "w", ID: k.ID, Number: uint32(i + 1), Person: uint32(i + 1), LastSeen: weir.Micros(n)}
			identity.Traits.Set(weir.Stamp{At: weir.Micros(n)}, weir.Property{Name: "n", Value: weir.Num(float64(n))})
			changes.Identities = append(changes.Identities, identity)
			changes.Sessions = append(changes.Sessions, &weir.Session{Workspace: "w", ID: k.ID, Number: uint32(i + 1), Owner: uint32(i + 1), EndedAt: weir.Micros(n)})
			changes.Conversions = append(changes.Conversions, &weir.Conversion{Workspace: "w", ID: k.ID, Owner: uint32(i + 1), Value: int64(n)})
		}
		// One of each comes and goes, under an id that goes round.
		changes.Sessions = append(changes.Sessions, &weir.Session{Workspace: "w", ID: fmt.Sprint("commit", n), Number: crashUsers + 1, Owner: crashUsers + 1})
		changes.RemovedSessions = []state.Key{{Workspace: "w", ID: fmt.Sprint("commit", n-1)}}
		changes.Conversions = append(changes.Conversions, &weir.Conversion{Workspace: "w", ID: fmt.Sprint("commit", n), Owner: crashUsers + 1})
		changes.RemovedConversions = changes.RemovedSessions
		changes.Marks = map[state.Key]string{{ID: "n"}: fmt.Sprint(n), {Workspace: "w", ID: fmt.Sprint("commit", n-1)}: "", {Workspace: "w", ID: fmt.Sprint("commit", n)}: "here"}
		changes.Outbox = []state.Effect{{Topic: "t", ID: fmt.Sprint("commit", n)}}
		if _, err := tx.Take(ctx, "w", state.IdentityNumber, 1); err != nil {
			return err
		}
		if err := tx.Commit(ctx, changes); err != nil {
			return err
		}
		if err := s.Seen().Put(ctx, crashItem(n), nil, []state.Entry{crashEntry(n)}); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

func crashItem(n uint64) []state.ItemKey {
	return []state.ItemKey{{Workspace: "w", Kind: weir.KindOrder, ID: fmt.Sprint("item", n)}}
}

func crashEntry(n uint64) state.Entry {
	return state.Entry{Position: weir.At(0, n), Version: weir.Micros(n), Hash: n, At: weir.Micros(n) - 1, Doc: bytes.Repeat([]byte{byte(n)}, int(n%3)*1000+1)}
}

func TestKillDuringCommits(t *testing.T) {
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(7, 7))
	const kills = 12
	// Not all numbers up to the last: a kill between the commit and the index
	// leaves one that nobody was told of.
	var acknowledged []uint64
	for range kills {
		acknowledged = append(acknowledged, killAfter(t, dir, 1+r.IntN(40))...)
		s, err := Open(dir, nil)
		if err != nil {
			t.Fatalf("open after a kill: %v", err)
		}
		checkOneCommit(t, s, acknowledged)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killAfter starts the helper, kills it while it goes on after its n-th
// acknowledgement, and returns all that it gave.
func killAfter(t *testing.T, dir string, n int) (acknowledged []uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for count := 0; lines.Scan(); count++ {
		number, err := strconv.ParseUint(lines.Text(), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		acknowledged = append(acknowledged, number)
		if count == n {
			if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("helper ended by itself: %v", err)
	}
	return acknowledged
}

// checkOneCommit sees that positions, documents and counter are of one commit,
// which is not older than what was acknowledged.
func checkOneCommit(t *testing.T, s *Store, acknowledged []uint64) {
	t.Helper()
	tx, err := s.Begin(t.Context(), crashNeed())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	got := tx.Snapshot()
	n := got.Applied[0]
	last := acknowledged[len(acknowledged)-1]
	if n < last || got.Applied[1] != n {
		t.Errorf("positions are %v, acknowledged %d", got.Applied, last)
	}
	if len(got.Identities) != crashUsers || len(got.Sessions) != crashUsers {
		t.Errorf("%d identities and %d sessions, want %d", len(got.Identities), len(got.Sessions), crashUsers)
	}
	for k, i := range got.Identities {
		trait, _ := i.Traits.Get("n")
		if i.LastSeen != weir.Micros(n) || trait != weir.Num(float64(n)) || got.Sessions[k] == nil || got.Sessions[k].EndedAt != weir.Micros(n) ||
			got.Conversions[k] == nil || got.Conversions[k].Value != int64(n) {
			t.Errorf("%s is of another commit than the position %d: %+v, %+v", k.ID, n, i, got.Sessions[k])
		}
	}
	checkVisitors(t, s, tx, n)
	if next, err := tx.Take(t.Context(), "w", state.IdentityNumber, 1); err != nil || uint64(next) != n+1 {
		t.Errorf("counter is at %d, position at %d (%v)", next, n, err)
	}
	for _, i := range acknowledged {
		entries, err := s.Seen().Lookup(t.Context(), crashItem(i))
		if err != nil || !reflect.DeepEqual(entries[0], crashEntry(i)) {
			t.Fatalf("item %d was acknowledged and is not there: %v, %v", i, entries, err)
		}
	}
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("check after a kill: %v", err)
	}
}

// checkVisitors sees that what each commit brings and the next removes is that of
// commit n alone, and that effects are of all commits up to it.
func checkVisitors(t *testing.T, s *Store, tx state.Tx, n uint64) {
	t.Helper()
	want := fmt.Sprint("commit", n)
	of := []state.Span{{Workspace: "w", Identity: crashUsers + 1, To: 1 << 60}}
	sessions, err := tx.SessionsOf(t.Context(), of)
	if err != nil || len(sessions) != 1 || sessions[0].ID != want {
		t.Errorf("sessions that come and go at commit %d: %v, %v", n, sessions, err)
	}
	conversions, err := tx.ConversionsOf(t.Context(), of)
	if err != nil || len(conversions) != 1 || conversions[0].ID != want {
		t.Errorf("conversions that come and go at commit %d: %v, %v", n, conversions, err)
	}
	view := s.View()
	for key, text := range map[state.Key]string{{ID: "n"}: fmt.Sprint(n), {Workspace: "w", ID: want}: "here", {Workspace: "w", ID: fmt.Sprint("commit", n-1)}: ""} {
		if got, err := view.Mark(t.Context(), key.Workspace, key.ID); err != nil || got != text {
			t.Errorf("mark %v at commit %d: got %q, %v", key, n, got, err)
		}
	}
	effects, err := s.Outbox().Read(t.Context(), "t", 0, int(n)+10)
	if err != nil || len(effects) != int(n) || effects[n-1].ID != want {
		t.Errorf("%d effects at commit %d, %v", len(effects), n, err)
	}
}
