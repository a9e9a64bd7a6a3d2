package identity

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
)

type use struct {
	part  weir.Part
	stamp weir.Stamp
	at    weir.Micros
}

func devicesOf(uses []use) []weir.Device {
	i := &weir.Identity{}
	for _, u := range uses {
		Use(i, &u.part, u.stamp, u.at)
	}
	return i.Devices
}

func TestDevicesDoNotDependOnOrderOrNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		uses := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) use {
			return use{
				part: weir.Part{
					ID: fmt.Sprint("d", rapid.IntRange(0, 3).Draw(t, "device")), CreatedAt: weir.Micros(rapid.IntRange(0, 3).Draw(t, "created")),
					Fields: []weir.Property{{Name: "language", Value: weir.Text(rapid.SampledFrom([]string{"fr", "en"}).Draw(t, "language"))}},
				},
				stamp: weir.Stamp{At: weir.Micros(rapid.IntRange(1, 3).Draw(t, "version")), Item: "i"},
				at:    weir.Micros(rapid.IntRange(1, 9).Draw(t, "at")),
			}
		}), 1, 20).Draw(t, "uses")
		want := devicesOf(uses)
		again := append(append([]use{}, uses...), uses...)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		r.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		if got := devicesOf(again); !reflect.DeepEqual(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func TestFirstSeenDevicesAreKept(t *testing.T) {
	var uses []use
	for n := range MaxDevices + 50 {
		uses = append(uses, use{part: weir.Part{ID: fmt.Sprintf("d%03d", n)}, at: weir.Micros(1000 + n)})
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(uses), func(i, j int) { uses[i], uses[j] = uses[j], uses[i] })
	got := devicesOf(uses)
	if len(got) != MaxDevices || got[0].ID != "d000" || got[MaxDevices-1].ID != fmt.Sprintf("d%03d", MaxDevices-1) {
		t.Errorf("%d devices from %s to %s", len(got), got[0].ID, got[len(got)-1].ID)
	}
}

func TestDevicesOfAPersonAreJoined(t *testing.T) {
	a, b := &weir.Identity{ID: "a"}, &weir.Identity{ID: "b"}
	said := func(language string) *weir.Part {
		return &weir.Part{ID: "phone", Fields: []weir.Property{{Name: "language", Value: weir.Text(language)}}}
	}
	Use(a, said("fr"), weir.Stamp{At: 1}, 5)
	Use(b, said("en"), weir.Stamp{At: 2}, 3)
	got := Devices([]*weir.Identity{a, b})
	if v, _ := got[0].Fields.Get("language"); len(got) != 1 || v.Str != "en" || got[0].FirstSeen != 3 {
		t.Errorf("%+v", got)
	}
	if v, _ := a.Devices[0].Fields.Get("language"); v.Str != "fr" {
		t.Error("joining changed an identity")
	}
}
