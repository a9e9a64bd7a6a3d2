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
	Attribution  *Attribution
	SQL          *SQL

	// Explain asks for the people behind one number of the answer. Nil: the answer.
	Explain *Explain
}

// SQL is a statement that reads the workspace's own tables (CONTRACT §4.1).
type SQL struct {
	Text string
	Rows int // most rows of the answer
}

// Trends measures events over time. The comment of the package is its fine print.
//
// With Visits its rows are visits instead of events: sessions, named or derived, and no
// impressions. A visit's time is its start, its session its number, and it has no name,
// so that Match.Events is nil. Its properties, OnEvent and OnSession, are its facts (see
// FactOf), and under any other name those of its events: of each the value of the
// earliest event of that session number that has one, and of events at the same time the
// least text form by bytes; it is always a text, the value's text form, also where that
// is a list. A fact that is true or false is, where it is measured as a number, 1 or 0;
// in a Range it is no number, as ever. OnUser is the person's, and Did is about the
// person's events, whenever they were.
type Trends struct {
	Period
	Visits bool
	// Previous is another range, of which the same is asked for comparison. Its lines
	// have the groups of Period. Nil: none.
	Previous   *Period
	Series     []Series // at least one
	Formulas   []Formula
	Breakdowns []Breakdown // at most MaxBreakdowns
	// Cumulative says that a bucket's value is of all rows from the beginning of the
	// range to the bucket's end.
	Cumulative bool
	// Rolling is over how many buckets the mean of the values is taken; 0: it is not.
	Rolling int
	// Rows, above 0, asks for a table of at most so many rows. It is then of one
	// bucket, and has nothing of Previous, Formulas, Cumulative and Rolling.
	Rows int
}

// Period is a range of time in buckets.
type Period struct {
	Buckets Buckets
	// Week and Month have for each bucket the instant from which WeeklyActive and
	// MonthlyActive count people, up to the bucket's end; neither falls. They are nil
	// if no series has the measure.
	Week, Month []weir.Micros
}

// Series is one line of a chart, or one line for each group.
type Series struct {
	Name string
	Match
	Measure  Measure
	Property Ref  // of the measures that need one
	Hidden   bool // it is for formulas only, and not answered
}

// AnyEvent in a question stands for events of every name.
const AnyEvent = "*"

// Measure says what a series counts. What it is of no rows is 0, or None for
// PerUser, Avg, Min, Max and the percentiles.
type Measure string

// The measures. Those from Sum on are of a property. All but Distinct look at the
// rows whose value reads as a number.
const (
	Total         Measure = "total"          // events
	Users         Measure = "users"          // distinct persons
	Sessions      Measure = "sessions"       // distinct sessions; events without one do not count
	WeeklyActive  Measure = "weekly_active"  // distinct persons of the bucket's last 7 days
	MonthlyActive Measure = "monthly_active" // of its last 30 days
	PerUser       Measure = "per_user"       // events divided by persons
	Sum           Measure = "sum"
	Avg           Measure = "avg"
	Min           Measure = "min"
	Max           Measure = "max"
	Median        Measure = "median"
	P75           Measure = "p75"
	P90           Measure = "p90"
	P95           Measure = "p95"
	P99           Measure = "p99"
	Distinct      Measure = "distinct" // different text forms
)

// OfProperty reports whether the measure needs a property.
func (m Measure) OfProperty() bool {
	switch m {
	case Sum, Avg, Min, Max, Distinct:
		return true
	}
	_, ok := m.Quantile()
	return ok
}

// Quantile is the part of the values that lies below a percentile. It is false of
// other measures.
func (m Measure) Quantile() (q float64, ok bool) {
	switch m {
	case Median:
		return 0.5, true
	case P75:
		return 0.75, true
	case P90:
		return 0.9, true
	case P95:
		return 0.95, true
	case P99:
		return 0.99, true
	}
	return 0, false
}

// Empty is the measure of no rows.
func (m Measure) Empty() Real {
	_, percentile := m.Quantile()
	if percentile || m == PerUser || m == Avg || m == Min || m == Max {
		return None
	}
	return 0
}

// Since is for each bucket the instant from which the measure looks at it, where
// that is not the bucket's own beginning; nil for all other measures.
func (p *Period) Since(m Measure) []weir.Micros {
	switch m {
	case WeeklyActive:
		return p.Week
	case MonthlyActive:
		return p.Month
	}
	return nil
}

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

// MaxBreakdowns is how many properties a question about trends may be divided by.
const MaxBreakdowns = 3

// Breakdown splits by the text form of a property. An absent value is its own
// group, null.
type Breakdown struct {
	By Ref
	// Limit is how many groups are kept, those with the highest totals; at least 1.
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
