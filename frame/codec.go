package frame

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/weirhq/weir"
)

// Flags of a record. A string that equals the one of the record before (the
// empty string for the first) is not written again: records of one request
// share nearly everything, and what is not written need not be compressed,
// allocated or compared.
const (
	flagServer = 1 << iota
	flagRejected
	sameWorkspace
	sameSource
	sameReceipt
	sameUser
	knownFlags = 1<<iota - 1
)

// minRecord is the size of the smallest record: flags, index, two times and the
// length of raw. It bounds what a lying count can make the decoder allocate.
const minRecord = 5

func appendRecord(dst []byte, r, prev *weir.Record) []byte {
	var flags byte
	if r.Client == weir.ClientServer {
		flags |= flagServer
	}
	if r.Rejected != nil {
		flags |= flagRejected
	}
	if r.Workspace == prev.Workspace {
		flags |= sameWorkspace
	}
	if r.Source == prev.Source {
		flags |= sameSource
	}
	if r.Receipt == prev.Receipt {
		flags |= sameReceipt
	}
	if r.UserID == prev.UserID {
		flags |= sameUser
	}
	dst = append(dst, flags)
	if flags&sameWorkspace == 0 {
		dst = appendString(dst, string(r.Workspace))
	}
	if flags&sameSource == 0 {
		dst = appendString(dst, string(r.Source))
	}
	if flags&sameReceipt == 0 {
		dst = appendString(dst, r.Receipt)
	}
	if flags&sameUser == 0 {
		dst = appendString(dst, r.UserID)
	}
	dst = binary.AppendUvarint(dst, uint64(r.Index))
	dst = binary.AppendVarint(dst, int64(r.ReceivedAt-prev.ReceivedAt))
	dst = binary.AppendVarint(dst, int64(r.SentAt-prev.SentAt))
	if r.Rejected != nil {
		dst = appendString(dst, r.Rejected.Code)
		dst = appendString(dst, r.Rejected.Field)
		dst = appendString(dst, r.Rejected.Message)
	}
	dst = binary.AppendUvarint(dst, uint64(len(r.Raw)))
	return append(dst, r.Raw...)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// decodeRecords reads exactly count records that fill payload. Their Raw is
// part of payload.
func decodeRecords(payload []byte, count int) ([]weir.Record, error) {
	if count > len(payload)/minRecord {
		return nil, fmt.Errorf("%d records in %d bytes: %w", count, len(payload), ErrCorrupt)
	}
	r := reader{data: payload}
	records := make([]weir.Record, count)
	prev := &weir.Record{}
	for i := range records {
		r.record(&records[i], prev)
		if r.bad {
			return nil, fmt.Errorf("record %d of %d is malformed: %w", i, count, ErrCorrupt)
		}
		prev = &records[i]
	}
	if len(r.data) != 0 {
		return nil, fmt.Errorf("%d bytes behind the last record: %w", len(r.data), ErrCorrupt)
	}
	return records, nil
}

// reader takes values from the front of data. Once something does not fit, it
// is bad and gives zero values.
type reader struct {
	data []byte
	bad  bool
}

func (r *reader) record(to, prev *weir.Record) {
	flags := r.byte()
	if flags > knownFlags {
		r.bad = true
	}
	if flags&flagServer != 0 {
		to.Client = weir.ClientServer
	}
	to.Workspace, to.Source, to.Receipt, to.UserID = prev.Workspace, prev.Source, prev.Receipt, prev.UserID
	if flags&sameWorkspace == 0 {
		to.Workspace = weir.WorkspaceID(r.string())
	}
	if flags&sameSource == 0 {
		to.Source = weir.SourceID(r.string())
	}
	if flags&sameReceipt == 0 {
		to.Receipt = r.string()
	}
	if flags&sameUser == 0 {
		to.UserID = r.string()
	}
	index := r.uvarint()
	if index > math.MaxInt32 {
		r.bad = true
	}
	to.Index = int(index)
	to.ReceivedAt = prev.ReceivedAt + weir.Micros(r.varint())
	to.SentAt = prev.SentAt + weir.Micros(r.varint())
	if flags&flagRejected != 0 {
		to.Rejected = &weir.Rejection{Code: r.string(), Field: r.string(), Message: r.string()}
	}
	to.Raw = r.bytes()
}

func (r *reader) byte() byte {
	if r.bad || len(r.data) == 0 {
		r.bad = true
		return 0
	}
	b := r.data[0]
	r.data = r.data[1:]
	return b
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.data)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.data = r.data[n:]
	return v
}

// bytes is the next length-prefixed bytes, cut from data without copying; the
// capacity ends with them, so that appending cannot reach what follows.
func (r *reader) bytes() []byte {
	n := r.uvarint()
	if r.bad || n > uint64(len(r.data)) {
		r.bad = true
		return nil
	}
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}

func (r *reader) string() string { return string(r.bytes()) }
