package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/demo"
)

// load is what a load process is told on its command line.
type load struct {
	Addr    string        // host:port of the server
	Key     string        // secret key
	Batch   int           // items in a request
	Clients int           // connections, each with one request at a time
	Rate    int           // items a second over all; 0: as many as go
	Items   int           // stop after so many; 0: by time
	Time    time.Duration // stop after this
	Run     int           // makes the ids of this load its own
	Mix     bool          // people who come, come back, become known and buy, instead of single items
	Lane    string
}

// result is what a load process prints, as JSON.
type result struct {
	Accepted  int
	Events    int // of a mix: what questions count of it
	Requests  int
	Refused   int // answered 503, and sent again
	Seconds   float64
	P50, P99  time.Duration
	FirstSent time.Time
}

// start runs a load in a process of its own and waits for its result.
func (l load) start(ctx context.Context) (result, error) {
	self, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	command := exec.CommandContext(ctx, self, "load", "-addr", l.Addr, "-key", l.Key, "-batch", strconv.Itoa(l.Batch),
		"-clients", strconv.Itoa(l.Clients), "-rate", strconv.Itoa(l.Rate), "-items", strconv.Itoa(l.Items), "-time", l.Time.String(), "-run", strconv.Itoa(l.Run), "-mix="+strconv.FormatBool(l.Mix), "-lane", l.Lane)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return result{}, fmt.Errorf("run load: %w", err)
	}
	var r result
	return r, json.Unmarshal(out, &r)
}

func loadProcess(ctx context.Context, args []string, out io.Writer) error {
	var l load
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.StringVar(&l.Addr, "addr", "", "")
	flags.StringVar(&l.Key, "key", "", "")
	flags.IntVar(&l.Batch, "batch", 1, "")
	flags.IntVar(&l.Clients, "clients", 1, "")
	flags.IntVar(&l.Rate, "rate", 0, "")
	flags.IntVar(&l.Items, "items", 0, "")
	flags.DurationVar(&l.Time, "time", time.Minute, "")
	flags.IntVar(&l.Run, "run", 0, "")
	flags.BoolVar(&l.Mix, "mix", false, "")
	flags.StringVar(&l.Lane, "lane", "", "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r, err := l.generate(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}

// generate sends until the load is done.
func (l load) generate(ctx context.Context) (result, error) {
	var templates [][]byte
	var played *mix
	var err error
	if l.Mix {
		played, err = newMix(l)
	} else {
		templates, err = requestTemplates(l)
	}
	if err != nil {
		return result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, l.Time)
	defer cancel()
	var taken, accepted, events, requests, refused atomic.Int64
	start := time.Now()
	perClient := make([][]time.Duration, l.Clients)
	failures := make(chan error, l.Clients)
	var wait sync.WaitGroup
	for n := range l.Clients {
		wait.Go(func() {
			c := client{load: l, templates: templates, mix: played, number: n}
			defer c.close()
			for ctx.Err() == nil {
				if l.Items > 0 && taken.Add(int64(l.Batch)) > int64(l.Items) {
					return
				}
				due := time.Now()
				if l.Rate > 0 { // an open loop: lateness counts as latency
					due = start.Add(time.Duration(float64(requests.Add(1)*int64(l.Batch)) / float64(l.Rate) * float64(time.Second)))
					time.Sleep(time.Until(due))
				} else {
					requests.Add(1)
				}
				counted, again, err := c.send()
				if err != nil {
					failures <- err
					return
				}
				events.Add(int64(counted))
				refused.Add(int64(again))
				accepted.Add(int64(l.Batch))
				perClient[n] = append(perClient[n], time.Since(due))
			}
		})
	}
	wait.Wait()
	r := result{Accepted: int(accepted.Load()), Events: int(events.Load()), Requests: int(requests.Load()), Refused: int(refused.Load()), Seconds: time.Since(start).Seconds(), FirstSent: start}
	select {
	case err := <-failures:
		return r, err
	default:
	}
	var all []time.Duration
	for _, d := range perClient {
		all = append(all, d...)
	}
	r.P50, r.P99 = quantile(all, 0.5), quantile(all, 0.99)
	return r, nil
}

// placeholder stands for the unique part of an id in a template.
const placeholder = "00000000-0000-4000-8000-"

const hexDigits = "0123456789abcdef"

// requestTemplates are whole HTTP requests made of what the demo shop's
// visitors do, with ids that are patched in place.
func requestTemplates(l load) ([][]byte, error) {
	shop := demo.New(uint64(l.Run))
	day := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -1)
	var items []demo.Item
	for age := 0; len(items) < max(4000, 20*l.Batch); age++ {
		for _, e := range shop.Day(day, age) {
			kind := e.Item["kind"].(string)
			payload, ok := e.Item[kind].(demo.Item)
			if !ok || kind == "user" || kind == "user_alias" {
				continue
			}
			payload["external_id"] = placeholder + "000000000000"
			items = append(items, e.Item)
		}
	}
	var requests [][]byte
	for i := 0; i+l.Batch <= len(items); i += l.Batch {
		body, err := json.Marshal(demo.Item{"items": items[i : i+l.Batch], "context": demo.Item{}})
		if err != nil {
			return nil, err
		}
		requests = append(requests, fmt.Appendf(nil, "POST /v1/items?lane=%s HTTP/1.1\r\nHost: weir\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s", l.Lane, l.Key, len(body), body))
	}
	return requests, nil
}

// client is one connection that speaks just enough HTTP to be quick.
type client struct {
	load
	templates [][]byte
	mix       *mix
	number    int
	sent      int
	conn      net.Conn
	reader    *bufio.Reader
	request   []byte
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
	}
}

// send posts one request until it is accepted, and says how many events of a mix it
// had and how often it was refused.
func (c *client) send() (events, refused int, err error) {
	if c.mix != nil {
		n := len(c.mix.requests)
		c.request = c.mix.play(c.request, c.sent%n, c.Run, c.number, c.sent/n)
		events = c.mix.events[c.sent%n]
		c.sent++
	} else {
		c.fill()
	}
	for {
		status, err := c.post()
		switch {
		case err != nil:
			return events, refused, err
		case status == 200:
			return events, refused, nil
		case status != 503:
			return events, refused, fmt.Errorf("the server answered %d", status)
		}
		refused++
		time.Sleep(20 * time.Millisecond)
	}
}

// fill makes the next request of a template, with new ids.
func (c *client) fill() {
	c.request = append(c.request[:0], c.templates[(c.number*7919+c.sent)%len(c.templates)]...)
	for rest := c.request; ; {
		i := bytes.Index(rest, []byte(placeholder))
		if i < 0 {
			return
		}
		rest = rest[i+len(placeholder):]
		c.sent++
		id := uint64(c.Run)<<40 | uint64(c.number)<<28 | uint64(c.sent)
		for n := 11; n >= 0; n-- {
			rest[n] = hexDigits[id&15]
			id >>= 4
		}
	}
}

func (c *client) post() (status int, err error) {
	if c.conn == nil {
		if c.conn, err = net.Dial("tcp", c.Addr); err != nil {
			return 0, err
		}
		c.reader = bufio.NewReader(c.conn)
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return 0, err
	}
	length := -1
	for first := true; ; first = false {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return 0, fmt.Errorf("read answer: %w", err)
		}
		switch line = bytes.TrimRight(line, "\r\n"); {
		case first:
			if len(line) < 12 {
				return 0, errors.New("read answer: no status line")
			}
			status, _ = strconv.Atoi(string(line[9:12]))
		case len(line) == 0:
			if length < 0 {
				return 0, errors.New("read answer: no Content-Length")
			}
			_, err := c.reader.Discard(length)
			return status, err
		case len(line) > 16 && bytes.EqualFold(line[:15], []byte("Content-Length:")):
			length, _ = strconv.Atoi(string(bytes.TrimSpace(line[15:])))
		}
	}
}
