package item

import (
	"fmt"
	"strings"
	"testing"
)

// A scanner is kept, so what senders make up must not fill its memory.
func TestLongNamesAreNotRemembered(t *testing.T) {
	s := &reader{names: map[string]*name{}}
	kept := 0
	for n := range 2 * maxNames {
		s.intern([]byte(fmt.Sprint(strings.Repeat("x", n%2*1000), n)))
	}
	for text := range s.names {
		kept += len(text)
	}
	if limit := maxNames * maxName; kept > limit {
		t.Errorf("%d bytes of names are kept, more than %d", kept, limit)
	}
}
