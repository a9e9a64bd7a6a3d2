package s3archive

import (
	"testing"
	"time"

	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/archive/archivetest"
)

func TestConformance(t *testing.T) {
	for name, change := range map[string]func(o *Options){
		"batches":    func(*Options) {},
		"no cache":   func(o *Options) { o.CacheBytes = 1 },
		"compacting": func(o *Options) { o.CompactEvery, o.CompactBatches = 2*time.Millisecond, 2 },
		"small runs": func(o *Options) { o.CompactEvery, o.CompactBatches, o.RunSize = 10*time.Millisecond, 5, 1000 },
	} {
		t.Run(name, func(t *testing.T) {
			archivetest.Test(t, func(t *testing.T) archivetest.Harness {
				opts := onServer(t)
				change(&opts)
				open := func(t *testing.T) archive.Archive {
					a, err := Open(t.Context(), &opts)
					if err != nil {
						t.Fatal(err)
					}
					return a
				}
				return archivetest.Harness{Archive: open(t), Reopen: open}
			})
		})
	}
}
