package rabbitqueue

import (
	"fmt"
	"testing"
)

func TestShareIsFair(t *testing.T) {
	everything := func(members ...string) map[int][]string {
		readers := map[int][]string{}
		for p := range 8 {
			readers[p] = append([]string(nil), members...)
		}
		return readers
	}
	for _, c := range []struct {
		name    string
		readers map[int][]string
		want    string
	}{
		{"alone", everything("a"), "map[0:a 1:a 2:a 3:a 4:a 5:a 6:a 7:a]"},
		{"two", everything("b", "a"), "map[0:a 1:b 2:a 3:b 4:a 5:b 6:a 7:b]"},
		{"three", everything("c", "a", "b"), "map[0:a 1:b 2:c 3:a 4:b 5:c 6:a 7:b]"},
		// Two processes with two workers each, which read every other partition.
		{"workers", map[int][]string{0: {"a", "c"}, 1: {"b", "d"}, 2: {"c", "a"}, 3: {"d", "b"}}, "map[0:a 1:b 2:c 3:d]"},
		{"nobody", nil, "map[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := fmt.Sprint(share(c.readers)); got != c.want {
				t.Errorf("shared as %s, want %s", got, c.want)
			}
		})
	}
}
