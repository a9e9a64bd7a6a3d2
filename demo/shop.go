// Package demo plays a shop for outdoor gear: people come from many places,
// look, search, sign up, buy and come back, over weeks of history and then live.
// It writes items of the native format as the shop's site would send them, and
// knows nothing of the server that they go to.
//
// The same seed plays the same shop.
package demo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Shop is a running simulation. It is used by one goroutine.
type Shop struct {
	random *rand.Rand
	people []*person
	orders int
}

// New opens a shop that nobody has visited yet.
func New(seed uint64) *Shop {
	return &Shop{random: rand.New(rand.NewPCG(seed, 0x5745_4952))}
}

// Event is an item and when it happens.
type Event struct {
	At   time.Time
	Item Item
}

// Item is an item of the native format, ready to be marshalled.
type Item map[string]any

// person is somebody who visits the shop.
type person struct {
	anonymous string // id of the browser
	known     string // id once signed up
	first     string
	last      string
	country   country
	device    device
	channel   channel // that first brought them
	created   time.Time
	visits    int
	plan      string
}

// Visitors per day that a new shop has; it grows by growth a day.
const (
	visitorsPerDay = 160
	growth         = 1.012
)

// Day plays all visits that begin on the day of start, which is midnight in
// UTC, the age'th day of the shop. The events are in order of time.
func (s *Shop) Day(start time.Time, age int) []Event {
	var events []Event
	expected := visitorsPerDay * math.Pow(growth, float64(age)) * weekly[start.Weekday()]
	visits := int(expected * (0.93 + 0.14*s.random.Float64()))
	for range visits {
		hour := pick(s.random, hours)
		at := start.Add(time.Duration(hour)*time.Hour + time.Duration(s.random.Int64N(int64(time.Hour))))
		events = append(events, s.Visit(at, 1)...)
	}
	slices.SortStableFunc(events, func(a, b Event) int { return a.At.Compare(b.At) })
	return events
}

// Visit plays one visit that begins at a time, speed times as fast as people
// are.
func (s *Shop) Visit(at time.Time, speed float64) []Event {
	p := s.visitor(at)
	p.visits++
	v := &visit{shop: s, person: p, random: s.random, at: at, session: s.id(), speed: speed, began: at, channel: p.channel}
	if p.visits > 1 { // most come back by themselves
		v.channel = pick(s.random, returning)
	}
	v.play()
	return v.events
}

// visitor is somebody new, or with a chance that grows with the shop somebody
// who was here before; those who know the shop best come most.
func (s *Shop) visitor(at time.Time) *person {
	if len(s.people) > 50 && s.random.Float64() < 0.38 {
		best := s.people[s.random.IntN(len(s.people))]
		if other := s.people[s.random.IntN(len(s.people))]; other.visits > best.visits {
			best = other
		}
		return best
	}
	p := &person{
		anonymous: s.id(), country: pick(s.random, countries), device: pick(s.random, devices), channel: pick(s.random, channels),
		created: at, first: pick(s.random, firstNames), last: pick(s.random, lastNames),
	}
	s.people = append(s.people, p)
	return p
}

// id is a random UUID of version 4, drawn from the shop's own randomness.
func (s *Shop) id() string {
	a, b := s.random.Uint64(), s.random.Uint64()
	a = a&^0xf000 | 0x4000
	b = b&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&(1<<48-1))
}

// weighted is a choice and how likely it is, relative to the others.
type weighted[T any] struct {
	weight float64
	value  T
}

func pick[T any](r *rand.Rand, choices []weighted[T]) T {
	var sum float64
	for _, c := range choices {
		sum += c.weight
	}
	x := r.Float64() * sum
	for _, c := range choices {
		if x -= c.weight; x < 0 {
			return c.value
		}
	}
	return choices[len(choices)-1].value
}

// byPopularity gives the first of a list the greatest weight.
func byPopularity[T any](values ...T) []weighted[T] {
	out := make([]weighted[T], len(values))
	for i, v := range values {
		out[i] = weighted[T]{1 / float64(i+2), v}
	}
	return out
}
