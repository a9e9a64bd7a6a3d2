package demo_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/demo"
	"github.com/weirhq/weir/item"
)

var monday = time.Date(2026, 10, 5, 0, 0, 0, 0, time.UTC)

func TestSameSeedPlaysTheSameShop(t *testing.T) {
	a, b := demo.New(7).Day(monday, 3), demo.New(7).Day(monday, 3)
	if !reflect.DeepEqual(a, b) {
		t.Fatal("two shops of one seed differ")
	}
	if reflect.DeepEqual(a, demo.New(8).Day(monday, 3)) {
		t.Fatal("another seed plays the same shop")
	}
}

func TestEveryItemIsValidInOrderAndUnique(t *testing.T) {
	shop := demo.New(1)
	type key struct {
		kind weir.Kind
		id   string
	}
	seen := map[key]bool{}
	kinds := map[weir.Kind]int{}
	var last time.Time
	for day := range 7 {
		for _, e := range shop.Day(monday.AddDate(0, 0, day), day) {
			raw, err := json.Marshal(e.Item)
			if err != nil {
				t.Fatal(err)
			}
			parsed, rejection := item.Parse(raw, item.Limits{})
			if rejection != nil || len(parsed.Warnings) > 0 {
				t.Fatalf("%s: rejected %v, warned %v", raw, rejection, parsed.Warnings)
			}
			if day == 0 && e.At.Before(last) {
				t.Fatalf("%s comes after %s", e.At, last)
			}
			last = e.At
			kinds[parsed.Kind]++
			if k := (key{parsed.Kind, parsed.ID}); parsed.Kind != weir.KindUser && seen[k] {
				t.Fatalf("%v comes twice", k)
			} else {
				seen[k] = true
			}
		}
	}
	for _, kind := range []weir.Kind{weir.KindPageview, weir.KindCustomEvent, weir.KindUserAlias, weir.KindUser, weir.KindOrder} {
		if kinds[kind] == 0 {
			t.Errorf("a week has no %s", kind)
		}
	}
	if kinds[weir.KindPageview] < 10*kinds[weir.KindOrder] {
		t.Errorf("too good a shop: %v", kinds)
	}
}

// receiver is a server that is busy at first.
type receiver struct {
	mu    sync.Mutex
	busy  int
	items int
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy > 0 {
		r.busy--
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	var body struct {
		Items []json.RawMessage `json:"items"`
	}
	if err := json.NewDecoder(request.Body).Decode(&body); err != nil || request.Header.Get("Authorization") != "Bearer sk_test" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.items += len(body.Items)
	json.NewEncoder(w).Encode(map[string]any{"accepted": len(body.Items), "rejected": []any{}})
}

func TestHistoryArrivesWholeAlthoughTheServerIsBusy(t *testing.T) {
	r := &receiver{busy: 1}
	server := httptest.NewServer(r)
	defer server.Close()
	var progress int
	var mu sync.Mutex
	player := demo.Player{URL: server.URL, Key: "sk_test", Workspace: "w", Now: func() time.Time { return monday.Add(12 * time.Hour) },
		Progress: func(sent, all int) { mu.Lock(); progress = max(progress, sent); mu.Unlock() }}
	sent, err := player.History(t.Context(), demo.New(1), 2)
	if err != nil {
		t.Fatal(err)
	}
	if sent == 0 || sent != r.items || progress != sent {
		t.Errorf("sent %d, received %d, told of %d", sent, r.items, progress)
	}
}

func TestHistorySaysWhyTheServerRefuses(t *testing.T) {
	server := httptest.NewServer(&receiver{})
	defer server.Close()
	player := demo.Player{URL: server.URL, Key: "sk_wrong", Workspace: "w", Now: func() time.Time { return monday.Add(12 * time.Hour) }}
	if _, err := player.History(t.Context(), demo.New(1), 1); err == nil {
		t.Fatal("no error")
	}
}
