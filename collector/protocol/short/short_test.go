package short

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector/protocol"
)

func TestInstants(t *testing.T) {
	at := func(text string) weir.Micros {
		parsed, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return weir.MicrosOf(parsed)
	}
	for value, want := range map[string]weir.Micros{
		`"2024-02-22T09:12:02.361Z"`:            at("2024-02-22T09:12:02.361Z"),
		`"2024-02-22T09:12:02.123456789+05:30"`: at("2024-02-22T03:42:02.123456Z"),
		`1708593122`:                            at("2024-02-22T09:12:02Z"),
		`1708593122.361`:                        at("2024-02-22T09:12:02.361Z"),
		`"1708593122.361"`:                      at("2024-02-22T09:12:02.361Z"),
		`1708593122361`:                         at("2024-02-22T09:12:02.361Z"),
		`1.708593122361e12`:                     at("2024-02-22T09:12:02.361Z"),
		`1708593122361000`:                      at("2024-02-22T09:12:02.361Z"),
		`99999999999`:                           at("5138-11-16T09:46:39Z"),
		`100000000000`:                          at("1973-03-03T09:46:40Z"),
		`31536000`:                              at("1971-01-01T00:00:00Z"),
	} {
		if got, problem := instant([]byte(value)); got != want || problem != "" {
			t.Errorf("%s: %v %s, want %v", value, got, problem, want)
		}
	}
	for _, value := range []string{`""`, `"yesterday"`, `"2024-02-22"`, `"2024-02-22T09:12:02"`, `true`, `{}`, `[]`, `0`, `-1`, `31535999`, `1e999`, `NaN`, `"Inf"`, `1708593122361000000`, `2024-02-22T09:12:02Z`} {
		if got, problem := instant([]byte(value)); problem == "" || got != 0 {
			t.Errorf("%s was read as %v", value, got)
		}
	}
}

// TestItemsStayWhereTheyAre makes so many items that the memory they are
// written to must move.
func TestItemsStayWhereTheyAre(t *testing.T) {
	body := []byte(`{"events":[`)
	for i := range 500 {
		if i > 0 {
			body = append(body, ',')
		}
		body = fmt.Appendf(body, `{"event":"e%d","distinct_id":"u"}`, i)
	}
	body = append(body, `]}`...)
	ids := 0
	var batch protocol.Batch
	err := Read(Track, body, Options{Limit: 500, Now: 1, NewID: func() string { ids++; return fmt.Sprint(ids) }}, &batch)
	if err != nil || batch.Sent != 500 || len(batch.Items) != 500 || batch.Extra < 500*100 {
		t.Fatalf("%v: %d sent, %d items, %d bytes", err, batch.Sent, len(batch.Items), batch.Extra)
	}
	for i, item := range batch.Items {
		want := fmt.Sprintf(`{"kind":"custom_event","custom_event":{"external_id":"%d","created_at":"1970-01-01T00:00:00.000001Z","label":"e%d"},"user":{"external_id":"u"}}`, i+1, i)
		if string(item.Raw) != want || item.Index != i || !item.Generated {
			t.Fatalf("item %d: %+v %s", i, item, item.Raw)
		}
	}
	batch.Reset()
	if err := Read(Track, body, Options{Limit: 499, Now: 1, NewID: func() string { return "" }}, &batch); err == nil {
		t.Error("one event too many was taken")
	}
}
