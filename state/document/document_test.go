package document

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

func sampleIdentity() *weir.Identity {
	i := &weir.Identity{ID: "a", Authenticated: true, Attends: true, CreatedAt: 1, FirstSeen: -2, LastSeen: 1_700_000_000_000_000,
		Edges:     []weir.Edge{{From: "a", To: "b", At: 5, Item: "x", Rule: weir.RuleAlias}},
		Incoming:  []weir.Edge{{From: "", To: "a", Rule: "r"}},
		Retracted: []string{"id"},
		Devices:   []weir.Device{{ID: "d", CreatedAt: 1, FirstSeen: 2}},
	}
	i.Devices[0].Fields.Set(weir.Stamp{At: 3, Item: "i"}, weir.Property{Name: "os", Value: weir.Text("iOS")})
	i.Traits.Set(weir.Stamp{At: 3, Item: "i"}, weir.Property{Name: "age", Value: weir.Num(1)}, weir.Property{Name: "plan", Value: weir.Text("pro")},
		weir.Property{Name: "tags", Value: weir.Raw("[]")}, weir.Property{Name: "vip", Value: weir.Boolean(true)}, weir.Property{Name: "was"})
	return i
}

func sampleSession() *weir.Session {
	s := &weir.Session{Origin: weir.Derived, User: "u", Device: "d", StartedAt: 1, EndedAt: 3, Points: []weir.Point{
		{Item: 0x0102030405060708, At: 3, Lead: 2, Flags: weir.PointPageview | weir.PointEvent, Source: []weir.Property{{Name: "s", Value: weir.Text("n")}}},
		{Item: 0xff, At: 1},
	}}
	s.Fields.Set(weir.Stamp{At: 4, Item: "j"}, weir.Property{Name: "utm_source", Value: weir.Text("news")})
	return s
}

func sampleConversion() *weir.Conversion {
	return &weir.Conversion{Goal: "order", User: "u", At: 10, Value: 100, Currency: "EUR", Amount: -1, Cancelled: true,
		Fields:  []weir.Property{{Name: "n", Value: weir.Boolean(true)}},
		Touches: []weir.Touch{{Session: 300, At: 9, Channel: "c", Role: weir.Closer, Credits: []int64{100, 0}}},
	}
}

// document is one of the forms, for tests that treat them alike.
type document struct {
	name   string
	sample func() any
	write  func(any) []byte
	read   func([]byte) (any, error)
}

func documents() []document {
	return []document{
		{
			"identity", func() any { return sampleIdentity() },
			func(v any) []byte { doc, _ := AppendIdentity(nil, v.(*weir.Identity)); return doc },
			func(b []byte) (any, error) { i := &weir.Identity{ID: "a"}; return i, ReadIdentity(b, i) },
		}, {
			"session", func() any { return sampleSession() },
			func(v any) []byte { doc, _ := AppendSession(nil, v.(*weir.Session)); return doc },
			func(b []byte) (any, error) { s := &weir.Session{}; return s, ReadSession(b, s) },
		}, {
			"conversion", func() any { return sampleConversion() },
			func(v any) []byte { return AppendConversion(nil, v.(*weir.Conversion)) },
			func(b []byte) (any, error) { c := &weir.Conversion{}; return c, ReadConversion(b, c) },
		}, {
			"entry", func() any {
				return &state.Entry{Position: 1, Version: 2, Hash: 3, At: 1, Doc: []byte("doc")}
			},
			func(v any) []byte { return AppendEntry(nil, v.(*state.Entry)) },
			func(b []byte) (any, error) { e, err := ReadEntry(b); return &e, err },
		},
	}
}

// Documents that are on disks must stay readable: docs/format/state.md.
func TestDocumentsOnDisk(t *testing.T) {
	want := map[string]string{
		"identity": "02" + "09" + "02" + "03" + "8080f28183898506" + // form, flags, three times
			"01" + "00" + "0262" + "0a" + "0178" + "0a757365725f616c696173" + // one edge
			"01" + "01" + "00" + "00" + "00" + "0172" + // one that comes in
			"01" + "026964" + // one that was retracted
			"01" + "0164" + "02" + "04" + "0f" + "0101060169" + "01" + "026f73" + "01" + "03694f53" + "00" + // one device, with a field
			"01" + "01" + "06" + "0169" + "05" + // fields: form, one stamp, five fields
			"03616765" + "02" + "000000000000f03f" + "00" + "04706c616e" + "01" + "0370726f" + "00" +
			"0474616773" + "04" + "025b5d" + "00" + "03766970" + "03" + "01" + "00" + "03776173" + "00" + "00",
		"session": "02" + "01" + "0175" + "0164" + "02" + "04" + // form, origin, user, device, start, length
			"02" + "0807060504030201" + "17" + "04" + "04" + "01" + "0173" + "01" + "016e" + // a point with all it can have
			"ff00000000000000" + "00" + "00" + // one with nothing
			"01" + "01" + "08" + "016a" + "01" + "0a75746d5f736f75726365" + "01" + "046e657773" + "00",
		"conversion": "02" + "02" + "056f72646572" + "0175" + "14" + "03455552" + "c801" + "01" + // form, flags, goal, user, time, currency, value, amount
			"01" + "016e" + "03" + "01" + // one field
			"01" + "ac02" + "01" + "0163" + "03" + "02" + "c801" + "00", // one touch with two credits
		"entry": "0100000000000000" + "0200000000000000" + "0300000000000000" + "01" + "646f63",
	}
	for _, d := range documents() {
		if got := hex.EncodeToString(d.write(d.sample())); got != want[d.name] {
			t.Errorf("%s is written as %s", d.name, got)
		}
		doc, err := hex.DecodeString(want[d.name])
		if err != nil {
			t.Fatal(err)
		}
		if got, err := d.read(doc); err != nil || !reflect.DeepEqual(got, d.sample()) {
			t.Errorf("read %+v, %v", got, err)
		}
		whole := len(doc)
		if d.name == "entry" {
			whole -= 3 // the rest is the item's
		} else if _, err := d.read(append(doc, 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s with a byte too many: %v", d.name, err)
		}
		for n := range whole {
			if _, err := d.read(doc[:n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("the first %d of %d bytes of a %s: %v", n, len(doc), d.name, err)
			}
		}
	}
}

// What a number does not fit into is damage, and not another number.
func TestDocumentsOutOfRange(t *testing.T) {
	session, conversion := sampleSession(), sampleConversion()
	session.Points = []weir.Point{{Item: 0xff}}
	point, _ := AppendSession(nil, session)
	at := bytes.IndexByte(point, 0xff) + 8
	for name, c := range map[string]struct {
		doc  []byte
		read func([]byte) error
	}{
		"flags of a point": {
			bytes.Join([][]byte{point[:at], {0x80, 0x08}, point[at+1:]}, nil),
			func(b []byte) error { return ReadSession(b, &weir.Session{}) },
		},
		"number of a session": {
			bytes.Replace(AppendConversion(nil, conversion), []byte{0xac, 0x02}, []byte{0x80, 0x80, 0x80, 0x80, 0x10}, 1),
			func(b []byte) error { return ReadConversion(b, &weir.Conversion{}) },
		},
		"count": {
			bytes.Replace(AppendConversion(nil, conversion), []byte{0x01, 0xac}, []byte{0xff, 0xff, 0xff, 0xff, 0x7f, 0xac}, 1),
			func(b []byte) error { return ReadConversion(b, &weir.Conversion{}) },
		},
	} {
		if err := c.read(c.doc); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func drawMicros() *rapid.Generator[weir.Micros] {
	return rapid.Map(rapid.OneOf(rapid.Int64(), rapid.Just(int64(math.MinInt64)), rapid.Just(int64(math.MaxInt64)), rapid.Int64Range(-5, 5)),
		func(n int64) weir.Micros { return weir.Micros(n) })
}

func drawProperty() *rapid.Generator[weir.Property] {
	value := rapid.OneOf(
		rapid.Just(weir.Value{}),
		rapid.Map(rapid.String(), weir.Text),
		rapid.Map(rapid.Float64(), weir.Num),
		rapid.Map(rapid.Bool(), weir.Boolean),
		rapid.Map(rapid.SampledFrom([]string{`[]`, `{"a":1}`}), weir.Raw),
	)
	return rapid.Custom(func(t *rapid.T) weir.Property {
		return weir.Property{Name: rapid.String().Draw(t, "name"), Value: value.Draw(t, "value")}
	})
}

// list draws up to n elements; none is nil, as documents have it.
func list[T any](t *rapid.T, element *rapid.Generator[T], n int, what string) []T {
	out := rapid.SliceOfN(element, 0, n).Draw(t, what)
	if len(out) == 0 {
		return nil
	}
	return out
}

func drawFields(t *rapid.T) (f weir.Fields) {
	for range rapid.IntRange(0, 4).Draw(t, "writers") {
		f.Set(weir.Stamp{At: drawMicros().Draw(t, "at"), Item: rapid.String().Draw(t, "item")}, list(t, drawProperty(), 5, "properties")...)
	}
	return f
}

// TestDocumentsRoundTrip writes anything and reads it back.
func TestDocumentsRoundTrip(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.Just("a")) // the document's own id
	edge := rapid.Custom(func(t *rapid.T) weir.Edge {
		return weir.Edge{From: text.Draw(t, "from"), To: text.Draw(t, "to"), At: drawMicros().Draw(t, "at"), Item: text.Draw(t, "item"), Rule: weir.EdgeRule(text.Draw(t, "rule"))}
	})
	point := rapid.Custom(func(t *rapid.T) weir.Point {
		return weir.Point{Item: rapid.Uint64().Draw(t, "item"), At: drawMicros().Draw(t, "at"), Lead: drawMicros().Draw(t, "lead"),
			Flags: weir.PointFlags(rapid.Byte().Draw(t, "flags")), Source: list(t, drawProperty(), 3, "source")}
	})
	touch := rapid.Custom(func(t *rapid.T) weir.Touch {
		return weir.Touch{Session: rapid.Uint32().Draw(t, "session"), At: drawMicros().Draw(t, "at"), Channel: text.Draw(t, "channel"),
			Role: weir.Role(rapid.Byte().Draw(t, "role")), Credits: list(t, rapid.Int64(), 9, "credits")}
	})
	draw := map[string]func(*rapid.T) any{
		"identity": func(t *rapid.T) any {
			return &weir.Identity{ID: "a", Authenticated: rapid.Bool().Draw(t, "authenticated"), Key: rapid.Bool().Draw(t, "key"),
				Converts: rapid.Bool().Draw(t, "converts"), Attends: rapid.Bool().Draw(t, "attends"),
				CreatedAt: drawMicros().Draw(t, "created"), FirstSeen: drawMicros().Draw(t, "first"), LastSeen: drawMicros().Draw(t, "last"),
				Traits: drawFields(t), Edges: list(t, edge, 3, "edges"), Incoming: list(t, edge, 3, "incoming"), Retracted: list(t, text, 3, "retracted")}
		},
		"session": func(t *rapid.T) any {
			return &weir.Session{Origin: weir.Origin(rapid.Byte().Draw(t, "origin")), User: text.Draw(t, "user"), Device: text.Draw(t, "device"),
				StartedAt: drawMicros().Draw(t, "started"), EndedAt: drawMicros().Draw(t, "ended"), Fields: drawFields(t), Points: list(t, point, 5, "points")}
		},
		"conversion": func(t *rapid.T) any {
			return &weir.Conversion{Goal: text.Draw(t, "goal"), User: text.Draw(t, "user"), At: drawMicros().Draw(t, "at"), Value: rapid.Int64().Draw(t, "value"),
				Currency: text.Draw(t, "currency"), Amount: rapid.Int64().Draw(t, "amount"), Unpriced: rapid.Bool().Draw(t, "unpriced"),
				Cancelled: rapid.Bool().Draw(t, "cancelled"), Fields: list(t, drawProperty(), 4, "fields"), Touches: list(t, touch, 4, "touches")}
		},
		"entry": func(t *rapid.T) any {
			return &state.Entry{Position: weir.Position(drawMicros().Draw(t, "position")), Version: drawMicros().Draw(t, "version"),
				Hash: rapid.Uint64().Draw(t, "hash"), At: drawMicros().Draw(t, "at"), Doc: list(t, rapid.Byte(), 9, "doc")}
		},
	}
	for _, d := range documents() {
		t.Run(d.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				want := draw[d.name](t)
				got, err := d.read(d.write(want))
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("wrote %+v, read %+v, %v", want, got, err)
				}
			})
		})
	}
}

// FuzzDocuments: no bytes make a reader panic or take much memory, and what it
// takes for a document stays the same when it is written and read.
func FuzzDocuments(f *testing.F) {
	for _, d := range documents() {
		f.Add(d.write(d.sample()))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, d := range documents() {
			read, err := d.read(doc)
			if err != nil {
				if !errors.Is(err, ErrMalformed) {
					t.Fatalf("%s: the error does not say that the document is damaged: %v", d.name, err)
				}
				continue
			}
			first := d.write(read)
			again, err := d.read(first)
			if err != nil {
				t.Fatalf("%s: %v", d.name, err)
			}
			if second := d.write(again); !bytes.Equal(first, second) || fmt.Sprint(again) != fmt.Sprint(read) {
				t.Fatalf("a %s changes when it is read and written", d.name)
			}
		}
	})
}
