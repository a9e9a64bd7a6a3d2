package native_test

import (
	"errors"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector/protocol"
	"github.com/weirhq/weir/collector/protocol/native"
)

func TestEnvelope(t *testing.T) {
	body := []byte(`{"items":[ {"a": 1} ,2], "workspace_id":"w\u0031", "api_key":"wk_1", "id":null, "more":{"items":[3]},
		"context":{"data_sent_at":"2026-11-21T12:00:00.5+01:00","more":[]}}`)
	var batch protocol.Batch
	if err := native.Read(body, 2, &batch); err != nil {
		t.Fatal(err)
	}
	sent := weir.MicrosOf(time.Date(2026, 11, 21, 11, 0, 0, 5e8, time.UTC))
	if batch.Workspace != "w1" || batch.Key != "wk_1" || batch.SentAt != sent || batch.Sent != 2 || len(batch.Items) != 2 {
		t.Errorf("batch %+v", batch)
	}
	if first, second := batch.Items[0], batch.Items[1]; string(first.Raw) != `{"a": 1}` || string(second.Raw) != `2` || second.Index != 1 {
		t.Errorf("items %s, %s", first.Raw, second.Raw)
	}
	batch.Reset()
	if err := native.Read(body, 1, &batch); !errors.Is(err, protocol.ErrTooMany) {
		t.Errorf("one item too many: %v", err)
	}
}

// TestSentAtIsNoCondition: what is said beside the items does not cost them.
func TestSentAtIsNoCondition(t *testing.T) {
	for _, context := range []string{`null`, `"now"`, `[]`, `{}`, `{"data_sent_at":"…"}`, `{"data_sent_at":17}`, `{"data_sent_at":null}`} {
		var batch protocol.Batch
		if err := native.Read([]byte(`{"context":`+context+`,"items":[1]}`), 10, &batch); err != nil || batch.SentAt != 0 || batch.Sent != 1 {
			t.Errorf("%s: %v, %+v", context, err, batch)
		}
	}
}
