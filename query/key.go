package query

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"hash"
	"reflect"
	"slices"
)

// Key is the same for plans that mean the same question, and for no others: what an
// answer may be kept under. (Plans of equal meaning that are written otherwise have
// different keys.)
func (p *Plan) Key() [sha256.Size]byte {
	h := sha256.New()
	writeKey(h, reflect.ValueOf(p))
	return [sha256.Size]byte(h.Sum(nil))
}

// writeKey writes a value so that no two values are written alike: with its type, which
// tells predicates apart, and with the number of what it holds. Keys of maps are texts.
func writeKey(h hash.Hash, v reflect.Value) {
	switch v.Kind() {
	case reflect.Invalid:
		fmt.Fprint(h, "nil;")
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			fmt.Fprint(h, "nil;")
			return
		}
		writeKey(h, v.Elem())
	case reflect.Struct:
		fmt.Fprintf(h, "%s{", v.Type())
		for i := range v.NumField() {
			writeKey(h, v.Field(i))
		}
		fmt.Fprint(h, "};")
	case reflect.Slice, reflect.Array:
		fmt.Fprintf(h, "%s[%d:", v.Type(), v.Len())
		for i := range v.Len() {
			writeKey(h, v.Index(i))
		}
		fmt.Fprint(h, "];")
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
		fmt.Fprintf(h, "%s[%d:", v.Type(), v.Len())
		for _, key := range keys {
			writeKey(h, key)
			writeKey(h, v.MapIndex(key))
		}
		fmt.Fprint(h, "];")
	case reflect.String:
		fmt.Fprintf(h, "%d:%s;", v.Len(), v.String())
	default: // numbers and truth values
		fmt.Fprintf(h, "%s:%v;", v.Type(), v)
	}
}
