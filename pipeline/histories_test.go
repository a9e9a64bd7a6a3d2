package pipeline_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var histories = flag.Int("histories", 12, "random histories to try")
var firstHistory = flag.Uint64("history", 0, "seed of the first one")

// teller makes up histories that are small and full of what goes wrong: few ids,
// few item ids, times that collide.
type teller struct{ *rand.Rand }

func (r teller) minute() string { return fmt.Sprintf("2026-10-01T11:%02d:00Z", r.IntN(6)) }

// user is an id of any partition.
func (r teller) user() string { return string(rune('a' + r.IntN(7))) }

func (r teller) item() string {
	id, user := r.user(), r.user()
	switch r.IntN(8) {
	case 0, 1, 2: // versions of few items, also of one item by several users
		return fmt.Sprintf(`{"kind":"custom_event","custom_event":{"external_id":"e-%s","created_at":%q,"updated_at":%q,"label":"L%d","properties":{"v":%d,"who":%q}},"user":{"external_id":%q}%s}`,
			id, r.minute(), r.minute(), r.IntN(2), r.IntN(9), user, user, r.session())
	case 3:
		return fmt.Sprintf(`{"kind":"pageview","pageview":{"external_id":"p-%d","created_at":%q,"who":%q},"user":{"external_id":%q,"plan":"p%d","updated_at":%q}%s}`,
			r.IntN(1000), r.minute(), user, user, r.IntN(3), r.minute(), r.session())
	case 4:
		return fmt.Sprintf(`{"kind":"user","user":{"external_id":%q,"is_authenticated":%v,"created_at":%q,"updated_at":%q,"traits":{"plan":"p%d"}}}`,
			user, r.IntN(2) == 0, r.minute(), r.minute(), r.IntN(3))
	default:
		created := ""
		if r.IntN(4) > 0 {
			created = fmt.Sprintf(`,"created_at":%q`, r.minute())
		}
		return fmt.Sprintf(`{"kind":"user_alias","user_alias":{"from_user_external_id":%q,"to_user_external_id":%q,"to_user_is_authenticated":%v%s}}`,
			user, r.user(), r.IntN(3) == 0, created)
	}
}

func (r teller) session() string {
	if r.IntN(2) == 0 {
		return ""
	}
	return fmt.Sprintf(`,"session":{"external_id":"s%d","created_at":%q,"duration":%d}`, r.IntN(3), r.minute(), r.IntN(100))
}

// Whatever is sent, in whatever order, however often, in whatever batches and
// whenever the worker dies: what is true in the end is the same, and a rebuild
// says so too.
func TestRandomHistoriesEndInOneTruth(t *testing.T) {
	for seed := *firstHistory; seed < *firstHistory+uint64(*histories); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := teller{rand.New(rand.NewPCG(seed, 7))}
			var items []string
			for range 4 + r.IntN(24) {
				items = append(items, r.item())
			}
			reference := newWorld(t)
			reference.send(items)
			reference.drain()
			want := reference.truth()

			w := newWorld(t)
			trace := r.retell(w, items)
			if got := w.truth(); got != want {
				t.Fatalf("%s\ngot:\n%s\nwant:\n%s", trace, got, want)
			}
			if err := w.pipeline().Rebuild(t.Context(), ws); err != nil {
				t.Fatal(err)
			}
			if got := w.truth(); got != want {
				t.Fatalf("%s\nafter a rebuild:\n%s\nwant:\n%s", trace, got, want)
			}
		})
	}
}

// retell sends the items to w in another order, some of them several times, in
// other batches, to workers that die. It returns what it did.
func (r teller) retell(w *world, items []string) (trace string) {
	var told []string
	for _, i := range items {
		for range 1 + r.IntN(2) {
			told = append(told, i)
		}
	}
	r.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
	var log strings.Builder
	for len(told) > 0 {
		n := min(1+r.IntN(6), len(told))
		w.send(told[:n])
		fmt.Fprintf(&log, "send\n  %s\n", strings.Join(told[:n], "\n  "))
		told = told[n:]
		w.options.Items = 1 + r.IntN(8)
		switch r.IntN(4) {
		case 0:
			w.drain()
			fmt.Fprintf(&log, "drain by %d\n", w.options.Items)
		case 1, 2:
			n, after, turned := 1+r.Int64N(9), r.IntN(2) == 0, r.IntN(2) == 0
			w.dieAt(n, after, turned)
			fmt.Fprintf(&log, "die at write %d by %d, after it %v, backwards %v\n", n, w.options.Items, after, turned)
		}
	}
	w.turned = r.IntN(2) == 0
	w.drain()
	fmt.Fprintf(&log, "drain by %d, backwards %v\n", w.options.Items, w.turned)
	return log.String()
}
