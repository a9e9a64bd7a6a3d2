// Package queue is the contract of the durable, partitioned log between the
// collector and the workers.
//
// What a driver promises: once Append has returned nil, its frames survive the
// death of the process and of the machine (fsync, or a majority's fsync). Every
// frame is delivered at least once, in order within its partition, until it is
// acknowledged. Damaged bytes cost the frame they are in and no other.
//
// Package queuetest holds the conformance suite that every driver passes.
package queue

import (
	"context"
	"errors"

	"github.com/weirhq/weir/frame"
)

var (
	// ErrFull is wrapped by Append when the queue takes no more for now: its
	// backlog has reached its limit or the disk its guard. It passes by itself,
	// without a restart.
	ErrFull = errors.New("queue is full")
	// ErrClosed is wrapped by every call after Close.
	ErrClosed = errors.New("queue is closed")
)

// Queue is a durable log of frames. All methods may be called concurrently.
type Queue interface {
	// Append stores all bodies. It returns when they are durable. The order of
	// bodies for one partition is kept; each has the next sequence numbers of its
	// partition, from now on or from when it is first delivered on. After an error
	// none is stored, or some may be if the driver says so: senders repeat what was
	// not stored, and items are told apart by their ids. What is no valid body is an
	// error of which nothing is stored. The slices may be reused afterwards. A
	// failed fsync is never retried: the driver closes its files, opens and verifies
	// them anew, and answers errors until then.
	Append(ctx context.Context, bodies []frame.Body) error

	// Consume starts reading the partitions after what was last acknowledged;
	// nil means all. At most one consumer of a partition is delivered to at a
	// time: a second one waits, or is refused with an error that says so.
	Consume(ctx context.Context, partitions []int) (Consumer, error)

	// Lag measures what is appended and not acknowledged. A driver that numbers
	// frames when they are first delivered estimates what has no numbers yet.
	Lag(ctx context.Context) (Lag, error)

	// Partitions is their number, fixed when the queue was first made.
	Partitions() int

	// Close waits for running calls and frees everything. It is idempotent.
	Close() error
}

// Consumer reads some partitions. Receive is called by one goroutine; Ack may be
// called by another meanwhile.
type Consumer interface {
	// Receive blocks until there is at least one frame that this consumer was
	// not given yet, and returns up to about max records in whole frames (more
	// if the first frame alone is larger), in order within each partition. A driver
	// may bound how much is delivered and not acknowledged: then it waits for Ack.
	Receive(ctx context.Context, max int) ([]Delivery, error)

	// Ack says that everything up to and including the sequence number is done
	// with, for each partition named: it will not be delivered again. Acking
	// what was acknowledged before changes nothing.
	Ack(ctx context.Context, upTo map[int]uint64) error

	// Close gives the partitions back. What was not acknowledged is delivered
	// to the next consumer. It is idempotent.
	Close() error
}

// Delivery is one frame, or the place of a damaged one.
type Delivery struct {
	Header frame.Header // of a damaged frame, as far as the queue's index knows it
	Frame  frame.Sealed // nil if damaged
	// Damage says what is wrong and where (file and offset or row); it wraps
	// frame.ErrCorrupt. The consumer acknowledges a damaged frame like any other
	// once it has reported it, so that it is never met twice.
	Damage error
}

// Lag is how far the workers are behind.
type Lag struct {
	Records int64 // appended, not acknowledged
	Bytes   int64
	// Head and Acked are, per partition, the last sequence number given to a frame
	// and the last one acknowledged; 0 if none.
	Head  []uint64
	Acked []uint64
}
