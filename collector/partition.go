package collector

import (
	"github.com/cespare/xxhash/v2"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/queue"
)

// Partition is the partition, of n, in which the items of a user travel. It is
// XXH64 (seed 0) of the workspace's id, a zero byte and the user id as sent,
// modulo the size of the lane, counted from the lane's first.
//
// It must never change: the order of a user's items, across collectors,
// restarts and releases, rests on all of them going the same way.
func Partition(workspace weir.WorkspaceID, userID string, lane queue.Lane, n int) int {
	first, size := lane.Range(n)
	var d xxhash.Digest
	d.Reset()
	// A Digest's writes cannot fail.
	_, _ = d.WriteString(string(workspace))
	_, _ = d.Write([]byte{0})
	_, _ = d.WriteString(userID)
	return first + int(d.Sum64()%uint64(size))
}
