package dashboard

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/workspace"
)

type replayed struct {
	Receipt           string
	Replayed, Skipped int
	More              bool
	Next              string
}

func (w *world) replay(t *testing.T, body string) replayed {
	t.Helper()
	rec := w.do("admin", "POST", "/api/v1/workspaces/acme/items/replay", body)
	if rec.Code != http.StatusOK {
		t.Fatalf("status %d, body %s", rec.Code, rec.Body)
	}
	return decode[replayed](t, rec.Body)
}

// Times are derived from what stands in the record: a replay must not change them.
func TestReplayKeepsTheReceiptsFacts(t *testing.T) {
	w := newWorld(t)
	at := weir.At(2, 8)
	if rec := w.do("admin", "POST", "/api/v1/workspaces/acme/items/2.8/replay", ""); rec.Code != 200 {
		t.Fatalf("status %d, body %s", rec.Code, rec.Body)
	}
	if len(w.intake.records) != 1 {
		t.Fatalf("%d records", len(w.intake.records))
	}
	got, want := w.intake.records[0], w.archive.records[at]
	if got.Receipt == want.Receipt || got.Receipt == "" || got.Index != 0 {
		t.Errorf("receipt %q, index %d", got.Receipt, got.Index)
	}
	got.Receipt, got.Index = want.Receipt, want.Index
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// An item that was rejected lives once its reason is gone: other limits, or a right
// that the workspace gives.
func TestReplayJudgesAnew(t *testing.T) {
	w := newWorld(t)
	const path = "/api/v1/workspaces/acme/items/3.3/replay"
	record := w.archive.records[weir.At(3, 3)]
	record.Client, record.UserID, record.Rejected = weir.ClientPublic, "", &weir.Rejection{Code: "not_allowed"}
	w.archive.records[weir.At(3, 3)] = record
	w.intake.limits.Bytes = 10
	if p := wantProblem(t, w.do("admin", "POST", path, ""), http.StatusConflict, "still_rejected"); !strings.Contains(p.Detail, "item_too_large") {
		t.Errorf("detail %q", p.Detail)
	}
	w.intake.limits.Bytes = 0
	// A browser's order stays a browser's order, whoever replays it.
	if p := wantProblem(t, w.do("owner", "POST", path, ""), http.StatusConflict, "still_rejected"); !strings.Contains(p.Detail, "not_allowed") || p.Field != "kind" {
		t.Errorf("problem %+v", p)
	}
	if _, err := w.parts.Directory.ChangeSettings(t.Context(), "acme", func(s *workspace.Settings) error {
		s.Browsers.MaySendOrders = true
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if rec := w.do("admin", "POST", path, ""); rec.Code != http.StatusOK {
		t.Fatalf("status %d, body %s", rec.Code, rec.Body)
	}
	if r := w.intake.records; len(r) != 1 || r[0].Rejected != nil || r[0].UserID != "u1" || r[0].Client != weir.ClientPublic {
		t.Errorf("stored %+v", r)
	}
}

// The log of one tenant must never lead to the bytes of another.
func TestReplayOfAnotherTenantsBytes(t *testing.T) {
	w := newWorld(t)
	record := w.archive.records[weir.At(2, 8)]
	record.Workspace = "globex"
	w.archive.records[weir.At(2, 8)] = record
	wantProblem(t, w.do("admin", "POST", "/api/v1/workspaces/acme/items/2.8/replay", ""), http.StatusConflict, "raw_item_missing")
	if got := w.replay(t, `{"status": "dead"}`); got.Replayed != 0 || got.Skipped != 1 || len(w.intake.records) != 0 {
		t.Errorf("got %+v, stored %+v", got, w.intake.records)
	}
}

// Calls that go on with next deliver each item once, in whatever pages.
func TestReplayOfMany(t *testing.T) {
	for _, limit := range []int{1, 7, 199, 200, 450, 451, 10_000} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			w := newWorld(t)
			w.intake.work = nil
			w.events.log["acme"] = nil
			for i := range 450 {
				// Several are received at one instant, and both statuses lie among each other.
				o := weir.Outcome{Position: weir.At(i%3, uint64(i+1)), ReceivedAt: weir.MicrosOf(now) + weir.Micros(i/10), Status: weir.Rejected}
				if i%2 == 0 {
					o.Status = weir.Dead
				}
				w.events.log["acme"] = append(w.events.log["acme"], o, weir.Outcome{Position: weir.At(5, uint64(i+1)), ReceivedAt: o.ReceivedAt, Status: weir.Stored})
				if i%9 > 0 { // else the archive has lost it
					w.archive.records[o.Position] = weir.Record{Workspace: "acme", Client: weir.ClientServer, ReceivedAt: o.ReceivedAt,
						Raw: fmt.Appendf(nil, `{"kind": "user", "user": {"external_id": "u%d", "created_at": "2026-10-01T00:00:00Z"}}`, i)}
				}
			}
			sum, calls, cursor := replayed{}, 0, ""
			for {
				if calls++; calls > 1000 {
					t.Fatal("no end")
				}
				got := w.replay(t, fmt.Sprintf(`{"from": "2026-01-01", "limit": %d, "cursor": %q}`, limit, cursor))
				sum.Replayed, sum.Skipped = sum.Replayed+got.Replayed, sum.Skipped+got.Skipped
				if got.More != (got.Next != "") || got.Replayed+got.Skipped > limit {
					t.Fatalf("got %+v", got)
				}
				if cursor = got.Next; cursor == "" {
					break
				}
			}
			seen := map[string]bool{}
			for _, r := range w.intake.records {
				seen[string(r.Raw)] = true
			}
			if sum.Replayed != 400 || sum.Skipped != 50 || len(w.intake.records) != 400 || len(seen) != 400 || calls != (450+limit-1)/limit {
				t.Errorf("%d replayed, %d skipped, %d stored, %d of them different, in %d calls", sum.Replayed, sum.Skipped, len(w.intake.records), len(seen), calls)
			}
		})
	}
}
