package query_test

import (
	"testing"

	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/query"
)

// Rates are made anew for every question: their values count, not where they are.
func TestKeyKnowsRatesByTheirValues(t *testing.T) {
	key := func(usd, gbp string) [32]byte {
		rates, err := order.NewRates("EUR", []order.Rate{{Currency: "USD", Rate: usd}, {Currency: "GBP", Rate: gbp}})
		if err != nil {
			t.Fatal(err)
		}
		return (&query.Plan{Attribution: &query.Attribution{Rates: rates}}).Key()
	}
	if first, again := key("0.9", "1.1"), key("0.9", "1.1"); first != again {
		t.Error("equal rates have different keys")
	}
	if key("0.9", "1.1") == key("0.8", "1.1") || key("0.9", "1.1") == key("1.1", "0.9") {
		t.Error("different rates have the same key")
	}
}
