package query

import (
	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/order"
)

// The kinds of this file are about what each person did, one thing after the
// other. The comment of each type is its fine print: what SEMANTICS leaves open is
// decided there, once for every engine.

// Match chooses events by name and by a condition.
type Match struct {
	Events []string  // one of these names; none: of any name
	Where  Predicate // nil: all. The question's own filters are in it already
}

// Span is a stretch of time, half open.
type Span struct{ From, To weir.Micros }

// Funnel asks how many people go through a series of steps.
//
// # Streams
//
// Everything is found in streams of events, and each stream by itself. With
// Counting users or totals a stream is all events of one person, with sessions
// those of one session; events without a session are then left out. HoldConstant
// divides each stream further, by the text forms of those properties (absent is a
// value of its own, null). So does a breakdown with AllSteps, by its property.
//
// # Ways
//
// A way of depth d is a list of different events e1 … ed of a stream, where ei
// matches step i; optional steps may be left out (never the first), and d is then
// the number of the last step that is in the way. In a way
//
//   - e1 lies in Range. The other events may lie behind it, and, by Grace, before;
//   - no event is later than e1 + Window (which is itself inside), or, with
//     WindowSession, of another session than e1; an e1 without a session is then a
//     way of depth 1 alone;
//   - with ties step_order: no event is more than Grace earlier than any event of
//     an earlier step. Events of the same time are so in the order of their steps.
//     With TiesStrict each is later than the one before it, and Grace is 0;
//   - with Strict: no event of Others that is not in the way lies between two
//     consecutive events of the way, which means later than the earlier of them and
//     earlier than the later of them;
//   - for each exclusion: no event that it matches lies later than the event of
//     step After (of the last step up to After that is in the way) and earlier than
//     the event of any step of the way behind After, up to Before.
//
// With Unordered a way is any set of different events that match different steps,
// none later than the first of them + Window, the first of which lies in Range; d
// is how many they are. Step k is then the k-th in time, whichever it is. There
// are no exclusions, optional steps, grace or strict ties.
//
// # What is counted
//
// An attempt is all ways with the same start. The start is e1; with Unordered the first in
// time, any event that matches a step. Equal starts in time are one attempt for times, so
// starts are told apart by their time alone. An attempt's way is the deepest of it; among
// these the one that is decided first: of the ways to reach step 2 the earliest (an
// optional step is rather taken than left out, if it comes before what is taken for the
// next), and so on. What it tells, besides its depth, is the time of each step that is in
// it.
//
// By users and sessions each stream counts once (with HoldConstant or AllSteps: of
// the streams of one person or session with the same group, one): with EntryFirst
// by the attempt of its first start, with EntryLatest by that of its last one,
// with EntryBest by the deepest, and the earliest of the deepest. By totals a
// stream counts every attempt that does not overlap with one before: the first
// start begins one; it ends with the last event of its way if that reaches the
// last step, else with the exclusion that ended it, the first behind the last
// event of its way that forbids a next step, if there is one in its window, else
// with its window; the next is that of the first start after that end. (With
// WindowSession an attempt that fails ends with the last event of the session.)
//
// A way of depth d counts at step i <= d if step i is in it.
//
// Between ways that are alike in all this, the one counts whose events come first: events of
// the same time stand in the order of the texts of the properties that the question reads
// (the breakdown's, then HoldConstant), ascending by bytes, absent last, then of their
// sessions. It decides the value of a breakdown.
//
// With LeaveFunnel a stream that has an exclusion's event where it would forbid a way does
// not count at all. Each attempt of the stream is looked at, with the way that it would
// have without exclusions, if no step up to After is missing in it but optional ones: the
// event is later than that of the last step up to After in the way and, if the way is as
// deep as step Before, earlier than that of the last step up to Before in it, else up to
// the end of the window.
type Funnel struct {
	Range         Span
	Steps         []Step // 2 to MaxSteps
	Window        weir.Micros
	WindowSession bool // instead of Window
	Order         Order
	Entry         Entry
	Counting      Counting
	Grace         weir.Micros
	TiesStrict    bool
	Others        Match // with Strict: the events that may not lie between
	Exclude       []Exclusion
	LeaveFunnel   bool
	HoldConstant  []Ref
	Breakdown     *FunnelBreakdown
	// By divides Range, for conversion over time: a way counts in the bucket of its
	// start. Nil: not asked for.
	By *Buckets
}

// MaxSteps bounds the steps of a funnel.
const MaxSteps = 20

// Step is one step of a funnel.
type Step struct {
	Name string // as the answer calls it: the event, or the events with commas
	Match
	Optional bool
}

// Order says how the steps follow one another.
type Order uint8

// The orders.
const (
	Ordered   Order = iota // other events may lie between
	Strict                 // none may
	Unordered              // any order
)

// Entry says which attempt of a stream counts.
type Entry uint8

// The entries.
const (
	EntryBest Entry = iota
	EntryFirst
	EntryLatest
)

// Counting says what is counted.
type Counting uint8

// The countings.
const (
	CountUsers Counting = iota
	CountTotals
	CountSessions
)

// Exclusion forbids events between two steps, which are numbered from 0; After is
// less than Before.
type Exclusion struct {
	Match
	After, Before int
}

// FunnelBreakdown divides what is counted by a property. The value is that of an
// event of the counted way (its text form, as in all breakdowns), or with OnUser the
// person's current one. Which event says it: FirstTouch the earliest step in the
// way that has one, LastTouch the last that has one, TouchStep the step AtStep,
// null if that is not in the way.
//
// The Limit values with the highest count at step 1 are groups of their own, among
// equals the first by bytes, null last; the rest is one group, [OtherGroup]. Groups
// stand in this order, the rest last; with a rest the answer says that it is truncated.
type FunnelBreakdown struct {
	Breakdown
	Attribution Touch
	AtStep      int // from 0
}

// Touch says which step's event has the value of a breakdown.
type Touch uint8

// The touches.
const (
	FirstTouch Touch = iota
	LastTouch
	TouchStep
	AllSteps // see Funnel
)

// OtherGroup is what an answer calls the group of all values beyond a breakdown's
// limit.
const OtherGroup = "$other"

// Retention asks how many people come back.
//
// Cohorts are whole buckets of one Period; a person is in cohort c if an event
// that Start matches lies in it: with FirstTime the first one ever, else any. (The
// first ever is found over all time, whatever the range.) The
// person's own start in c is the earliest such event in it. The person returned in
// period n if an event that Return matches, at or after the own start, lies in it:
// by the calendar that is the n-th bucket after c, whose beginnings Edges has; with
// Rolling it is from start + n*Width to start + (n+1)*Width, half open. With
// OnOrAfter it is n or any later period, without end. The start itself counts, in
// period 0, if Return matches it.
//
// A cell is null while its period is not over for all of the cohort at Now: by the
// calendar, while the end of bucket c+n is later than Now; with Rolling, while the end of c
// + (n+1)*Width is. Average is the sum of returned people over the sum of sizes, of the
// cohorts whose cell of that period is not null; null if these sizes are 0 in sum.
//
// With a breakdown the value is that of the own start; with OnUser the person's.
// The answer has then Groups, each with cohorts and an average, besides those of
// all people. Groups are ranked by the sum of their cohorts' sizes, as in funnels.
type Retention struct {
	Start, Return Match
	Cohorts       Buckets // whole
	Edges         []weir.Micros
	Periods       int // after period 0: a cohort has Periods+1 counts
	FirstTime     bool
	OnOrAfter     bool
	Rolling       bool
	Width         weir.Micros // with Rolling
	Now           weir.Micros
	Breakdown     *Breakdown
}

// Lifecycle asks in each bucket how many people are new (the first matching event
// of all time is in it), returning (active in it and in the bucket before, and not
// new), resurrected (active in it, not in the bucket before, and not new) and
// dormant (active in the bucket before and not in it; the answer has negative
// numbers). Buckets are whole; Before is when the one before the first begins.
type Lifecycle struct {
	Match
	Buckets Buckets
	Before  weir.Micros
}

// Stickiness asks how many people have a matching event in exactly k of the
// buckets, for k from 1 to their number; Cumulative: in k or more. Buckets are whole.
type Stickiness struct {
	Match
	Buckets    Buckets
	Cumulative bool
}

// Flows asks which ways people take. A path is made of the matching events of a stream in
// Range, in order of time; events of the same time stand in order of their node's text.
// Each is a node: its name, or the text form of the property Node; events without that
// property are left out, and so are nodes of Exclude. Streams are a person's events of one
// session, or with PerUser all of a person. A person's matching events in Range without a
// session are a stream from each that comes more than Gap after the one before it, whether
// or not it is a node.
//
// With Start a path begins with the first node of that text, with End it ends with the last one; a
// stream without such a node has no path. With End alone the path is the last
// Steps nodes, else the first Steps nodes. (With both: from the first Start to the last
// End after it, of which the first Steps nodes.) Step 1 is the path's first node; with End alone
// steps are counted so that the end is always step Steps.
//
// An edge is a step with its node and the next; its Count is in how many paths it
// is, AvgSeconds the mean time between. A path that has fewer than Steps nodes and
// is at the end of its stream goes on to the node [ExitNode]; with End no path does. Edges to it
// have no AvgSeconds. The Limit edges with the highest count are answered, among
// equals by step, from and to, ascending; they stand by step, then count
// descending, then from and to ascending.
type Flows struct {
	Match
	Range      Span
	Node       *Ref // nil: the event's name
	Start, End string
	Steps      int
	Limit      int
	PerUser    bool
	Gap        weir.Micros
	Exclude    []string
}

// ExitNode is where a path ends.
const ExitNode = "$exit"

// Distribution asks how a number is spread: with a property, its value in each
// matching event that has one that reads as a number (as Range in Compare has it;
// a list does not); without, how many matching events each person has.
//
// Bins are equally wide from the least value to the greatest, Bins of them; a value v is in
// bin floor((v-least)/width), the greatest in the last. If there are no more than Bins
// different values, and all are whole, each has a bin of its own, from and to both the
// value. The answer has, besides the bins, count, min, max, average and median of the
// values (the mean of the two in the middle if they are even in number).
type Distribution struct {
	Match
	Range    Span
	Property *Ref // nil: events per person
	Bins     int
}

// Explain asks for the people behind one number of the answer, instead of the
// answer. Which fields have a meaning depends on the kind.
type Explain struct {
	Series    int       // of trends
	Bucket    int       // of trends and lifecycle; -1: the total
	Group     []*string // with a breakdown: as the answer names the group; nil: without one. Of attribution: the row's key
	Step      int       // of a funnel, from 0
	Dropped   bool      // of a funnel: those who reached the step before the next, and not the next
	Cohort    int       // of retention
	Period    int       // of retention; -1: the cohort's size
	State     string    // of lifecycle: new, returning, resurrected or dormant
	Intervals int       // of stickiness
	From, To  *Node     // of flows
	Bin       int       // of a distribution
}

// Attribution asks which touchpoints led to conversions, and credits them
// (SEMANTICS §5; the rules are package attribution's).
//
// Conversions are the events that Match chooses in Range: with Orders they are orders, and worth
// what package order says an order is worth, a cancelled one nothing and no conversion;
// else they are worth their value by Goal. Values are cents of the workspace's currency
// by Rates; one that has no rate is a conversion that is worth 0.
//
// Touchpoints are the person's visits (sessions and first impressions) before it, at most
// Lookback old, with AfterPrevious none that is not later than the person's previous
// conversion: an order that is not cancelled, or an event of Goals, or one that Match
// chooses, whatever the range.
//
// A row is a value of By of the touchpoints: the channel as the workspace's mapping has it,
// source, medium, campaign or landing page; nothing known is null. Conversions is the sum
// of the touchpoints' parts in conversions (for participation a whole one each), ValueCents
// of their credits, Touchpoints how many they are, and Roles which parts they play,
// whatever the model gives them; a visit counts there for each conversion that it led to. A
// conversion is shared in whole billionths, as its value is in cents, so that parts add up
// exactly in any order. A conversion without a touchpoint is in the row null, with all of
// its credit and no touchpoint. Rows stand by value descending, then conversions
// descending, then by bytes, null last; the first [MaxLines] are answered. The credits of
// one conversion sum to its value exactly, but for participation. Totals are of all
// conversions, each counted once with its value, and of all their touchpoints.
//
// Explain lists the persons of the conversions of which the row with the key of its Group
// has a part; one that the model gives nothing of is not among them.
type Attribution struct {
	Match
	Range         Span
	Orders        bool
	Goal          order.Goal
	Goals         []order.Goal
	Rates         *order.Rates
	Model         attribution.Model
	HalfLife      weir.Micros
	Lookback      weir.Micros
	AfterPrevious bool
	By            AttributionKey
}

// AttributionKey is what rows of an attribution are by.
type AttributionKey string

// The keys.
const (
	ByChannel     AttributionKey = "channel"
	BySource      AttributionKey = "source"
	ByMedium      AttributionKey = "medium"
	ByCampaign    AttributionKey = "campaign"
	ByLandingPage AttributionKey = "landing_page"
)
