package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"time"

	"github.com/weirhq/weir/demo"
)

// The mix that the whole pipeline is measured with.
const (
	known      = 0.30 // of the anonymous people become known
	duplicates = 0.05 // of the items come twice
	late       = 0.05 // of the items come a while after the others of their visit
	mixItems   = 20_000
)

// marker begins what makes an id another one each time the mix is played: people,
// sessions and items are new then.
const (
	marker     = '~'
	markerSize = 7 // hexadecimal digits
)

// mix is a stretch of the demo shop's history as requests, in the order in which
// they are sent.
type mix struct {
	requests [][]byte
	events   []int // of each request, those that questions count, duplicates left out
}

// newMix plays the shop until there are enough items.
func newMix(l load) (*mix, error) {
	shop, random := demo.New(uint64(l.Run)), rand.New(rand.NewPCG(uint64(l.Run), 30))
	day := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -20)
	var items []demo.Item
	for age := 0; len(items) < mixItems; age++ {
		for _, e := range shop.Day(day.AddDate(0, 0, age%20), age) {
			items = append(items, e.Item)
		}
	}
	items = disorder(random, signUps(random, items))
	m := &mix{}
	seen := map[string]bool{}
	for len(items) >= l.Batch {
		body, err := json.Marshal(demo.Item{"items": items[:l.Batch], "context": demo.Item{}})
		if err != nil {
			return nil, err
		}
		events := 0
		for _, i := range items[:l.Batch] {
			if id := eventOf(i); id != "" && !seen[id] {
				seen[id], events = true, events+1
			}
		}
		body = ids.ReplaceAll(body, fmt.Appendf(nil, `"${1}":"${2}%c0000000"`, marker))
		m.requests = append(m.requests, fmt.Appendf(nil, "POST /v1/items?lane=%s HTTP/1.1\r\nHost: weir\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", l.Lane, l.Key, len(body), body))
		m.events = append(m.events, events)
		items = items[l.Batch:]
	}
	return m, nil
}

// ids are those that must be others each time; devices and products stay.
var ids = regexp.MustCompile(`"(external_id|from_user_external_id|to_user_external_id)":"([^"]*)"`)

// eventOf names an item that questions count, or is "".
func eventOf(i demo.Item) string {
	switch kind := i["kind"].(string); kind {
	case "pageview", "custom_event", "order":
		return kind + ":" + i[kind].(demo.Item)["external_id"].(string)
	}
	return ""
}

// signUps makes more of the people known, each after the last item of theirs, until
// there are enough.
func signUps(random *rand.Rand, items []demo.Item) []demo.Item {
	last, named := map[string]int{}, map[string]bool{}
	for n, i := range items {
		if alias, ok := i["user_alias"].(demo.Item); ok {
			named[alias["from_user_external_id"].(string)] = true
		} else if user, ok := i["user"].(demo.Item); ok && user["is_authenticated"] == false {
			last[user["external_id"].(string)] = n
		}
	}
	more := (known*float64(len(last)) - float64(len(named))) / float64(len(last)-len(named))
	var out []demo.Item
	for n, i := range items {
		out = append(out, i)
		user, _ := i["user"].(demo.Item)
		id, _ := user["external_id"].(string)
		if last[id] != n || named[id] || id == "" || random.Float64() >= more {
			continue
		}
		kind := i["kind"].(string)
		at := i[kind].(demo.Item)["created_at"]
		out = append(out, demo.Item{"kind": "user_alias", "user_alias": demo.Item{
			"from_user_external_id": id, "to_user_external_id": "user-" + id, "to_user_is_authenticated": true, "to_user_created_at": at, "created_at": at,
		}})
	}
	return out
}

// disorder sends some items again, and others late.
func disorder(random *rand.Rand, items []demo.Item) []demo.Item {
	const delay = 2000 // items
	waiting := make([][]demo.Item, len(items)+delay+1)
	var out []demo.Item
	for n := range waiting {
		if n < len(items) {
			switch r := random.Float64(); {
			case r < late:
				at := n + 1 + random.IntN(delay)
				waiting[at] = append(waiting[at], items[n])
			case r < late+duplicates:
				at := n + 1 + random.IntN(delay)
				waiting[at] = append(waiting[at], items[n])
				out = append(out, items[n])
			default:
				out = append(out, items[n])
			}
		}
		out = append(out, waiting[n]...)
	}
	return out
}

// play makes a request of the mix for the n-th time that a client plays it.
func (m *mix) play(into []byte, request int, run, client, n int) []byte {
	into = append(into[:0], m.requests[request]...)
	number := uint64(run&0xfff)<<16 | uint64(client&0x3f)<<10 | uint64(n&0x3ff)
	for rest := into; ; {
		i := bytes.IndexByte(rest, marker)
		if i < 0 {
			return into
		}
		rest = rest[i+1:]
		for digit, v := markerSize-1, number; digit >= 0; digit, v = digit-1, v>>4 {
			rest[digit] = hexDigits[v&15]
		}
	}
}
