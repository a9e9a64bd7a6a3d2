package oracle_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/query/oracle"
)

// bought asks for the orders of 1 October.
func bought(t *testing.T, model attribution.Model) *query.Attribution {
	return &query.Attribution{
		Match: match("order"), Range: span(t, "0:00", "10-02T0:00"), Orders: true,
		Model: model, HalfLife: 7 * day, Lookback: 30 * day, By: query.ByChannel,
	}
}

// visits reads visits of person 1, in order of time: "email 9:00".
func visits(t *testing.T, told ...string) []eventstore.Visit {
	var out []eventstore.Visit
	for i, one := range told {
		words := strings.Fields(one)
		out = append(out, eventstore.Visit{
			Number: uint32(i + 1), ID: fmt.Sprint("v", i+1), Person: 1, StartedAt: clock(t, words[1]), Channel: words[0],
			Source: attribution.Source{Source: words[0]},
		})
	}
	return out
}

func credited(p *query.Attribution, events []weir.Event, visits []eventstore.Visit) string {
	var out []string
	for _, row := range oracle.Ask(&query.Plan{Attribution: p}, events, nil, visits...).Rows {
		r, key := row.(query.CreditRow), "null"
		if r.Key != nil {
			key = *r.Key
		}
		out = append(out, fmt.Sprint(key, " ", r.ValueCents))
	}
	return strings.Join(out, ", ")
}

// The worked example of SEMANTICS §5: 6 touches, 100.00.
func TestAttributionOfSixTouches(t *testing.T) {
	events := story(t, "1: order 20:00 $value=10000")
	six := visits(t, "a 1:00", "b 2:00", "c 3:00", "d 4:00", "e 5:00", "f 6:00")
	for model, want := range map[attribution.Model]string{
		attribution.Position: "a 4000, f 4000, b 500, c 500, d 500, e 500",
		attribution.J:        "f 6000, a 2000, b 500, c 500, d 500, e 500",
		attribution.InverseJ: "a 6000, f 2000, b 500, c 500, d 500, e 500",
	} {
		if got := credited(bought(t, model), events, six); got != want {
			t.Errorf("%s: %s, want %s", model, got, want)
		}
	}
}

// Touchpoints lie within the look-back, both ends included, after the previous
// conversion if that is set, and of equal impressions only the first counts.
func TestTouchpointsOfAConversion(t *testing.T) {
	events := story(t, "1: order 4:00 $value=100, order 5:00 $value=7 cancelled_at=x, order 20:00 $value=10000")
	events = append(events, story(t, "2: order 6:00 $value=5")...)
	all := visits(t, "a 1:00", "b 3:00", "b 4:00", "c 4:01", "d 20:00", "e 20:01")
	p := bought(t, attribution.Last)
	p.Range = span(t, "19:00", "21:00")
	p.Model = attribution.Participation
	p.Lookback = 17 * hour
	if got, want := credited(p, events, all), "b 20000, c 10000, d 10000"; got != want {
		t.Errorf("in the look-back: %s, want %s", got, want)
	}
	p.AfterPrevious = true
	if got, want := credited(p, events, all), "c 10000, d 10000"; got != want {
		t.Errorf("after the previous: %s, want %s", got, want)
	}
	p.AfterPrevious = false
	for i := range all {
		all[i].Origin, all[i].Source.Impression = weir.Impression, true
	}
	if got, want := credited(p, events, all), "b 10000, c 10000, d 10000"; got != want {
		t.Errorf("impressions: %s, want %s", got, want)
	}
}
