package query

import "github.com/weirhq/weir"

// Plan is a valid question. Exactly one of its kinds is set.
type Plan struct {
	Trends       *Trends
	Funnel       *Funnel
	Retention    *Retention
	Lifecycle    *Lifecycle
	Stickiness   *Stickiness
	Flows        *Flows
	Distribution *Distribution
	SQL          *SQL

	// Explain asks for the people behind one number of the answer. Nil: the answer.
	Explain *Explain
}

// SQL is a statement that reads the workspace's own tables (CONTRACT §4.1).
type SQL struct {
	Text string
	Rows int // most rows of the answer
}

// Trends counts events, users or sessions over time.
type Trends struct {
	Buckets   Buckets
	Where     Predicate // on every series; nil: all
	Series    []Series  // at least one
	Breakdown *Breakdown
}

// Series is one line of a chart.
type Series struct {
	Name    string
	Event   string    // AnyEvent, or a name
	Where   Predicate // nil: all
	Measure Measure
}

// AnyEvent as a Series' event counts events of every name.
const AnyEvent = "*"

// Measure says what a series counts.
type Measure string

// The measures of this release.
const (
	Total    Measure = "total"    // events
	Users    Measure = "users"    // distinct persons
	Sessions Measure = "sessions" // distinct sessions; events without one do not count
)

// Buckets divides a range of time. It is computed by calendar arithmetic in the
// question's zone (SEMANTICS §1), so that an engine compares instants only.
type Buckets struct {
	// Edges are the instants at which buckets begin, and last the end of the
	// range: bucket i is [Edges[i], Edges[i+1]). The range may cut the first and
	// the last bucket short. At least two, strictly rising.
	Edges []weir.Micros
	// Labels name the buckets, one each: a date for days and longer, else an
	// RFC 3339 instant with the zone's offset.
	Labels []string
}

// Breakdown splits every series by the text form of a property. An absent value
// is its own group, null.
type Breakdown struct {
	By Ref
	// Limit is how many groups each series keeps, those with the highest totals;
	// at least 1.
	Limit int
}

// Scope says whose property it is.
type Scope string

// The scopes. A session's properties stand on its events under names that start
// with "$".
const (
	OnEvent   Scope = "event"
	OnUser    Scope = "user"
	OnSession Scope = "session"
)

// Ref names a property.
type Ref struct {
	On   Scope
	Name string
}

// Predicate is a condition on an event row: All, Any, Not, Compare or Did. A nil
// Predicate is true.
type Predicate interface{ predicate() }

// All is true if every part is; an empty All is true.
type All []Predicate

// Any is true if at least one part is; an empty Any is false.
type Any []Predicate

// Not is true if its part is not.
type Not struct{ Of Predicate }

// Compare is a condition on one property, with the meanings of SEMANTICS §8.
// The negative operators of a question (neq, not_in, …) are planned as Not of
// the positive one, which includes events without the property.
type Compare struct {
	Property Ref
	Op       Op
	// Text are the operands of In (any of them), Contains (one, lower-cased) and
	// Regex (one, valid RE2).
	Text []string
	// Low and High bound Range; which ends count is in LowOpen and HighOpen.
	// Infinities mean no bound.
	Low, High         float64
	LowOpen, HighOpen bool
	// From and To bound Times, half open. Both are always set: TimeMin and
	// TimeMax, which no RFC 3339 text reaches, stand for no bound.
	From, To weir.Micros
	// FromDay and ToDay bound Times for values that are a date alone, half open:
	// such a value is the beginning of the day in the question's zone, but it is
	// compared as midnight UTC of that date, so that engines need no zone.
	FromDay, ToDay weir.Micros
}

// Op is how Compare compares.
type Op uint8

const (
	// In holds if the text form of the value, or of an element of a list, is one of Text.
	In Op = iota
	// Contains holds if the text form contains Text[0], without regard to case.
	Contains
	// Regex holds if the text form matches Text[0].
	Regex
	// Range holds if the value reads as a number and lies in the bounds.
	Range
	// Times holds if the value reads as an RFC 3339 time or date and lies in the bounds.
	Times
	// IsSet holds if the property is there and not null.
	IsSet
)

// Did holds for the events of persons who have, in all, from Least to Most events
// that Match chooses in its Span, whatever the range and the filters of the question. A person
// without any has 0 of them. Property conditions on the user in Match look at the
// same person.
type Did struct {
	Match
	Span
	Least int
	Most  int // below 0: any number
}

func (*Did) predicate()     {}
func (All) predicate()      {}
func (Any) predicate()      {}
func (Not) predicate()      {}
func (*Compare) predicate() {}
