package duckstore

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/weirhq/weir"
)

func TestNumberText(t *testing.T) {
	o := (*Options)(nil).withDefaults()
	e, err := startEngine(t.TempDir(), &o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	numbers := []float64{0, math.Copysign(0, -1), math.MaxFloat64, math.SmallestNonzeroFloat64, math.MaxInt64, 1 << 53}
	for exponent := -12; exponent < 25; exponent++ {
		p := math.Pow10(exponent)
		numbers = append(numbers, p, -p, math.Nextafter(p, 0), math.Nextafter(p, math.Inf(1)), 1.5*p, 9.999999999999999*p, 123456789*p/1e8)
	}
	for range 3000 {
		numbers = append(numbers, math.Pow(10, 30*rand.Float64()-8)*(rand.Float64()-0.5), float64(rand.Int64()), float64(rand.IntN(1e6))/100)
		if f := math.Float64frombits(rand.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			numbers = append(numbers, f)
		}
	}
	rows, err := e.db.QueryContext(t.Context(), "SELECT n, "+numberText("n")+" FROM (SELECT unnest(?::DOUBLE[]) n)", numbers)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	err = scan(rows, func() error {
		var n float64
		var text string
		if err := rows.Scan(&n, &text); err != nil {
			return err
		}
		count++
		if want := weir.FormatNumber(n); text != want {
			t.Errorf("the text of %b is %q, want %q", n, text, want)
		}
		return nil
	})
	if err != nil || count != len(numbers) {
		t.Errorf("%d rows of %d: %v", count, len(numbers), err)
	}
}
