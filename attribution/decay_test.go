package attribution

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
)

// The table of roots, computed anew by square roots of 2^-1.
func TestRoots(t *testing.T) {
	x := new(big.Float).SetPrec(200).SetFloat64(0.5)
	for i, got := range roots() {
		x.Sqrt(x)
		scaled := new(big.Float).SetMantExp(x, 64)
		want, _ := scaled.Add(scaled, big.NewFloat(0.5)).Uint64()
		if got != want && got+1 != want && got-1 != want {
			t.Errorf("2^-(1/2^%d) is %#x; want %#x", i+1, got, want)
		}
	}
}

func TestDecayed(t *testing.T) {
	const one = 1 << 40
	for _, c := range []struct {
		age, halfLife weir.Micros
		want          uint64
	}{
		{0, 7 * day, one},
		{7 * day, 7 * day, one / 2},
		{14 * day, 7 * day, one / 4},
		{280 * day, 7 * day, 1},
		{287 * day, 7 * day, 1}, // half of a unit, rounded up
		{288 * day, 7 * day, 0},
		{math.MaxInt64, 7 * day, 0},
		{math.MaxInt64, 1, 0},
		{1, math.MaxInt64, one},
		{math.MaxInt64 - 1, math.MaxInt64, one / 2},
		{1, 2, 777472127994}, // 2^39.5
	} {
		if got := decayed(c.age, c.halfLife); got != c.want {
			t.Errorf("age %d of half-life %d: %d; want %d", c.age, c.halfLife, got, c.want)
		}
	}
}

func TestPropertyDecayed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		halfLife := weir.Micros(rapid.Int64Range(1, int64(365*day)).Draw(t, "half-life"))
		age := weir.Micros(rapid.Int64Range(0, 40*int64(halfLife)).Draw(t, "age"))
		got := float64(decayed(age, halfLife))
		want := math.Exp2(40 - float64(age)/float64(halfLife))
		// The exponent is cut to 40 binary digits, and the weight rounded to a unit.
		if math.Abs(got-want) > math.Ln2+0.5+1e-3 {
			t.Fatalf("%f; want %f", got, want)
		}
		if decayed(age+1, halfLife) > decayed(age, halfLife) {
			t.Fatal("an older touch weighs more")
		}
	})
}

// A field that is added needs a slot.
func TestSlots(t *testing.T) {
	if n := len(Fields()); n != slots {
		t.Errorf("%d fields, %d slots", n, slots)
	}
}
