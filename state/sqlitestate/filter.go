package sqlitestate

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"sync/atomic"
)

// filter tells, without a look at the disk, that a key was never added. It is a
// Bloom filter all of whose bits of one key lie in one line of the processor's
// cache. Methods may be called concurrently.
type filter struct {
	words []atomic.Uint64 // lines of lineWords
	keys  atomic.Int64    // that were not there before, as far as it can tell
}

const (
	lineWords = 8       // 64 bytes; a key sets one bit of each word
	wordBits  = 6       // that choose the bit
	roomyBits = 10      // for each key: then it is wrong of about one new key in a hundred
	leastSize = 1 << 20 // bytes; enough for 800,000 keys
)

// filterSize is the size in bytes for a number of keys, at most limit: a quarter of
// the limit, a quarter of that, and so on, so that a filter and the one that is to
// take its place need a quarter more than the limit.
func filterSize(keys, limit int64) int64 {
	size := limit
	for size/4 >= leastSize && size/4*8 >= keys*roomyBits {
		size /= 4
	}
	return size
}

func newFilter(size int64) *filter {
	return &filter{words: make([]atomic.Uint64, max(1, size/(8*lineWords))*lineWords)}
}

func (f *filter) size() int64 { return int64(len(f.words)) * 8 }

// crowded reports whether there are more keys than the filter is good for.
func (f *filter) crowded() bool { return f.keys.Load()*roomyBits > f.size()*8 }

// line finds the line of a key by its first half, so that sorted keys go through
// memory in order; the other half chooses the bits. Keys are hashes.
func (f *filter) line(key *[seenKeySize]byte) (line []atomic.Uint64, choice uint64) {
	n, _ := bits.Mul64(binary.BigEndian.Uint64(key[:8]), uint64(len(f.words)/lineWords))
	return f.words[n*lineWords:][:lineWords], binary.BigEndian.Uint64(key[8:])
}

func (f *filter) add(key *[seenKeySize]byte) {
	line, choice := f.line(key)
	fresh := false
	for i := range line {
		bit := uint64(1) << (choice & (1<<wordBits - 1))
		choice >>= wordBits
		if line[i].Load()&bit == 0 {
			line[i].Or(bit)
			fresh = true
		}
	}
	if fresh {
		f.keys.Add(1)
	}
}

// mayHave is true of every key that was added, and of few others.
func (f *filter) mayHave(key *[seenKeySize]byte) bool {
	line, choice := f.line(key)
	for i := range line {
		if line[i].Load()&(1<<(choice&(1<<wordBits-1))) == 0 {
			return false
		}
		choice >>= wordBits
	}
	return true
}

// startFill makes a filter beside all else, unless one is being made. The caller
// has mu, shared at least, or the index to itself.
func (s *Seen) startFill(size int64) {
	if s.filling.CompareAndSwap(false, true) {
		s.fills.Go(func() { s.fill(newFilter(size)) })
	}
}

// fill adds all keys of the index to a filter, while Put adds those that come.
func (s *Seen) fill(f *filter) {
	s.mu.Lock() // the entries of every Put that does not add to f are in the index
	s.next = f
	s.mu.Unlock()
	err := s.addAll(f)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = nil
	switch {
	case err == nil:
		s.filter = f
		s.filling.Store(false)
	case !errors.Is(err, ErrClosed):
		// The index works without, and this is not tried again before the next start.
		s.log.Error("filter of seen items not filled; look-ups are slower", "dir", s.dir, "error", err)
	}
}

func (s *Seen) addAll(f *filter) (err error) {
	iter, err := s.db.NewIter(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, iter.Close()) }()
	var key [seenKeySize]byte
	n := 0
	for ok := iter.First(); ok; ok = iter.Next() {
		if copy(key[:], iter.Key()) == seenKeySize {
			f.add(&key)
		}
		if n++; n%4096 == 0 {
			select {
			case <-s.stop:
				return ErrClosed
			default:
			}
		}
	}
	return iter.Error()
}
