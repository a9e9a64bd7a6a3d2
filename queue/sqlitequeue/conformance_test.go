package sqlitequeue_test

import (
	"testing"

	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/queue/queuetest"
	"github.com/weirhq/weir/queue/sqlitequeue"
)

func TestConformance(t *testing.T) {
	queuetest.Test(t, func(t *testing.T) queuetest.Harness {
		dir := t.TempDir()
		return queuetest.Harness{
			Queue:  open(t, dir, &sqlitequeue.Options{Partitions: queuetest.Partitions}),
			Reopen: func(t *testing.T) queue.Queue { return open(t, dir, nil) },
			ReopenLimited: func(t *testing.T, maxBacklog int64) queue.Queue {
				return open(t, dir, &sqlitequeue.Options{MaxBacklog: maxBacklog})
			},
			AllOrNothing: true,
		}
	})
}

// open opens a queue without a guard of the disk, unless options set one.
func open(t testing.TB, dir string, options *sqlitequeue.Options) *sqlitequeue.Queue {
	t.Helper()
	if options == nil {
		options = &sqlitequeue.Options{}
	}
	if options.MinFree == 0 {
		options.MinFree, options.MinFreePercent = -1, -1
	}
	q, err := sqlitequeue.Open(t.Context(), dir, options)
	if err != nil {
		t.Fatal(err)
	}
	return q
}
