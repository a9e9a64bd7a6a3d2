package query

import (
	"strings"

	"github.com/weirhq/weir"
)

// Limits of flows, distributions and sql.
const (
	MaxPath  = 20     // steps of flows
	MaxEdges = 1_000  // limit of flows
	MaxGap   = 1_440  // session_gap_minutes
	MaxBins  = 200    // of a distribution
	MaxRows  = 10_000 // limit of sql
)

func (p *parser) flows(n *node) *Flows {
	p.fields(n, []string{"kind", "from", "to", "timezone", "event", "filters", "node", "start", "end", "steps", "limit", "per",
		"session_gap_minutes", "exclude", "explain"}, nil)
	p.timezone(n)
	f := &Flows{
		Range:   p.span(n),
		Match:   Match{Events: p.events(n, AnyEvent), Where: p.where(n)},
		Start:   p.nodeText(n, "start"),
		End:     p.nodeText(n, "end"),
		Steps:   p.whole(n, "steps", 5, 2, MaxPath),
		Limit:   p.count(n, "limit", 50, MaxEdges),
		PerUser: p.which(n, "per", "session", "session", "user") == 1,
		Gap:     weir.Micros(p.count(n, "session_gap_minutes", 30, MaxGap)) * 60 * aSecond,
		Exclude: p.names(n, "exclude", 0, MaxOperands, MaxText),
	}
	if n.get("node") != nil {
		f.Node = &Ref{On: OnEvent, Name: p.name(n, "node", "")}
	}
	return f
}

// nodeText is a member that is the text of a node, which may be as long as that of
// a value; the empty string if it is absent.
func (p *parser) nodeText(n *node, name string) string {
	s, given := p.text(n, name, "")
	if given && (s == "" || len(s) > MaxText) {
		p.fail(n.child(name), "%s must have 1 to %d bytes.", name, MaxText)
	}
	return s
}

func (p *parser) distribution(n *node) *Distribution {
	p.fields(n, []string{"kind", "from", "to", "timezone", "event", "filters", "property", "on", "bins", "explain"}, nil)
	p.timezone(n)
	d := &Distribution{Range: p.span(n), Match: p.match(n, nil), Bins: p.count(n, "bins", 20, MaxBins)}
	switch {
	case n.get("property") != nil:
		of := p.ref(n)
		if of.On == OnUser {
			p.fail(n.child("on"), "A distribution of a property of users is not in this release; on must be one of event, session.")
		}
		d.Property = &of
	case n.get("on") != nil:
		p.fail(n.child("on"), "on says whose property it is; name the property too, or leave on out to count the events per person.")
	}
	return d
}

func (p *parser) sql(n *node) *SQL {
	p.fields(n, []string{"kind", "sql", "limit"}, nil)
	text, given := p.text(n, "sql", "")
	if !given || strings.TrimSpace(text) == "" {
		p.fail(n.child("sql"), "sql is required: the statement, as a string.")
	}
	return &SQL{Text: text, Rows: p.count(n, "limit", 1_000, MaxRows)}
}
