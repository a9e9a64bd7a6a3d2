package order_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/order"
)

func rates(t testing.TB, list ...order.Rate) *order.Rates {
	r, err := order.NewRates("EUR", list)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRateHoldsUntilTheNext(t *testing.T) {
	r := euros(t)
	hour := 3600 * second
	for _, c := range []struct {
		at    weir.Micros
		value int64
		ok    bool
	}{
		{noon - hour - 1, 1000, false}, // no rate yet: the amount as it was
		{noon - hour, 800, true},
		{noon - 1, 800, true},
		{noon, 900, true},
		{noon + 1000*hour, 900, true},
	} {
		if value, ok := r.Convert(1000, "USD", c.at); value != c.value || ok != c.ok {
			t.Errorf("at %s: %d, %v; want %d, %v", c.at, value, ok, c.value, c.ok)
		}
	}
	for _, at := range []weir.Micros{math.MinInt64, -1, 0, noon, math.MaxInt64} {
		since := rates(t, order.Rate{Currency: "USD", From: math.MinInt64, Rate: "2"})
		if value, ok := since.Convert(5, "USD", at); value != 10 || !ok {
			t.Errorf("at %d: %d, %v", at, value, ok)
		}
	}
}

func TestRateWithoutTimeHoldsSinceEver(t *testing.T) {
	if value, ok := rates(t, order.Rate{Currency: "USD", Rate: "2"}).Convert(5, "USD", 1); value != 10 || !ok {
		t.Errorf("%d, %v", value, ok)
	}
}

func TestOwnCurrencyNeedsNoRate(t *testing.T) {
	for _, amount := range []int64{math.MinInt64, -1, 0, 1, math.MaxInt64} {
		for _, currency := range []string{"", "EUR"} {
			if value, ok := rates(t).Convert(amount, currency, noon); value != amount || !ok {
				t.Errorf("%d %q: %d, %v", amount, currency, value, ok)
			}
		}
	}
}

func TestNilRatesKnowNoOtherCurrency(t *testing.T) {
	var none *order.Rates
	if value, ok := none.Convert(12, "", noon); value != 12 || !ok {
		t.Errorf("own currency: %d, %v", value, ok)
	}
	if value, ok := none.Convert(12, "EUR", noon); value != 12 || ok {
		t.Errorf("EUR: %d, %v", value, ok)
	}
}

func TestHalfACentIsRoundedAwayFromZero(t *testing.T) {
	r := rates(t, order.Rate{Currency: "USD", Rate: "0.5"}, order.Rate{Currency: "GBP", Rate: "0.499999999999"})
	for amount, want := range map[int64]int64{1: 1, -1: -1, 3: 2, -3: -2, 2: 1, 0: 0} {
		if value, ok := r.Convert(amount, "USD", noon); value != want || !ok {
			t.Errorf("%d: %d, %v; want %d", amount, value, ok, want)
		}
	}
	for amount, want := range map[int64]int64{1: 0, -1: 0, 3: 1, -3: -1} {
		if value, ok := r.Convert(amount, "GBP", noon); value != want || !ok {
			t.Errorf("%d: %d, %v; want %d", amount, value, ok, want)
		}
	}
}

func TestValueBeyondInt64IsNone(t *testing.T) {
	r := rates(t, order.Rate{Currency: "USD", Rate: "2"}, order.Rate{Currency: "KWD", Rate: "999999999999.999999999999"})
	for _, c := range []struct {
		amount   int64
		currency string
		value    int64
		ok       bool
	}{
		{math.MaxInt64 / 2, "USD", math.MaxInt64 - 1, true},
		{math.MaxInt64/2 + 1, "USD", math.MaxInt64/2 + 1, false},
		{math.MinInt64 / 2, "USD", math.MinInt64, true},
		{math.MinInt64/2 - 1, "USD", math.MinInt64/2 - 1, false},
		{math.MinInt64, "KWD", math.MinInt64, false},
		{9_000_000, "KWD", 9_000_000_000_000_000_000, true},
	} {
		if value, ok := r.Convert(c.amount, c.currency, noon); value != c.value || ok != c.ok {
			t.Errorf("%d %s: %d, %v; want %d, %v", c.amount, c.currency, value, ok, c.value, c.ok)
		}
	}
}

func TestNewRatesNamesTheField(t *testing.T) {
	good := order.Rate{Currency: "USD", From: noon, Rate: "0.92"}
	with := func(change func(*order.Rate)) []order.Rate {
		bad := good
		bad.From++
		change(&bad)
		return []order.Rate{good, {Currency: "GBP", Rate: "1.15"}, bad}
	}
	for _, currency := range []string{"", "usd", "US", "USDT", "U D", "ÜSD", "US1", "EUR"} {
		wantField(t, currency, "rates[2].currency", "EUR", with(func(r *order.Rate) { r.Currency = currency }))
	}
	for _, rate := range []string{
		"", "0", "0.0", "-1", "+1", ".5", "1.", ".", "1e3", "1,5", " 1", "NaN", "Inf", "0x1", "1_0", "1.2.3", "½", "1/2",
		"1234567890123", "0.1234567890123", strings.Repeat("9", 1000), "0." + strings.Repeat("0", 1000) + "1",
	} {
		wantField(t, rate, "rates[2].rate", "EUR", with(func(r *order.Rate) { r.Rate = rate }))
	}
	wantField(t, "twice", "rates[2].from", "EUR", with(func(r *order.Rate) { r.From = good.From }))
	wantField(t, "base", "base", "euro", nil)
	for _, rate := range []string{"1", "0.92", "000000000001.5", "999999999999", "0.000000000001"} {
		if _, err := order.NewRates("EUR", with(func(r *order.Rate) { r.Rate = rate })); err != nil {
			t.Errorf("%s: %v", rate, err)
		}
	}
	if r, err := order.NewRates("", []order.Rate{good}); err != nil {
		t.Error(err)
	} else if value, ok := r.Convert(100, "USD", noon); value != 92 || !ok {
		t.Errorf("without a base: %d, %v", value, ok)
	}
}

func wantField(t *testing.T, name, field, base string, list []order.Rate) {
	t.Helper()
	_, err := order.NewRates(base, list)
	var e *weir.Error
	if !errors.As(err, &e) || e.Field != field || e.Code == "" || !strings.HasSuffix(e.Message, ".") {
		t.Errorf("%q: %v; want an error of field %s", name, err, field)
	}
}

func drawRates(t *rapid.T) []order.Rate {
	return rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) order.Rate {
		return order.Rate{
			Currency: rapid.SampledFrom([]string{"USD", "GBP", "JPY"}).Draw(t, "currency"),
			From:     noon + weir.Micros(rapid.IntRange(-5, 5).Draw(t, "from"))*second,
			Rate:     rapid.StringMatching(`[0-9]{0,11}[1-9](\.[0-9]{1,12})?`).Draw(t, "rate"),
		}
	}), 0, 12, func(r order.Rate) string { return r.Currency + r.From.String() }).Draw(t, "rates")
}

func drawAmount(t *rapid.T) int64 {
	return rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1e6, 1e6)).Draw(t, "amount")
}

func drawTime(t *rapid.T) weir.Micros {
	return noon + weir.Micros(rapid.Int64Range(-6e6, 6e6).Draw(t, "at"))
}

// The value is what arithmetic without bounds says of the last rate that is not
// after the instant, found by looking at each.
func TestPropertyConvertIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list, amount, at := drawRates(t), drawAmount(t), drawTime(t)
		r, err := order.NewRates("EUR", list)
		if err != nil {
			t.Fatal(err)
		}
		var last *order.Rate
		for i := range list {
			if list[i].Currency == "USD" && list[i].From <= at && (last == nil || list[i].From > last.From) {
				last = &list[i]
			}
		}
		want, wantOK := amount, false
		if last != nil {
			worth, _ := new(big.Rat).SetString(last.Rate)
			exact := worth.Mul(worth, new(big.Rat).SetInt64(amount))
			// FloatString rounds halves away from zero.
			rounded, _ := new(big.Int).SetString(exact.FloatString(0), 10)
			if rounded.IsInt64() {
				want, wantOK = rounded.Int64(), true
			}
		}
		if value, ok := r.Convert(amount, "USD", at); value != want || ok != wantOK {
			t.Fatalf("%d, %v; want %d, %v", value, ok, want, wantOK)
		}
	})
}

func TestPropertyOrderOfRatesHasNoMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list, amount, at := drawRates(t), drawAmount(t), drawTime(t)
		shuffled := rapid.Permutation(list).Draw(t, "shuffled")
		given := slices.Clone(shuffled)
		one, err := order.NewRates("EUR", list)
		other, err2 := order.NewRates("EUR", shuffled)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		if !slices.Equal(given, shuffled) {
			t.Fatal("the list was changed")
		}
		a, okA := one.Convert(amount, "USD", at)
		b, okB := other.Convert(amount, "USD", at)
		if a != b || okA != okB {
			t.Fatalf("%d, %v and %d, %v", a, okA, b, okB)
		}
	})
}

// More is never worth less, and what is owed is worth as much as what is had.
func TestPropertyConvertIsMonotone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r, err := order.NewRates("EUR", drawRates(t))
		if err != nil {
			t.Fatal(err)
		}
		a, at := drawAmount(t), drawTime(t)
		b := rapid.OneOf(rapid.Int64Min(a), rapid.Just(a+min(1, math.MaxInt64-a))).Draw(t, "more")
		x, okA := r.Convert(a, "USD", at)
		y, okB := r.Convert(b, "USD", at)
		if okA && okB && x > y {
			t.Fatalf("%d is worth %d, and %d %d", a, x, b, y)
		}
		if a == math.MinInt64 {
			return
		}
		if z, ok := r.Convert(-a, "USD", at); okA && x != math.MinInt64 && (!ok || z != -x) {
			t.Fatalf("%d is worth %d, and %d %d, %v", a, x, -a, z, ok)
		}
	})
}

// FuzzRates reads settings and whatever numbers they hold.
func FuzzRates(f *testing.F) {
	f.Add([]byte(`[{"currency":"USD","from":"2026-10-01T12:00:00Z","rate":"0.92"}]`), int64(1250))
	f.Add([]byte(`[{"currency":"USD","rate":"999999999999.999999999999"}]`), int64(math.MinInt64))
	f.Add([]byte(`[{"currency":"USD","rate":"0.000000000001"},{"currency":"USD","rate":"00"}]`), int64(-1))
	f.Add([]byte(`[{"currency":"USD","from":"","rate":"1."}]`), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, amount int64) {
		var list []order.Rate
		if json.Unmarshal(data, &list) != nil {
			return
		}
		r, err := order.NewRates("EUR", list)
		if err != nil {
			var e *weir.Error
			if !errors.As(err, &e) || !strings.HasPrefix(e.Field, "rates[") {
				t.Fatalf("%v", err)
			}
			return
		}
		for _, rate := range list {
			worth, ok := new(big.Rat).SetString(rate.Rate)
			if !ok || worth.Sign() <= 0 {
				t.Fatalf("rate %q was taken", rate.Rate)
			}
			value, ok := r.Convert(amount, rate.Currency, rate.From)
			exact := worth.Mul(worth, new(big.Rat).SetInt64(amount)).FloatString(0)
			if got := big.NewInt(value).String(); ok && got != exact && exact != "-0" || !ok && value != amount {
				t.Fatalf("%d at %s: %d, %v; want %s", amount, rate.Rate, value, ok, exact)
			}
		}
	})
}
