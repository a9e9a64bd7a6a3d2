package attribution_test

import (
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
)

var noon = weir.MicrosOf(time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC))

const (
	second = weir.Micros(1e6)
	day    = 24 * 3600 * second
)

// weekly are times of n touches, each 7 days after the one before, the last at noon.
func weekly(n int) []weir.Micros {
	times := make([]weir.Micros, n)
	for i := range times {
		times[i] = noon - weir.Micros(n-1-i)*7*day
	}
	return times
}

// shares are the credits of a conversion of a million cents, so that 10,000 are a
// percent. Its touches are a week apart and none is direct.
func shares(model attribution.Model, n int) []int64 {
	return attribution.Credits(1_000_000, weekly(n), make([]bool, n), noon, model, 0)
}

// All weights of SEMANTICS §5.
func TestWeights(t *testing.T) {
	const m = 1_000_000
	for _, c := range []struct {
		model attribution.Model
		want  [][]int64 // of 1, 2, 3 and 6 touches
	}{
		{attribution.First, [][]int64{{m}, {m, 0}, {m, 0, 0}, {m, 0, 0, 0, 0, 0}}},
		{attribution.Last, [][]int64{{m}, {0, m}, {0, 0, m}, {0, 0, 0, 0, 0, m}}},
		{attribution.LastNonDirect, [][]int64{{m}, {0, m}, {0, 0, m}, {0, 0, 0, 0, 0, m}}},
		{attribution.Linear, [][]int64{
			{m}, {500_000, 500_000},
			{333_334, 333_333, 333_333},
			{166_667, 166_667, 166_667, 166_667, 166_666, 166_666},
		}},
		// Half-lives of a week: 1, 1/2, 1/4, … of 3/2, 7/4 and 63/32.
		{attribution.TimeDecay, [][]int64{
			{m}, {333_333, 666_667},
			{142_857, 285_714, 571_429},
			{15_873, 31_746, 63_492, 126_984, 253_968, 507_937},
		}},
		{attribution.Position, [][]int64{
			{m}, {500_000, 500_000},
			{400_000, 200_000, 400_000},
			{400_000, 50_000, 50_000, 50_000, 50_000, 400_000},
		}},
		{attribution.J, [][]int64{
			{m}, {250_000, 750_000},
			{200_000, 200_000, 600_000},
			{200_000, 50_000, 50_000, 50_000, 50_000, 600_000},
		}},
		{attribution.InverseJ, [][]int64{
			{m}, {750_000, 250_000},
			{600_000, 200_000, 200_000},
			{600_000, 50_000, 50_000, 50_000, 50_000, 200_000},
		}},
		{attribution.Participation, [][]int64{{m}, {m, m}, {m, m, m}, {m, m, m, m, m, m}}},
	} {
		for i, n := range []int{1, 2, 3, 6} {
			if got := shares(c.model, n); !slices.Equal(got, c.want[i]) {
				t.Errorf("%s of %d touches: %v; want %v", c.model, n, got, c.want[i])
			}
		}
	}
	if n := len(attribution.Models()); n != 9 {
		t.Errorf("%d models: the table above holds 9", n)
	}
}

func TestExample6TouchesOf100(t *testing.T) {
	for model, want := range map[attribution.Model][]int64{
		attribution.Position: {4000, 500, 500, 500, 500, 4000},
		attribution.J:        {2000, 500, 500, 500, 500, 6000},
	} {
		if got := attribution.Credits(10_000, weekly(6), make([]bool, 6), noon, model, 0); !slices.Equal(got, want) {
			t.Errorf("%s: %v; want %v", model, got, want)
		}
	}
}

// The largest remainders get the cents that are left over, the earlier touch first.
func TestLargestRemainder(t *testing.T) {
	for _, c := range []struct {
		value int64
		model attribution.Model
		want  []int64
	}{
		{100, attribution.Linear, []int64{34, 33, 33}},
		{101, attribution.Linear, []int64{34, 34, 33}},
		{2, attribution.Linear, []int64{1, 1, 0}},
		{1, attribution.Position, []int64{1, 0, 0}},
		{4, attribution.Position, []int64{2, 1, 1}},        // 1.6, 0.8, 1.6
		{6, attribution.J, []int64{1, 1, 4}},               // 1.2, 1.2, 3.6
		{3, attribution.InverseJ, []int64{2, 1, 0}},        // 1.8, 0.6, 0.6
		{10, attribution.TimeDecay, []int64{1, 3, 6}},      // 1.43, 2.86, 5.71
		{-100, attribution.Linear, []int64{-34, -33, -33}}, // the mirror image
		{-4, attribution.Position, []int64{-2, -1, -1}},
		{0, attribution.Linear, []int64{0, 0, 0}},
	} {
		if got := attribution.Credits(c.value, weekly(3), make([]bool, 3), noon, c.model, 0); !slices.Equal(got, c.want) {
			t.Errorf("%d by %s: %v; want %v", c.value, c.model, got, c.want)
		}
	}
}

func TestLastNonDirect(t *testing.T) {
	for _, c := range []struct {
		direct []bool
		gets   int
	}{
		{[]bool{false, false, false}, 2},
		{[]bool{false, false, true}, 1},
		{[]bool{false, true, true}, 0},
		{[]bool{true, false, true}, 1},
		{[]bool{true, true, true}, 2},
	} {
		want := make([]int64, 3)
		want[c.gets] = 99
		if got := attribution.Credits(99, weekly(3), c.direct, noon, attribution.LastNonDirect, 0); !slices.Equal(got, want) {
			t.Errorf("%v: %v; want %v", c.direct, got, want)
		}
	}
}

func TestNobodysValue(t *testing.T) {
	if got := attribution.Credits(100, nil, nil, noon, attribution.Linear, 0); got != nil {
		t.Errorf("without touches: %v", got)
	}
	if got := attribution.Credits(100, weekly(1), []bool{false}, noon, "middle", 0); got != nil {
		t.Errorf("of an unknown model: %v", got)
	}
}

// path draws touches before noon, in order.
func drawPath(t *rapid.T) (times []weir.Micros, direct []bool) {
	n := rapid.OneOf(rapid.IntRange(1, 8), rapid.IntRange(1, attribution.MaxTouches)).Draw(t, "touches")
	ages := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, int64(40*day)), rapid.SampledFrom([]int64{0, 1, int64(7 * day)})), n, n).Draw(t, "ages")
	slices.Sort(ages)
	slices.Reverse(ages)
	for _, age := range ages {
		times = append(times, noon-weir.Micros(age))
	}
	return times, rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "direct")
}

func drawValue(t *rapid.T) int64 {
	return rapid.OneOf(rapid.Int64Range(-100, 100), rapid.Int64Range(-1e9, 1e9), rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64})).Draw(t, "value")
}

func TestPropertyCreditsSumExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times, direct := drawPath(t)
		value := drawValue(t)
		halfLife := weir.Micros(rapid.OneOf(rapid.Int64Range(1, 100), rapid.Int64Range(0, int64(90*day))).Draw(t, "half-life"))
		for _, model := range attribution.Models() {
			credits := attribution.Credits(value, times, direct, noon, model, halfLife)
			if len(credits) != len(times) {
				t.Fatalf("%s: %d credits for %d touches", model, len(credits), len(times))
			}
			sum, want := new(big.Int), big.NewInt(value)
			for _, cents := range credits {
				if cents != 0 && (cents < 0) != (value < 0) {
					t.Fatalf("%s: a credit of %d for a value of %d", model, cents, value)
				}
				sum.Add(sum, big.NewInt(cents))
			}
			if model == attribution.Participation {
				want.Mul(want, big.NewInt(int64(len(times))))
			}
			if sum.Cmp(want) != 0 {
				t.Fatalf("%s: the credits sum to %s; want %s: %v", model, sum, want, credits)
			}
		}
	})
}

// Each credit is the exact share, rounded to one of the two whole cents beside it.
func TestPropertyTimeDecayIsWithinACentOfItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times, direct := drawPath(t)
		value := rapid.Int64Range(-1e9, 1e9).Draw(t, "value")
		halfLife := weir.Micros(rapid.Int64Range(int64(day), int64(90*day)).Draw(t, "half-life"))
		total := 0.0
		weights := make([]float64, len(times))
		for i, at := range times {
			weights[i] = math.Exp2(-float64(noon-at) / float64(halfLife))
			total += weights[i]
		}
		credits := attribution.Credits(value, times, direct, noon, attribution.TimeDecay, halfLife)
		for i, cents := range credits {
			if share := float64(value) * weights[i] / total; math.Abs(float64(cents)-share) > 1+1e-3 {
				t.Fatalf("touch %d, %s before: %d; its share is %f", i, time.Duration(noon-times[i])*time.Microsecond, cents, share)
			}
		}
	})
}

// Time decay looks at how much older one touch is than another, so touches that are
// all many half-lives old share as others do.
func TestTimeDecayOfOldTouches(t *testing.T) {
	times := []weir.Micros{noon - 1007*day, noon - 1000*day}
	if got := attribution.Credits(300, times, []bool{false, false}, noon, attribution.TimeDecay, 7*day); !slices.Equal(got, []int64{100, 200}) {
		t.Errorf("%v", got)
	}
}
