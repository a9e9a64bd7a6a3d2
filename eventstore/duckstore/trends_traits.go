package duckstore

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/weirhq/weir/query"
)

// keepByTraits counts events by a property of the person, in the engine's threads: a
// person has one value, so that a look into an array takes the place of two joins and of
// grouping texts. Without ok the question is none that it can answer.
func (t *trends) keepByTraits(ctx context.Context) (lead query.Tally, decided, ok bool, err error) {
	if len(t.Series) != 1 || t.Visits || t.Series[0].Measure != query.Total || t.Breakdowns[0].By.On != query.OnUser {
		return nil, false, false, nil
	}
	q := t.compile(0, false, &arguments{})
	if q == nil {
		return nil, false, false, nil
	}
	groups, of, err := t.traits(ctx, t.Breakdowns[0].By)
	slots := q.slots.Count()
	if err != nil || len(groups)*slots > query.MostCells/8/t.store.options.Threads {
		return nil, false, false, err
	}
	counts, err := q.countByTrait(ctx, of, len(groups))
	if err != nil {
		return nil, false, false, err
	}
	lead, decided, err = t.leading(q, highestOf(groups, counts, slots, t.Breakdowns[0].Limit+1))
	return lead, decided, true, err
}

// traits are the values of a property that people have, first that of having none, and
// the place of each person's among them.
func (t *trends) traits(ctx context.Context, of query.Ref) (groups []query.Group, places []int32, err error) {
	groups, places = []query.Group{{}}, make([]int32, t.persons.highest+1)
	known := map[string]int32{}
	err = t.newFeed(0).People(ctx, of, func(person uint32, text string) {
		if int(person) >= len(places) {
			return // who has no identity, and so no event
		}
		place, ok := known[text]
		if !ok {
			place = int32(len(groups))
			known[text] = place
			groups = append(groups, query.GroupOf(text))
		}
		places[person] = place
	})
	return groups, places, err
}

// countByTrait counts rows by group and slot.
func (q *series) countByTrait(ctx context.Context, of []int32, groups int) ([]int64, error) {
	slots := q.slots.Count()
	var mu sync.Mutex
	var made [][]int64
	err := q.stream(ctx, []string{"e.ts", "e.identity"}, strings.TrimSpace(q.from()), *q.args, func() func(*chunk) error {
		counts := make([]int64, groups*slots)
		mu.Lock()
		made = append(made, counts)
		mu.Unlock()
		finder := query.NewFinder(q.slots.Edges)
		var places []int32
		var people []uint32
		return func(c *chunk) error {
			places = finder.All(column[int64](c, 0), places)
			people = q.persons.ofAll(column[uint32](c, 1), people)
			for i, place := range places {
				counts[int(of[people[i]])*slots+int(place)]++
			}
			return nil
		}
	})
	if err != nil || len(made) == 0 {
		return make([]int64, groups*slots), err
	}
	for _, counts := range made[1:] {
		for i, n := range counts {
			made[0][i] += n
		}
	}
	return made[0], nil
}

// highestOf are so many groups with the highest totals, those of the same total in the
// order of their texts and null last; the rest is together.
func highestOf(groups []query.Group, counts []int64, slots, most int) map[query.Groups]query.Parts {
	totals, order := make([]int64, len(groups)), make([]int, 0, len(groups))
	for g := range groups {
		for _, n := range counts[g*slots : (g+1)*slots] {
			totals[g] += n
		}
		if totals[g] > 0 {
			order = append(order, g)
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(totals[b], totals[a]), groups[a].Compare(groups[b]))
	})
	all := map[query.Groups]query.Parts{}
	for rank, g := range order {
		key := query.Groups{groups[g]}
		if rank >= most {
			key = query.Groups{query.Others}
		}
		if all[key] == nil {
			all[key] = make(query.Parts, slots)
		}
		for slot, n := range counts[g*slots : (g+1)*slots] {
			all[key][slot].Add(query.Total, query.Part{X: float64(n), N: n})
		}
	}
	return all
}
