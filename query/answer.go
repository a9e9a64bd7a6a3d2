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

	// Of sql and tables.
	Columns []string `json:"columns,omitzero"`
	Rows    [][]any  `json:"rows,omitzero"` // of string, float64, int64, bool, nil

	// Of explain: the numbers of the persons, ascending. The API gives their ids.
	Persons []uint32 `json:"-"`

	Truncated bool    `json:"truncated,omitempty"`
	AsOf      AsOf    `json:"as_of"`
	ElapsedMS float64 `json:"elapsed_ms"`
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

// SeriesAnswer is one line: a series, or one group of it.
type SeriesAnswer struct {
	Name      string    `json:"name"`
	Breakdown []*string `json:"breakdown,omitempty"` // one element per breakdown; null is the group without a value
	Period    string    `json:"period"`
	Values    []float64 `json:"values"`
	// Total is over the whole range: for unique counts never the sum of Values.
	Total float64 `json:"total"`
}

// GroupAnswer is a group of a funnel or of retention: all, or one value of the
// breakdown. Null is the group without a value, and of a funnel all.
type GroupAnswer struct {
	Breakdown *string `json:"breakdown"`
	// Of a funnel.
	Steps []StepAnswer `json:"steps,omitzero"`
	// Of a funnel over time: for each bucket, by the start.
	OverTime []Conversion `json:"over_time,omitzero"`
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
	// counted at this step; null at the first step and of none. The average is the sum in whole microseconds,
	// divided; the median of an even number is the mean of the two in the middle.
	AvgSeconds    Real `json:"avg_seconds"`
	MedianSeconds Real `json:"median_seconds"`
}

// Conversion is what a funnel counts of those who started in one bucket.
type Conversion struct {
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
