package rabbitqueue

import "context"

// FrameID tells frames apart. The process that appends a frame draws it at
// random and it travels with the frame.
type FrameID [16]byte

// Frame is what a ledger is asked about.
type Frame struct {
	Partition int
	ID        FrameID
	Records   int   // at least 1
	Bytes     int64 // of the frame
}

// Place is what a ledger knows about a frame.
type Place struct {
	First   uint64 // sequence number of its first record
	Records int    // as it was asked for the first time
	// Known says that it had its numbers before this call: it is delivered again.
	Known bool
	// Attempts is how often it was given to a caller: 1 at first, and one more
	// with each call of Attempt.
	Attempts int
	// Acked is how far its partition is acknowledged.
	Acked uint64
}

// Position is how far one partition has come.
type Position struct {
	Head  uint64 // the last sequence number given, 0 if none
	Acked uint64 // the last one acknowledged
	// Frames and Bytes are those with numbers of which some are not acknowledged.
	Frames int64
	Bytes  int64
}

// Ledger gives the frames of a queue their sequence numbers, and remembers how
// far the partitions are acknowledged. RabbitMQ can do neither, and what is
// archived and what states are built from are told apart by these numbers: they
// must be the same at every delivery.
//
// It is as durable as the archive: a number that was given is never given again
// to another frame, whatever crashes. One ledger belongs to one queue. All
// methods may be called concurrently, by several processes. A call that has
// failed may have had its effect; calling it again does no harm, except that
// Attempt may count once too often. Package ledgertest holds the conformance
// suite.
type Ledger interface {
	// Assign answers, in the order asked, where the frames stand. A frame that it
	// does not know gets the next Records numbers of its partition, in the order
	// asked, beginning with 1; the numbers of a partition have no gaps. It is
	// atomic: of concurrent calls for one partition, one comes first entirely.
	// A frame keeps its numbers until Forget drops it.
	Assign(ctx context.Context, frames []Frame) ([]Place, error)

	// Attempt counts that frames are given to a caller once more. Frames without
	// numbers are ignored.
	Attempt(ctx context.Context, frames []Frame) error

	// Acknowledge says that everything up to and including a number is done with,
	// for each partition named. It never goes back, and not beyond the last
	// number given.
	Acknowledge(ctx context.Context, upTo map[int]uint64) error

	// Positions is how far partitions 0 to n-1 have come.
	Positions(ctx context.Context, n int) ([]Position, error)

	// Forget drops frames that have been acknowledged for longer than the ledger's
	// retention, which is at least an hour: so long a worker that was paused is
	// told the old numbers. It is to be called every minute or so by at least one
	// process, and may take a while.
	Forget(ctx context.Context) error
}
