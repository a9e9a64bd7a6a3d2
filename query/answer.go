package query

import (
	"encoding/json"
	"math"

	"github.com/weirhq/weir"
)

// Answer is the result of a plan, in the shapes of CONTRACT §4.1. Which fields it
// has depends on the plan's kind; nil ones are left out, empty ones are not.
type Answer struct {
	// Of trends, lifecycle: what the buckets are called.
	Buckets []string `json:"buckets,omitzero"`
	// Of trends.
	Series []SeriesAnswer `json:"series,omitzero"`

	// Of a funnel: one group without a breakdown, or all groups. Of retention with a
	// breakdown: the groups.
	Groups []GroupAnswer `json:"groups,omitzero"`

	// Of retention.
	Cohorts []Cohort `json:"cohorts,omitzero"`
	Average []Real   `json:"average,omitzero"`

	// Of lifecycle, a number for each bucket.
	New         []int64 `json:"new,omitzero"`
	Returning   []int64 `json:"returning,omitzero"`
	Resurrected []int64 `json:"resurrected,omitzero"`
	Dormant     []int64 `json:"dormant,omitzero"` // 0 or below

	// Of stickiness: 1, 2, … and how many people had so many.
	Intervals []int   `json:"intervals,omitzero"`
	People    []int64 `json:"people,omitzero"`

	// Of flows.
	Edges []Edge `json:"edges,omitzero"`

	// Of a distribution.
	Bins  []Bin  `json:"bins,omitzero"`
	Stats *Stats `json:"stats,omitzero"`

	// Of sql and tables, whose rows are lists of values (string, float64, int64, bool or nil), and
	// of attribution, whose rows are CreditRows.
	Columns []string `json:"columns,omitzero"`
	Rows    []any    `json:"rows,omitzero"`

	// Of attribution.
	Totals *CreditRow `json:"totals,omitzero"`

	// Of explain: the numbers of the persons, ascending, and who they are.
	Persons []uint32  `json:"-"`
	Users   []UserRef `json:"users,omitzero"`

	Truncated bool    `json:"truncated,omitempty"`
	AsOf      AsOf    `json:"as_of"`
	ElapsedMS float64 `json:"elapsed_ms"`
}

// UserRef names a person.
type UserRef struct {
	Number uint32 `json:"number"`
	ID     string `json:"id"`
}

// Real is a number of an answer; NaN stands for none, and is null in JSON.
type Real float64

// None is no number.
var None = Real(math.NaN())

// Ratio is a part of a whole, or None of nothing.
func Ratio(part, whole int64) Real {
	if whole == 0 {
		return None
	}
	return Real(float64(part) / float64(whole))
}

// MarshalJSON writes a number, or null.
func (r Real) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(r)) || math.IsInf(float64(r), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(r))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Real) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*r = None
		return nil
	}
	return json.Unmarshal(text, (*float64)(r))
}

// AsOf says which items an answer includes: everything up to these sequence
// numbers of the log's partitions.
type AsOf struct {
	Time      weir.Micros    `json:"time"`
	Positions map[int]uint64 `json:"positions"`
}

// SeriesAnswer is one line: a series or a formula, or one group of it.
type SeriesAnswer struct {
	Name string `json:"name"`
	// Breakdown has a value for each breakdown: a text, null for what has none, or
	// OtherGroup for all that are not kept.
	Breakdown []*string `json:"breakdown,omitempty"`
	Period    string    `json:"period"` // current or previous
	// Buckets are what the buckets of a previous period are called, which may be more
	// or fewer than the answer's.
	Buckets []string `json:"buckets,omitzero"`
	Values  []Real   `json:"values"` // null where there is none
	// Total is over the whole range: for unique counts never the sum of Values.
	Total Real `json:"total"`
}

// GroupAnswer is a group of a funnel or of retention: all, or one value of the
// breakdown. Null is the group without a value, and of a funnel all.
type GroupAnswer struct {
	Breakdown *string `json:"breakdown"`
	// Of a funnel.
	Steps []StepAnswer `json:"steps,omitzero"`
	// Of a funnel over time: for each bucket, by the start.
	OverTime []FunnelBucket `json:"over_time,omitzero"`
	// Of retention.
	Cohorts []Cohort `json:"cohorts,omitzero"`
	Average []Real   `json:"average,omitzero"`
}

// StepAnswer is a step of a funnel.
type StepAnswer struct {
	Event string `json:"event"`
	Count int64  `json:"count"`
	// FromStart is the count's part of that of the first step, FromPrevious of that
	// of the step before it that is not optional; null of 0. Both are 1 at the first step, or null.
	FromStart    Real `json:"from_start"`
	FromPrevious Real `json:"from_previous"`
	// The time since the step before it in the way, in seconds, over the ways that are
	// counted at this step; null at the first step and of none. The average is the sum in
	// whole microseconds, divided once; the median of an even number is the mean of the two
	// in the middle.
	AvgSeconds    Real `json:"avg_seconds"`
	MedianSeconds Real `json:"median_seconds"`
}

// FunnelBucket is what a funnel counts of those who started in one bucket.
type FunnelBucket struct {
	Bucket string  `json:"bucket"`
	Counts []int64 `json:"counts"` // by step
	// Rate is the last step's part of the first's.
	Rate Real `json:"rate"`
}

// Cohort is a row of retention; it is there also if it has nobody.
type Cohort struct {
	Start string `json:"start"` // the bucket's label
	Size  int64  `json:"size"`
	// Counts are of the periods 0, 1, …; null where a period is not over.
	Counts []Real `json:"counts"`
}

// Node is a place in a path.
type Node struct {
	Step int    `json:"step"` // from 1
	Node string `json:"node"`
}

// Edge is a transition of flows.
type Edge struct {
	From       Node  `json:"from"`
	To         Node  `json:"to"`
	Count      int64 `json:"count"`
	AvgSeconds Real  `json:"avg_seconds"`
}

// CreditRow is what touchpoints of one kind are credited with.
type CreditRow struct {
	Key         *string `json:"key"` // null where nothing is known; of totals always
	Conversions float64 `json:"conversions"`
	ValueCents  int64   `json:"value_cents"`
	Touchpoints int64   `json:"touchpoints"`
	Roles       Roles   `json:"roles"`
}

// Roles are how many touchpoints played which part.
type Roles struct {
	Alone     int64 `json:"alone"`
	Initiator int64 `json:"initiator"`
	Assisting int64 `json:"assisting"`
	Closer    int64 `json:"closer"`
}

// Bin is a bar of a distribution: how many values there are from From to To, To
// itself not included but in the last bin.
type Bin struct {
	From  float64 `json:"from"`
	To    float64 `json:"to"`
	Count int64   `json:"count"`
}

// Stats are of all values of a distribution; all but Count are null of none.
type Stats struct {
	Count   int64 `json:"count"`
	Min     Real  `json:"min"`
	Max     Real  `json:"max"`
	Average Real  `json:"average"`
	Median  Real  `json:"median"`
}
