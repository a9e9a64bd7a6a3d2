package query

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// isIn reads a segment: its definition takes the place of the filter that names it.
// Times in it are of the workspace's zone, not of the question's, so that a
// segment is the same people in every question.
func (p *parser) isIn(n *node, depth int) Predicate {
	id, at := p.name(n, "segment", ""), n.child("segment")
	switch {
	case p.fault != nil:
		return nil
	case slices.Contains(p.inside, id):
		p.fail(at, "The segment %q contains itself.", clip(id))
		return nil
	case len(p.inside) == MaxSegments:
		p.fail(at, "Segments may be nested %d deep.", MaxSegments)
		return nil
	}
	var definition []byte
	ok := false
	if p.segment != nil {
		definition, ok = p.segment(id)
	}
	if !ok {
		p.fail(at, "There is no segment %q.", clip(id))
		return nil
	}
	root, fault := readDocument(definition)
	if fault != nil || root.kind != jsontext.KindBeginObject {
		p.fail(at, "The definition of the segment %q is not the JSON of a filter; save the segment anew.", clip(id))
		return nil
	}
	zone := p.zone
	p.zone, p.inside = p.home, append(p.inside, id)
	of := p.filter(root, depth)
	p.zone, p.inside = zone, p.inside[:len(p.inside)-1]
	if p.fault != nil {
		// The path of the error is one of the definition.
		p.fault = invalid(at, "In the segment %q, at %q: %s", clip(id), clip(p.fault.Field), p.fault.Message)
		return nil
	}
	return of
}
