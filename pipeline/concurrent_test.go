package pipeline_test

import (
	"fmt"
	"testing"

	"github.com/weirhq/weir/eventstore/clickstore/clicktest"
	"github.com/weirhq/weir/state/pgstate/pgtest"
)

// Deliveries of one item that name different users lie in different partitions and come
// to workers that have no user in common: they are one item all the same.
func TestItemsOfSeveralUsersAtOnce(t *testing.T) {
	var first, second []string
	for n := range 60 {
		id := fmt.Sprint("i", n)
		first = append(first, custom(id, "a", "Twice", fmt.Sprintf(`"v":%d`, n)))
		second = append(second, custom(id, "b", "Twice", fmt.Sprintf(`"v":%d`, -n)))
	}
	reference := newWorld(t)
	reference.send(first, second)
	reference.drain()
	want := reference.truth()
	for name, open := range map[string]func(t *testing.T) engines{
		"embedded": func(*testing.T) engines { return embedded },
		"processes apart": func(t *testing.T) engines {
			return engines{state: onPostgreSQL(pgtest.Server(t)), events: onClickHouse(clicktest.Server(t)), processes: partitions}
		},
		"PostgreSQL": func(t *testing.T) engines { return engines{state: onPostgreSQL(pgtest.Server(t)), events: openEvents} },
	} {
		t.Run(name, func(t *testing.T) {
			for range 5 {
				w := openWorld(t, t.TempDir(), open(t), t.Cleanup)
				w.options.Workers, w.options.Items = partitions, 5
				w.send(second, first)
				w.drain()
				w.differ("two users of each item", want, w.truth())
			}
		})
	}
}
