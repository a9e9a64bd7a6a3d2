package dirarchive_test

import (
	"testing"

	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/archive/archivetest"
	"github.com/weirhq/weir/archive/dirarchive"
)

func TestConformance(t *testing.T) {
	for name, options := range map[string]*dirarchive.Options{
		"one segment":   nil,
		"many segments": {SegmentSize: 500, CacheBytes: 4000},
		"no cache":      {SegmentSize: 2000, CacheBytes: 1},
	} {
		t.Run(name, func(t *testing.T) {
			archivetest.Test(t, func(t *testing.T) archivetest.Harness {
				dir := t.TempDir()
				open := func(t *testing.T) archive.Archive {
					a, err := dirarchive.Open(dir, options)
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
