package sqlitequeue_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/queue/sqlitequeue"
)

var rounds = flag.Int("rounds", 10, "changes of each kind that TestDamage makes")

// image is a copy of a queue's directory.
type image map[string][]byte

func take(t testing.TB, dir string) image {
	t.Helper()
	files := image{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, "-shm") {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, name)
		files[relative] = data
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func (i image) put(t testing.TB, dir string) {
	t.Helper()
	for name, data := range i {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

const (
	crashPartitions = 3
	crashAcked      = 7 // of each partition
)

// stored is a frame that the crashed queue was told to keep.
type stored struct {
	partition   int
	first, last uint64
}

// crashed is a queue as a kill leaves it: some of it in the database file, the
// later part in the log, a part acknowledged and removed. Frames are of many
// sizes, some within a page, some over hundreds.
func crashed(t testing.TB) (image, []stored) {
	t.Helper()
	dir := t.TempDir()
	q := open(t, dir, &sqlitequeue.Options{Partitions: crashPartitions})
	random := rand.New(rand.NewPCG(7, 7))
	var frames []stored
	next := make([]uint64, crashPartitions)
	fill := func(n int) {
		for range n {
			var bodies []frame.Body
			for p := range crashPartitions {
				records := make([]weir.Record, 1+random.IntN(4))
				for i := range records {
					raw := make([]byte, []int{20, 300, 1100, 5000, 40_000}[random.IntN(5)])
					for j := range raw {
						raw[j] = byte(random.Uint32())
					}
					records[i] = weir.Record{Workspace: "test", Raw: raw}
				}
				bodies = append(bodies, encode(t, p, records))
				f := stored{p, next[p] + 1, next[p] + uint64(len(records))}
				next[p] = f.last
				frames = append(frames, f)
			}
			if err := q.Append(t.Context(), bodies); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill(15)
	c, err := q.Consume(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Receive(t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	upTo := map[int]uint64{}
	for p := range crashPartitions {
		upTo[p] = crashAcked
	}
	if err := c.Ack(t.Context(), upTo); err != nil {
		t.Fatal(err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, dir, nil)
	fill(8)
	files := take(t, dir)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	var waiting []stored
	for _, f := range frames {
		if f.last > crashAcked {
			waiting = append(waiting, f)
		}
	}
	return files, waiting
}

// delivery is what a queue gives: the frames, and for what it reports as
// damaged the sequence numbers.
type delivery struct {
	whole   map[stored]bool
	damaged []stored
}

// drainAll receives everything up to the head, checking that each partition's
// sequence numbers follow each other without a gap from the first not
// acknowledged on, and acknowledges it.
func drainAll(t *testing.T, q *sqlitequeue.Queue) (d delivery, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := q.Consume(ctx, nil)
	if err != nil {
		return d, err
	}
	d.whole = map[stored]bool{}
	next := map[int]uint64{}
	for {
		lag, err := q.Lag(ctx)
		if errors.Is(err, sqlitequeue.ErrBroken) {
			continue
		}
		if err != nil {
			return d, err
		}
		if lag.Records == 0 {
			return d, c.Close()
		}
		deliveries, err := c.Receive(ctx, 50)
		if errors.Is(err, sqlitequeue.ErrBroken) {
			continue // being repaired
		}
		if err != nil {
			return d, fmt.Errorf("receive: %w", err)
		}
		upTo := map[int]uint64{}
		for _, got := range deliveries {
			h := got.Header
			if n, seen := next[h.Partition]; seen && h.First != n {
				return d, fmt.Errorf("partition %d: %d follows %d", h.Partition, h.First, n-1)
			} else if !seen && h.First > lag.Acked[h.Partition]+1 {
				return d, fmt.Errorf("partition %d begins at %d, acknowledged is %d", h.Partition, h.First, lag.Acked[h.Partition])
			}
			next[h.Partition] = h.Last() + 1
			upTo[h.Partition] = h.Last()
			f := stored{h.Partition, h.First, h.Last()}
			if got.Damage != nil {
				if !errors.Is(got.Damage, frame.ErrCorrupt) {
					return d, fmt.Errorf("damage is %w", got.Damage)
				}
				d.damaged = append(d.damaged, f)
				continue
			}
			if err := frame.Verify(got.Frame); err != nil {
				return d, err
			}
			d.whole[f] = true
		}
		repaired(t, func() error { return c.Ack(ctx, upTo) })
	}
}

// lost are the frames that were stored and did not come.
func lost(want []stored, got delivery) (missing []stored) {
	for _, f := range want {
		if !got.whole[f] {
			missing = append(missing, f)
		}
	}
	return missing
}

// TestIntactCrash makes sure of the ground the other tests stand on: an
// undamaged image gives everything and reports nothing.
func TestIntactCrash(t *testing.T) {
	files, want := crashed(t)
	if len(files["queue.db-wal"]) < 100_000 || len(files["queue.db"]) < 100_000 {
		t.Fatalf("the image has too little in one of the files: %d, %d", len(files["queue.db-wal"]), len(files["queue.db"]))
	}
	dir := t.TempDir()
	files.put(t, dir)
	q := open(t, dir, nil)
	got, err := drainAll(t, q)
	if err != nil {
		t.Fatal(err)
	}
	if missing := lost(want, got); len(missing) > 0 || len(got.damaged) > 0 {
		t.Errorf("missing %v, damaged %v", missing, got.damaged)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "quarantine")); err == nil {
		t.Error("an undamaged queue was put into quarantine")
	}
}

// TestDamage changes the files of a crashed queue at random places: it always
// starts, it never panics, all but what was hit is delivered, all that was hit
// is reported, and it goes on being a queue.
func TestDamage(t *testing.T) {
	files, want := crashed(t)
	for _, name := range []string{"queue.db", "queue.db-wal"} {
		for _, c := range []struct {
			kind string
			// most is how many frames one such change may cost: a page holds
			// parts of several.
			most   int
			change func(r *rand.Rand, b []byte) []byte
		}{
			{"flip", 1, func(r *rand.Rand, b []byte) []byte {
				b[r.IntN(len(b))] ^= 1 << r.IntN(8)
				return b
			}},
			{"zero sector", 4, func(r *rand.Rand, b []byte) []byte {
				at := r.IntN(len(b)/512) * 512
				clear(b[at : at+512])
				return b
			}},
			{"zero page", 12, func(r *rand.Rand, b []byte) []byte {
				at := r.IntN(len(b)/4096) * 4096
				clear(b[at : at+4096])
				return b
			}},
			{"noise page", 12, func(r *rand.Rand, b []byte) []byte {
				at := r.IntN(len(b)/4096) * 4096
				for i := range 4096 {
					b[at+i] = byte(r.Uint32())
				}
				return b
			}},
			{"truncate", len(want), func(r *rand.Rand, b []byte) []byte { return b[:r.IntN(len(b))] }},
			{"swap pages", 12, func(r *rand.Rand, b []byte) []byte {
				x, y := r.IntN(len(b)/4096)*4096, r.IntN(len(b)/4096)*4096
				for i := range 4096 {
					b[x+i], b[y+i] = b[y+i], b[x+i]
				}
				return b
			}},
		} {
			t.Run(name+"/"+c.kind, func(t *testing.T) {
				worst := 0
				for seed := range uint64(*rounds) {
					r := rand.New(rand.NewPCG(seed, 11))
					damaged := image{}
					for n, b := range files {
						damaged[n] = append([]byte(nil), b...)
					}
					damaged[name] = c.change(r, damaged[name])
					options := &sqlitequeue.Options{}
					if seed%2 == 1 {
						options.CheckWhileOpen()
					}
					worst = max(worst, checkDamaged(t, fmt.Sprint("seed ", seed), damaged, want, c.most, options))
				}
				t.Logf("the worst of %d changes cost %d of %d frames", *rounds, worst, len(want))
			})
		}
	}
}

// checkDamaged opens a damaged image, drains it, uses it, and opens it again.
// It returns the number of frames that are gone.
func checkDamaged(t *testing.T, what string, files image, want []stored, most int, options *sqlitequeue.Options) int {
	t.Helper()
	dir := t.TempDir()
	files.put(t, dir)
	q := open(t, dir, options)
	got, err := drainAll(t, q)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	missing := lost(want, got)
	if len(missing) > most {
		t.Errorf("%s: %d frames are lost: %v", what, len(missing), missing)
	}
	for _, f := range missing {
		reported := false
		for _, d := range got.damaged {
			reported = reported || d.partition == f.partition && d.first <= max(f.first, crashAcked+1) && d.last >= f.last
		}
		if !reported {
			t.Errorf("%s: frame %v is lost and not reported; damaged %v", what, f, got.damaged)
		}
	}
	// It goes on, and no number is given twice.
	repaired(t, func() error { return q.Append(t.Context(), []frame.Body{encode(t, 1, items(1))}) })
	var lag queue.Lag
	repaired(t, func() (err error) { lag, err = q.Lag(t.Context()); return err })
	for p := range crashPartitions {
		if last := want[len(want)-crashPartitions+p]; lag.Head[p] < last.last {
			t.Errorf("%s: partition %d goes on after %d, but %d was given out", what, p, lag.Head[p], last.last)
		}
	}
	if err := q.Close(); err != nil {
		t.Fatalf("%s: close: %v", what, err)
	}
	q = open(t, dir, nil)
	defer q.Close()
	got, err = drainAll(t, q)
	if err != nil || len(got.whole) != 1 || len(got.damaged) != 0 {
		t.Fatalf("%s: opened again: %v, %v, %v", what, got.whole, got.damaged, err)
	}
	return len(missing)
}

// repaired calls fn until the queue is not being repaired any more.
func repaired(t *testing.T, fn func() error) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		err := fn()
		if err == nil {
			return
		}
		if !errors.Is(err, sqlitequeue.ErrBroken) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// TestLostFiles takes whole files away.
func TestLostFiles(t *testing.T) {
	files, want := crashed(t)
	for _, gone := range [][]string{{"queue.db"}, {"queue.db-wal"}, {"queue.heads"}, {"queue.db", "queue.db-wal"}, {"queue.db", "queue.heads"}} {
		t.Run(strings.Join(gone, "+"), func(t *testing.T) {
			damaged := image{}
			for n, b := range files {
				damaged[n] = b
			}
			for _, n := range gone {
				delete(damaged, n)
			}
			most := len(want)
			if gone[0] == "queue.heads" {
				most = 0
			}
			checkDamaged(t, "", damaged, want, most, nil)
		})
		t.Run("empty "+strings.Join(gone, "+"), func(t *testing.T) {
			damaged := image{}
			for n, b := range files {
				damaged[n] = b
			}
			for _, n := range gone {
				damaged[n] = nil
			}
			most := len(want)
			if gone[0] == "queue.heads" {
				most = 0
			}
			checkDamaged(t, "", damaged, want, most, nil)
		})
	}
}

// TestWitness cuts the log at every end of a transaction, where neither SQLite
// nor its checksums can know that something is missing.
func TestWitness(t *testing.T) {
	files, want := crashed(t)
	wal := files["queue.db-wal"]
	for at := 32; at+4120 <= len(wal); at += 4120 {
		if binary.BigEndian.Uint32(wal[at+4:]) == 0 {
			continue
		}
		damaged := image{}
		for n, b := range files {
			damaged[n] = b
		}
		damaged["queue.db-wal"] = wal[:at+4120]
		checkDamaged(t, fmt.Sprint("cut at ", at+4120), damaged, want, len(want), nil)
	}
}

// TestPowerLoss tears the last transaction on a machine that has started anew
// since: it was never answered, so nothing is lost, reported or quarantined.
func TestPowerLoss(t *testing.T) {
	files, want := crashed(t)
	wal := files["queue.db-wal"]
	commits := 0
	start, last := 32, 32
	for at := 32; at+4120 <= len(wal); at += 4120 {
		if binary.BigEndian.Uint32(wal[at+4:]) != 0 {
			start, last = last, at+4120
			commits++
		}
	}
	if commits < 2 || last-start < 3*4120 {
		t.Fatalf("the last transaction is too small to be torn: %d to %d", start, last)
	}
	torn := image{}
	for n, b := range files {
		torn[n] = append([]byte(nil), b...)
	}
	clear(torn["queue.db-wal"][start+4120+24 : start+2*4120])
	torn["queue.heads"] = anotherBoot(torn["queue.heads"])
	dir := t.TempDir()
	torn.put(t, dir)
	q := open(t, dir, nil)
	defer q.Close()
	got, err := drainAll(t, q)
	if err != nil {
		t.Fatal(err)
	}
	if missing := lost(want, got); len(missing) > crashPartitions || len(got.damaged) > 0 {
		t.Errorf("missing %v, damaged %v", missing, got.damaged)
	}
	if _, err := os.Stat(filepath.Join(dir, "quarantine")); err == nil {
		t.Error("an unanswered transaction was taken for damage")
	}
}

// anotherBoot is queue.heads as a machine wrote it that has lost power since:
// one append behind, and of another boot.
func anotherBoot(b []byte) []byte {
	size := 32 + 8*crashPartitions
	older, newer := b[:size], b[4096:4096+size]
	if binary.LittleEndian.Uint64(older[8:]) > binary.LittleEndian.Uint64(newer[8:]) {
		older = newer
	}
	out := append([]byte(nil), older...)
	out[16] ^= 0xff
	return binary.LittleEndian.AppendUint32(out, crc32.Checksum(out, crc32.MakeTable(crc32.Castagnoli)))
}

// TestDamagedWhileOpen damages frames under an open queue: their deliveries say
// so, the others come, and the queue stays in use.
func TestDamagedWhileOpen(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, &sqlitequeue.Options{Partitions: 1})
	defer func() { q.Close() }()
	for range 20 {
		if err := q.Append(t.Context(), []frame.Body{encode(t, 0, items(100))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Close(); err != nil { // moves all into the database file
		t.Fatal(err)
	}
	q = open(t, dir, nil)
	file := filepath.Join(dir, "queue.db")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for range 5 {
		at += frame.Find(b[at:]) + 1
	}
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{^b[at+100]}, int64(at+100)); err != nil {
		t.Fatal(err)
	}
	got, err := drainAll(t, q)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.whole) != 19 || len(got.damaged) != 1 || got.damaged[0].last-got.damaged[0].first != 99 {
		t.Errorf("%d whole frames, damaged %v; want 19 and one of 100 records", len(got.whole), got.damaged)
	}
	if err := q.Append(t.Context(), []frame.Body{encode(t, 0, items(1))}); err != nil {
		t.Error(err)
	}
}
