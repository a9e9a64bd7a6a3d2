package duckstore_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore/duckstore"
)

// A full disk costs the writes that meet it, no rows that were written, and no
// restart.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=14m"); err != nil {
		t.Skipf("a small file system is needed, and cannot be mounted: %v", err)
	}
	defer func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	o := &duckstore.Options{CheckpointBytes: 1 << 20, OnLost: func(_ weir.WorkspaceID, err error) { t.Errorf("lost: %v", err) }}
	fillers := []string{filepath.Join(dir, "filler0"), filepath.Join(dir, "filler1")}
	for _, filler := range fillers {
		if err := os.WriteFile(filler, make([]byte, 4<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, filepath.Join(dir, "events"), o)
	batches := 0
	write := func() error {
		b := batch(batches)
		for i := range b.Events { // which does not compress
			b.Events[i].Properties[0].Value = weir.Text(fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()))
		}
		err := s.Write(t.Context(), "acme", b)
		if err == nil {
			batches++
		}
		return err
	}
	check := func(when string) {
		t.Helper()
		events, positions, err := use(t, s)
		for range 3 { // a checkpoint that failed makes the file be opened anew
			if err == nil {
				break
			}
			t.Logf("%s: %v", when, err)
			events, positions, err = use(t, s)
		}
		if err != nil || events != uint64(batches*eventsPerBatch) || positions != events {
			t.Errorf("%s there are %d events, positions say %d, %v; want %d", when, events, positions, err, batches*eventsPerBatch)
		}
	}
	for _, filler := range fillers {
		for refused := 0; refused < 5; {
			if write() != nil {
				refused++
			}
		}
		check("with a full disk")
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		before := batches
		for tries := 0; batches < before+3 && tries < 10; tries++ {
			if err := write(); err != nil {
				t.Logf("with space again: %v", err)
			}
		}
		if batches < before+3 {
			t.Fatal("writes go on failing with space on the disk")
		}
		check("with space again")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s = open(t, filepath.Join(dir, "events"), o)
	check("after opening again")
}
