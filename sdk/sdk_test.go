package sdk_test

import (
	"bytes"
	"compress/gzip"
	"testing"

	"github.com/weirhq/weir/sdk"
)

// promised is what DESIGN §7 allows a page to download.
const promised = 6 << 10

func TestScriptIsSmall(t *testing.T) {
	script := sdk.Script()
	if script == nil {
		t.Skip("weir.js is not built: run `make web` first")
	}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(script); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if out.Len() > promised {
		t.Errorf("weir.js has %d bytes gzipped, more than %d", out.Len(), promised)
	}
}
