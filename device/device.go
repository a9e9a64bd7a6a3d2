// Package device reads what a user agent says of the browser, the system and
// the kind of device. It uses the rules of github.com/mileusna/useragent.
package device

import (
	"sync"

	"github.com/mileusna/useragent"

	"github.com/weirhq/weir"
)

// remembered bounds the cache: a site meets a few thousand user agents.
const remembered = 8192

// longest bounds what is looked at, in bytes: real user agents have a few
// hundred.
const longest = 1024

// Reader reads user agents and remembers them. It may be used concurrently. The
// zero Reader is ready.
type Reader struct {
	mu    sync.RWMutex
	known map[string][]weir.Property
}

// Read lists $browser, $browser_version, $os, $os_version and $device_type
// (desktop, mobile, tablet or bot), as far as they are known. The list is
// shared and must not be changed.
func (r *Reader) Read(agent string) []weir.Property {
	if agent == "" {
		return nil
	}
	if len(agent) > longest {
		agent = agent[:longest]
	}
	r.mu.RLock()
	found, ok := r.known[agent]
	r.mu.RUnlock()
	if ok {
		return found
	}
	found = read(agent)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || len(r.known) >= remembered {
		r.known = map[string][]weir.Property{}
	}
	r.known[agent] = found
	return found
}

func read(agent string) []weir.Property {
	ua := useragent.Parse(agent)
	kind := ""
	switch {
	case ua.Bot:
		kind = "bot"
	case ua.Tablet:
		kind = "tablet"
	case ua.Mobile:
		kind = "mobile"
	case ua.Desktop:
		kind = "desktop"
	}
	var out []weir.Property
	for _, p := range []struct{ name, value string }{
		{"$browser", ua.Name}, {"$browser_version", ua.Version}, {"$device_type", kind}, {"$os", ua.OS}, {"$os_version", ua.OSVersion},
	} {
		if p.value != "" {
			out = append(out, weir.Property{Name: p.name, Value: weir.Text(p.value)})
		}
	}
	return out
}
