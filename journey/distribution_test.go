package journey

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/weirhq/weir/query"
)

// amounts are events of persons 1, 2, …, one each, with the texts as their amount.
func amounts(texts ...string) *diary {
	d := &diary{}
	for i, text := range texts {
		d.deeds = append(d.deeds, deed{person: uint32(i + 1), at: clock("2026-10-05 10:00"), name: "order", props: map[string]string{"amount": text}})
	}
	return d
}

func amountsIn(bins int) *query.Plan {
	return &query.Plan{Distribution: &query.Distribution{Match: event("order"), Range: wide, Property: new(onEvent("amount")), Bins: bins}}
}

func wantStats(t *testing.T, got *query.Stats, want query.Stats) {
	t.Helper()
	g, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	w, _ := json.Marshal(want)
	same(t, "stats", string(g), string(w))
}

func TestADistributionHasBinsOfOneWidth(t *testing.T) {
	a := ask(t, amounts("0", "1", "2.5", "4.9", "5", "10", "10"), amountsIn(4))
	same(t, "bins", a.Bins, []query.Bin{{From: 0, To: 2.5, Count: 2}, {From: 2.5, To: 5, Count: 2}, {From: 5, To: 7.5, Count: 1}, {From: 7.5, To: 10, Count: 2}})
	wantStats(t, a.Stats, query.Stats{Count: 7, Min: 0, Max: 10, Average: 33.4 / 7, Median: 4.9})
}

func TestFewWholeValuesHaveBinsOfTheirOwn(t *testing.T) {
	a := ask(t, amounts("3", "-1", "3", "100"), amountsIn(3))
	same(t, "bins", a.Bins, []query.Bin{{From: -1, To: -1, Count: 1}, {From: 3, To: 3, Count: 2}, {From: 100, To: 100, Count: 1}})
	wantStats(t, a.Stats, query.Stats{Count: 4, Min: -1, Max: 100, Average: 26.25, Median: 3})
	a = ask(t, amounts("3", "-1", "3", "100"), amountsIn(2))
	same(t, "fewer bins than values", a.Bins, []query.Bin{{From: -1, To: 49.5, Count: 3}, {From: 49.5, To: 100, Count: 1}})
	a = ask(t, amounts("3", "0.5"), amountsIn(2))
	same(t, "not whole", a.Bins, []query.Bin{{From: 0.5, To: 1.75, Count: 1}, {From: 1.75, To: 3, Count: 1}})
}

func TestOnlyWhatReadsAsANumberIsAValue(t *testing.T) {
	d := amounts("5", "5.0", "+5", "1e1", "-0", "true", "[7]", `{"a":1}`, "", " 5", "0x10", "inf", "NaN", "1e999", "text")
	d.deeds = append(d.deeds, deed{person: 90, at: clock("2026-10-05 10:00"), name: "order"})
	a := ask(t, d, amountsIn(5))
	same(t, "bins", a.Bins, []query.Bin{{From: 0, To: 0, Count: 1}, {From: 5, To: 5, Count: 3}, {From: 10, To: 10, Count: 1}})
	if math.Signbit(a.Bins[0].From) || math.Signbit(float64(a.Stats.Min)) {
		t.Error("zero has a sign")
	}
	wantStats(t, a.Stats, query.Stats{Count: 5, Min: 0, Max: 10, Average: 5, Median: 5})
}

func TestADistributionOfNothingHasNoBins(t *testing.T) {
	a := ask(t, amounts("text"), amountsIn(5))
	if a.Bins == nil || len(a.Bins) != 0 {
		t.Errorf("bins: %v", a.Bins)
	}
	wantStats(t, a.Stats, query.Stats{Min: query.None, Max: query.None, Average: query.None, Median: query.None})
}

func TestOneValueThatIsNotWholeHasOneBin(t *testing.T) {
	a := ask(t, amounts("0.5", "0.5"), amountsIn(5))
	same(t, "bins", a.Bins, []query.Bin{{From: 0.5, To: 0.5, Count: 2}})
}

func TestValuesAtTheEndsOfFloat64HaveBins(t *testing.T) {
	a := ask(t, amounts("-1.7e308", "0.5", "1", "1.7e308"), amountsIn(2))
	same(t, "bins", a.Bins, []query.Bin{{From: -1.7e308, To: 0, Count: 1}, {From: 0, To: 1.7e308, Count: 3}})
	if _, err := json.Marshal(a); err != nil {
		t.Error(err)
	}
	a = ask(t, amounts("0", "5e-324"), amountsIn(10))
	same(t, "bins without width", a.Bins, []query.Bin{{From: 0, To: 5e-324, Count: 2}})
}

func TestTheAverageIsTheSumInAscendingOrder(t *testing.T) {
	var texts []string
	sum := 0.0
	for range 10 {
		texts = append(texts, "0.1")
		sum += 0.1 // 0.9999999999999999, and not 10*0.1
	}
	sum += 1e16
	texts = append(texts, "1e16")
	slices.Reverse(texts)
	a := ask(t, amounts(texts...), amountsIn(5))
	same(t, "average", a.Stats.Average, query.Real(sum/11))
	same(t, "average of tenths", ask(t, amounts(texts[1:]...), amountsIn(5)).Stats.Average, query.Real(0.9999999999999999/10))
}

func TestWithoutAPropertyTheValuesAreEventsPerPerson(t *testing.T) {
	d := &diary{deeds: slices.Concat(visits(1, 5, 5, 6), visits(2, 5), visits(3, 7), visits(4, 8, 30, 31))}
	d.deeds = append(d.deeds, deed{person: 2, at: clock("2026-10-05 10:00"), name: "other"})
	p := &query.Distribution{Match: event("visit"), Range: query.Span{From: wide.From, To: clock("2026-10-31 00:00")}, Bins: 10}
	a := ask(t, d, &query.Plan{Distribution: p})
	same(t, "bins", a.Bins, []query.Bin{{From: 1, To: 1, Count: 2}, {From: 2, To: 2, Count: 1}, {From: 3, To: 3, Count: 1}})
	wantStats(t, a.Stats, query.Stats{Count: 4, Min: 1, Max: 3, Average: 1.75, Median: 1.5})
	e := ask(t, d, &query.Plan{Distribution: p, Explain: &query.Explain{Bin: 0}})
	same(t, "persons", e.Persons, []uint32{2, 3})
}

func TestExplainOfADistributionNamesWhoHasAValueInTheBin(t *testing.T) {
	d := amounts("1", "2", "9", "10", "text")
	d.deeds[3].person = 2 // both in the first bin and in the last
	d.deeds = append(d.deeds, d.deeds[0])
	d.deeds = append(d.deeds, deed{person: 1, at: clock("2026-10-06 10:00"), name: "order", props: map[string]string{"amount": "3"}})
	for bin, want := range [][]uint32{{1, 2}, {2, 3}, {}} {
		a := ask(t, d, &query.Plan{Distribution: amountsIn(2).Distribution, Explain: &query.Explain{Bin: bin}})
		same(t, fmt.Sprint("persons of bin ", bin), a.Persons, want)
	}
	a := ask(t, amounts("text"), &query.Plan{Distribution: amountsIn(2).Distribution, Explain: &query.Explain{Bin: -1}})
	same(t, "persons of no bin", a.Persons, []uint32{})
}
