package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/weirhq/weir"
)

const itemPath = "/api/v1/workspaces/acme/items/3.1042"

// The outcome is worth showing whatever has happened to the raw item.
func TestItemWithoutItsBytes(t *testing.T) {
	at := weir.At(3, 1042)
	tests := []struct {
		name   string
		harm   func(*world)
		detail string
		logged bool
	}{
		{"not in the archive", func(w *world) { delete(w.archive.records, at) }, "The archive does not have the raw item.", false},
		{"damaged", func(w *world) { w.archive.damaged = map[weir.Position]bool{at: true} }, "The raw item is damaged in the archive.", true},
		{"another workspace's", func(w *world) {
			w.archive.records[at] = weir.Record{Workspace: "globex", Raw: []byte(`{"secret": "of globex"}`)}
		}, "The archive does not have the raw item.", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.harm(w)
			rec := w.do("viewer", "GET", itemPath, "")
			if rec.Code != 200 || !strings.Contains(rec.Body.String(), tt.detail) || strings.Contains(rec.Body.String(), "globex") {
				t.Errorf("status %d, body %s", rec.Code, rec.Body)
			}
			if got := w.log.Len() > 0; got != tt.logged {
				t.Errorf("log: %s", w.log)
			}
		})
	}
}

func TestClockOfTheSender(t *testing.T) {
	w := newWorld(t)
	const says = "the event's time is corrected by that"
	if rec := w.do("viewer", "GET", itemPath, ""); !strings.Contains(rec.Body.String(), says) {
		t.Errorf("an hour off: %s", rec.Body)
	}
	record := w.archive.records[weir.At(3, 1042)]
	record.SentAt = w.events.log["acme"][0].ReceivedAt - 1_900_000
	w.archive.records[weir.At(3, 1042)] = record
	if rec := w.do("viewer", "GET", itemPath, ""); strings.Contains(rec.Body.String(), says) {
		t.Errorf("1.9 seconds off: %s", rec.Body)
	}
}

func TestNamesOfSources(t *testing.T) {
	w := newWorld(t)
	key, err := w.parts.Directory.CreateKey(t.Context(), "acme", "write", "Web", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range w.events.log["acme"] {
		w.events.log["acme"][i].Source = key.ID
	}
	rec := w.do("viewer", "GET", itemPath, "")
	if !strings.Contains(rec.Body.String(), `"source_name":"Web"`) || !strings.Contains(rec.Body.String(), "Sent with a write key of Web") {
		t.Errorf("body %s", rec.Body)
	}
	rec = w.do("viewer", "GET", "/api/v1/workspaces/acme/items", "")
	if got := strings.Count(rec.Body.String(), `"source_name":"Web"`); got != 5 {
		t.Errorf("%d rows with the name, want 5", got)
	}
}

// Pages joined by their cursors are the whole log, each row once.
func TestPagesOfTheLog(t *testing.T) {
	w := newWorld(t)
	w.events.log["acme"] = nil
	for i := range 100 {
		// Several items are received at one instant.
		w.events.log["acme"] = append(w.events.log["acme"], weir.Outcome{
			Position: weir.At(i%3, uint64(i+1)), ReceivedAt: weir.MicrosOf(now) + weir.Micros(i/10), Status: weir.Stored,
		})
	}
	type page struct {
		Items []LogRow
		Next  string
	}
	seen := map[string]bool{}
	cursor, pages := "", 0
	for {
		rec := w.do("viewer", "GET", "/api/v1/workspaces/acme/items?limit=7&cursor="+cursor, "")
		p := decode[page](t, rec.Body)
		for _, row := range p.Items {
			if seen[row.Position] {
				t.Errorf("%s twice", row.Position)
			}
			seen[row.Position] = true
		}
		pages++
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	if len(seen) != 100 || pages != 15 {
		t.Errorf("%d rows in %d pages, want 100 in 15", len(seen), pages)
	}
}

func TestSearchIsBounded(t *testing.T) {
	w := newWorld(t)
	w.view.identities = nil
	for i := range uint32(500) {
		w.view.identities = append(w.view.identities, &weir.Identity{Workspace: "acme", ID: fmt.Sprintf("user-%03d", i), Number: i + 1, Person: i/2 + 1, FirstSeen: 1})
	}
	type list struct {
		Users     []User
		Truncated bool
	}
	search := func(query string) list {
		rec := w.do("viewer", "GET", "/api/v1/workspaces/acme/users?"+query, "")
		if rec.Code != http.StatusOK {
			t.Fatalf("status %d, body %s", rec.Code, rec.Body)
		}
		return decode[list](t, rec.Body)
	}
	if l := search("search=user&limit=200"); len(l.Users) != 200 || !l.Truncated {
		t.Errorf("%d people, truncated %v", len(l.Users), l.Truncated)
	}
	// user-040 and user-041 are one person, who is found once, and first.
	if l := search("search=USER-04"); len(l.Users) != 5 || l.Truncated {
		t.Errorf("%d people, truncated %v", len(l.Users), l.Truncated)
	}
	if l := search("search=user-499"); len(l.Users) != 1 || l.Users[0].Number != 250 {
		t.Errorf("%+v", l)
	}
	w.events.log["acme"] = nil
	for i := range uint32(500) {
		w.events.log["acme"] = append(w.events.log["acme"], weir.Outcome{
			Position: weir.At(0, uint64(i+1)), ReceivedAt: weir.MicrosOf(now) + weir.Micros(i), UserID: fmt.Sprintf("user-%03d", i), Person: i/2 + 1,
		})
	}
	if l := search("limit=3"); len(l.Users) != 3 || l.Users[0].Number != 250 || l.Users[2].Number != 248 || !l.Truncated {
		t.Errorf("%+v", l)
	}
}

// Every route that reads says so when a part fails, and shows nothing of why.
func TestFailingPart(t *testing.T) {
	w := newWorld(t)
	w.events.err = errors.New("hunter2")
	for _, path := range []string{"/items", "/items/3.1042", "/events/names", "/properties", "/properties/plan/values", "/usage", "/users", "/items/o-1"} {
		rec := w.do("viewer", "GET", "/api/v1/workspaces/acme"+path, "")
		wantProblem(t, rec, http.StatusInternalServerError, "internal")
		if strings.Contains(rec.Body.String(), "hunter2") {
			t.Errorf("%s shows it: %s", path, rec.Body)
		}
	}
}
