package weir

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// Stamp orders the writers of a field: by time, then by item.
type Stamp struct {
	At   Micros // the item's version
	Item string // the item's id
}

// Compare is negative if s is older than t.
func (s Stamp) Compare(t Stamp) int {
	return cmp.Or(cmp.Compare(s.At, t.At), cmp.Compare(s.Item, t.Item))
}

// Fields is a document whose fields are merged one by one: the last writer of
// a field wins (SEMANTICS §2). Merging is commutative, associative and
// idempotent, so that the order and the number of arrivals do not matter. A
// null value is kept, as it clears what older writers said. The zero Fields is
// empty and ready to use.
type Fields struct {
	entries []stamped // sorted by name, one per name
}

type stamped struct {
	Property
	stamp Stamp
}

// beats decides between two writers of one field. Two values with one stamp
// come from two contents of one version of one item: the greater text wins,
// which is arbitrary but the same everywhere.
func (s stamped) beats(other stamped) bool {
	return cmp.Or(
		s.stamp.Compare(other.stamp),
		cmp.Compare(s.Value.Type, other.Value.Type),
		cmp.Compare(s.Value.String(), other.Value.String()),
	) > 0
}

// Set merges properties written at one stamp and reports whether any value
// that Get returns has changed. The slice is not kept.
func (f *Fields) Set(stamp Stamp, properties ...Property) bool {
	_, changed := f.Write(stamp, properties...)
	return changed
}

// Write is Set for who keeps the document: written reports whether the document
// has changed and must be stored. It may have although no value has: a value
// that is said again at a later stamp, or cleared before it was ever set, holds
// against what older writers say afterwards.
func (f *Fields) Write(stamp Stamp, properties ...Property) (written, changed bool) {
	for _, p := range properties {
		w, c := f.set(stamped{p, stamp})
		written, changed = written || w, changed || c
	}
	return written, changed
}

// Merge merges other into f and reports whether any value has changed.
func (f *Fields) Merge(other Fields) bool {
	changed := false
	for _, e := range other.entries {
		if _, c := f.set(e); c {
			changed = true
		}
	}
	return changed
}

func (f *Fields) set(e stamped) (written, changed bool) {
	i, found := slices.BinarySearchFunc(f.entries, e.Name, func(s stamped, name string) int { return cmp.Compare(s.Name, name) })
	if !found {
		f.entries = slices.Insert(f.entries, i, e)
		return true, e.Value.Type != Null
	}
	old := f.entries[i]
	if !e.beats(old) {
		return false, false
	}
	f.entries[i] = e
	return true, old.Value != e.Value
}

// Get is the value of a field; ok is false if it was never set or is cleared.
func (f Fields) Get(name string) (v Value, ok bool) {
	i, found := slices.BinarySearchFunc(f.entries, name, func(s stamped, name string) int { return cmp.Compare(s.Name, name) })
	if !found || f.entries[i].Value.Type == Null {
		return Value{}, false
	}
	return f.entries[i].Value, true
}

// Properties lists the fields that are set and not cleared, sorted by name.
func (f Fields) Properties() []Property {
	out := make([]Property, 0, len(f.entries))
	for _, e := range f.entries {
		if e.Value.Type != Null {
			out = append(out, e.Property)
		}
	}
	return out
}

// Len counts the fields, cleared ones included.
func (f Fields) Len() int { return len(f.entries) }

// Clone is a copy that shares nothing with f.
func (f Fields) Clone() Fields { return Fields{slices.Clone(f.entries)} }

// fieldsJSON keeps every stamp once: most fields of a document were written by
// few items.
type fieldsJSON struct {
	Stamps []stampJSON `json:"s"`
	Fields []fieldJSON `json:"f"`
}

type stampJSON struct {
	At   int64  `json:"t"`
	Item string `json:"i"`
}

type fieldJSON struct {
	Name  string `json:"n"`
	Value Value  `json:"v"`
	Stamp int    `json:"s"` // index into Stamps
}

// MarshalJSON writes the document with its stamps; UnmarshalJSON reads it.
func (f Fields) MarshalJSON() ([]byte, error) {
	out := fieldsJSON{Stamps: []stampJSON{}, Fields: make([]fieldJSON, 0, len(f.entries))}
	index := map[Stamp]int{}
	for _, e := range f.entries {
		i, ok := index[e.stamp]
		if !ok {
			i = len(out.Stamps)
			index[e.stamp] = i
			out.Stamps = append(out.Stamps, stampJSON{int64(e.stamp.At), e.stamp.Item})
		}
		out.Fields = append(out.Fields, fieldJSON{e.Name, e.Value, i})
	}
	return json.Marshal(out)
}

// UnmarshalJSON replaces f with what MarshalJSON wrote.
func (f *Fields) UnmarshalJSON(data []byte) error {
	var in fieldsJSON
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	f.entries = make([]stamped, 0, len(in.Fields))
	for _, e := range in.Fields {
		if e.Stamp < 0 || e.Stamp >= len(in.Stamps) {
			return fmt.Errorf("read fields: field %q names stamp %d of %d", e.Name, e.Stamp, len(in.Stamps))
		}
		s := in.Stamps[e.Stamp]
		f.set(stamped{Property{e.Name, e.Value}, Stamp{Micros(s.At), s.Item}})
	}
	return nil
}
