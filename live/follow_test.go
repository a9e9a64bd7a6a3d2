package live_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/live"
)

// logbook is the log of other processes, newest last, and the archive.
type logbook struct {
	mu    sync.Mutex
	rows  map[weir.WorkspaceID][]weir.Outcome
	asked int
	fail  error
}

func (l *logbook) write(ws weir.WorkspaceID, o weir.Outcome) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rows == nil {
		l.rows = map[weir.WorkspaceID][]weir.Outcome{}
	}
	o.ReceivedAt = weir.MicrosOf(time.Now())
	l.rows[ws] = append(l.rows[ws], o)
}

func (l *logbook) Log(_ context.Context, ws weir.WorkspaceID, f eventstore.LogFilter) (out []weir.Outcome, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	for _, o := range slices.Backward(l.rows[ws]) {
		if (f.Receipt == "" || f.Receipt == o.Receipt) && o.ReceivedAt >= f.From && len(out) < f.Limit {
			out = append(out, o)
		}
	}
	return out, l.fail
}

// Read knows the even numbers.
func (l *logbook) Read(_ context.Context, at weir.Position) (weir.Record, error) {
	if at.Seq()%2 == 1 {
		return weir.Record{}, archive.ErrNotFound
	}
	return weir.Record{Raw: []byte(at.String())}, nil
}

func follow(t *testing.T, l *logbook) *live.Hub {
	hub := live.NewHub()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		live.Follow(ctx, hub, l, l, nil)
		close(ended)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return hub
}

func at(seq uint64) weir.Outcome { return weir.Outcome{Position: weir.At(0, seq), Receipt: "r"} }

func TestFollowerShowsWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &logbook{}
		l.write("a", at(1))
		hub := follow(t, l)
		time.Sleep(time.Second)
		if l.asked != 0 {
			t.Errorf("%d looks at the log, and nobody listens", l.asked)
		}
		s := hub.Subscribe("a")
		time.Sleep(time.Second)
		l.write("a", at(2))
		l.write("b", at(9))
		l.write("a", at(3))
		time.Sleep(time.Second)
		l.write("a", at(4))
		time.Sleep(time.Second)
		for seq := uint64(2); seq <= 4; seq++ {
			m := <-s.C
			want := weir.At(0, seq).String()
			if seq%2 == 1 {
				want = "" // the archive does not have it
			}
			if m.Outcome.Position != weir.At(0, seq) || m.Workspace != "a" || string(m.Raw) != want {
				t.Errorf("got %+v, want number %d", m, seq)
			}
		}
		if len(s.C) != 0 {
			t.Errorf("%d messages too many", len(s.C))
		}
		s.Close()
		time.Sleep(time.Second)
		before := l.asked
		time.Sleep(time.Minute)
		if l.asked != before {
			t.Error("the log is asked after the listener has gone")
		}
	})
}

func TestFollowerShowsEachOnceWhenThereAreMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &logbook{}
		hub := follow(t, l)
		s := hub.Subscribe("a")
		defer s.Close()
		time.Sleep(time.Second)
		seen := map[weir.Position]bool{}
		for seq := range uint64(3000) {
			l.write("a", at(seq+1))
			if seq%100 == 99 {
				time.Sleep(300 * time.Millisecond)
				for len(s.C) > 0 {
					m := <-s.C
					if seen[m.Outcome.Position] {
						t.Fatalf("%s comes twice", m.Outcome.Position)
					}
					seen[m.Outcome.Position] = true
				}
			}
		}
		if len(seen) != 3000 {
			t.Errorf("%d of 3000 came", len(seen))
		}
	})
}

func TestFollowerAnswersReceiptsAndSurvivesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &logbook{fail: errors.New("away")}
		hub := follow(t, l)
		w := hub.Await("a", "r", 2)
		defer w.Cancel()
		l.write("a", at(1))
		time.Sleep(time.Second)
		l.write("a", at(2))
		l.mu.Lock()
		l.fail = nil
		l.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if got, err := w.Wait(ctx); err != nil || len(got) != 2 {
			t.Errorf("got %v, %v", got, err)
		}
	})
}
