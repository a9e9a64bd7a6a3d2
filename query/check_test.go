package query

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/order"
)

// checkPlan holds a plan that Parse accepted against what its types promise.
func checkPlan(t *testing.T, plan *Plan) {
	kinds := 0
	for _, is := range []bool{plan.Trends != nil, plan.Funnel != nil, plan.Retention != nil, plan.Lifecycle != nil, plan.Stickiness != nil,
		plan.Flows != nil, plan.Distribution != nil, plan.Attribution != nil, plan.SQL != nil} {
		if is {
			kinds++
		}
	}
	if kinds != 1 {
		t.Fatalf("%d kinds: %+v", kinds, plan)
	}
	switch {
	case plan.Trends != nil:
		checkTrends(t, plan.Trends)
	case plan.Funnel != nil:
		checkFunnel(t, plan.Funnel)
	case plan.Retention != nil:
		checkRetention(t, plan.Retention)
	case plan.Lifecycle != nil:
		checkMatch(t, plan.Lifecycle.Match)
		checkBuckets(t, plan.Lifecycle.Buckets)
		if plan.Lifecycle.Before >= plan.Lifecycle.Buckets.Edges[0] {
			t.Fatalf("before %v", plan.Lifecycle.Before)
		}
	case plan.Stickiness != nil:
		checkMatch(t, plan.Stickiness.Match)
		checkBuckets(t, plan.Stickiness.Buckets)
	case plan.Flows != nil:
		checkFlows(t, plan.Flows)
	case plan.Distribution != nil:
		d := plan.Distribution
		checkMatch(t, d.Match)
		checkSpan(t, d.Range)
		if d.Bins < 1 || d.Bins > MaxBins || d.Property != nil && (d.Property.Name == "" || d.Property.On == OnUser) {
			t.Fatalf("distribution %+v", d)
		}
	case plan.Attribution != nil:
		checkAttribution(t, plan.Attribution)
	case plan.SQL != nil:
		if strings.TrimSpace(plan.SQL.Text) == "" || plan.SQL.Rows < 1 || plan.SQL.Rows > MaxRows {
			t.Fatalf("sql %+v", plan.SQL)
		}
	}
	if plan.Explain != nil {
		checkExplain(t, plan)
	}
}

func checkTrends(t *testing.T, trends *Trends) {
	checkPeriod(t, trends, &trends.Period)
	if trends.Previous != nil {
		checkPeriod(t, trends, trends.Previous)
	}
	if len(trends.Series) == 0 || len(trends.Series) > MaxSeries || len(trends.Breakdowns) > MaxBreakdowns {
		t.Fatalf("%d series, %d breakdowns", len(trends.Series), len(trends.Breakdowns))
	}
	for _, s := range trends.Series {
		if s.Name == "" || s.Measure == "" || s.Measure.OfProperty() != (s.Property.Name != "") {
			t.Fatalf("series %+v", s)
		}
		checkMatch(t, s.Match)
		if trends.Visits && s.Events != nil {
			t.Fatalf("visits have no name: %+v", s)
		}
	}
	for _, f := range trends.Formulas {
		named := map[int]bool{}
		f.Of.series(named)
		for i := range named {
			if f.Name == "" || i < 0 || i >= len(trends.Series) {
				t.Fatalf("formula %+v of series %d", f, i)
			}
		}
	}
	for _, b := range trends.Breakdowns {
		checkBreakdown(t, &b)
	}
}

func checkPeriod(t *testing.T, trends *Trends, p *Period) {
	checkBuckets(t, p.Buckets)
	for _, s := range trends.Series {
		since := p.Since(s.Measure)
		if (since != nil) != (s.Measure == WeeklyActive || s.Measure == MonthlyActive) {
			t.Fatalf("%s looks back to %v", s.Measure, since)
		}
		for i := range since {
			if since[i] >= p.Buckets.Edges[i+1] || i > 0 && since[i] < since[i-1] {
				t.Fatalf("bucket %d of %s looks back to %v", i, s.Measure, since)
			}
		}
	}
}

func checkBuckets(t *testing.T, b Buckets) {
	if len(b.Labels) == 0 || len(b.Labels) > MaxBuckets || len(b.Edges) != len(b.Labels)+1 {
		t.Fatalf("%d labels, %d edges", len(b.Labels), len(b.Edges))
	}
	checkRising(t, b.Edges)
}

func checkRising(t *testing.T, edges []weir.Micros) {
	for i := range len(edges) - 1 {
		if edges[i] >= edges[i+1] {
			t.Fatalf("edges do not rise: %v", edges)
		}
	}
}

func checkSpan(t *testing.T, s Span) {
	if s.From >= s.To || s.From < TimeMin || s.To > TimeMax {
		t.Fatalf("span %v to %v", s.From, s.To)
	}
}

func checkMatch(t *testing.T, m Match) {
	if len(m.Events) > MaxEvents {
		t.Fatalf("%d events", len(m.Events))
	}
	for _, name := range m.Events {
		if name == "" || name == AnyEvent || len(name) > MaxName {
			t.Fatalf("event %q", name)
		}
	}
	checkPredicate(t, m.Where)
}

func checkBreakdown(t *testing.T, b *Breakdown) {
	if b.By.Name == "" || b.By.On == "" || b.Limit < 1 || b.Limit > MaxGroups {
		t.Fatalf("breakdown %+v", b)
	}
}

func checkFunnel(t *testing.T, f *Funnel) {
	checkSpan(t, f.Range)
	last := len(f.Steps) - 1
	ok := last >= 1 && last < MaxSteps && !f.Steps[0].Optional &&
		f.WindowSession == (f.Window == 0) && f.Window >= 0 && f.Window <= MaxWindow &&
		f.Order <= Unordered && f.Entry <= EntryLatest && f.Counting <= CountSessions &&
		f.Grace >= 0 && f.Grace <= MaxGrace*aSecond && (f.Grace == 0 || !f.TiesStrict) &&
		len(f.Exclude) <= MaxExclusions && len(f.HoldConstant) <= MaxHeld && (len(f.Exclude) > 0 || !f.LeaveFunnel)
	for _, s := range f.Steps {
		checkMatch(t, s.Match)
		ok = ok && s.Name != ""
		if f.Order == Unordered {
			ok = ok && !s.Optional
		}
	}
	if f.Order == Unordered {
		ok = ok && f.Grace == 0 && !f.TiesStrict && len(f.Exclude) == 0
	}
	for _, x := range f.Exclude {
		checkMatch(t, x.Match)
		ok = ok && x.After >= 0 && x.After < x.Before && x.Before <= last
	}
	for _, r := range f.HoldConstant {
		ok = ok && r.Name != "" && r.On != OnUser
	}
	if b := f.Breakdown; b != nil {
		checkBreakdown(t, &b.Breakdown)
		ok = ok && b.Attribution <= AllSteps && b.AtStep >= 0 && b.AtStep <= last
	}
	if f.By != nil {
		checkBuckets(t, *f.By)
		ok = ok && f.By.Edges[0] == f.Range.From && f.By.Edges[len(f.By.Edges)-1] == f.Range.To
	}
	if !ok {
		t.Fatalf("funnel %+v", f)
	}
}

func checkRetention(t *testing.T, r *Retention) {
	checkMatch(t, r.Start)
	checkMatch(t, r.Return)
	checkBuckets(t, r.Cohorts)
	checkRising(t, r.Edges)
	if r.Breakdown != nil {
		checkBreakdown(t, r.Breakdown)
	}
	ok := r.Periods >= 1 && r.Periods <= MaxPeriods && len(r.Edges) == len(r.Cohorts.Edges)+r.Periods && r.Width > 0 && r.Now != 0
	for i, edge := range r.Cohorts.Edges {
		ok = ok && r.Edges[i] == edge
	}
	if !ok {
		t.Fatalf("retention %+v", r)
	}
}

func checkFlows(t *testing.T, f *Flows) {
	checkMatch(t, f.Match)
	checkSpan(t, f.Range)
	if f.Steps < 2 || f.Steps > MaxPath || f.Limit < 1 || f.Limit > MaxEdges || f.Gap <= 0 || f.Node != nil && (f.Node.On != OnEvent || f.Node.Name == "") {
		t.Fatalf("flows %+v", f)
	}
}

func checkAttribution(t *testing.T, a *Attribution) {
	checkMatch(t, a.Match)
	checkSpan(t, a.Range)
	event := a.Goal.Event
	if a.Orders {
		event = order.Orders
	}
	ok := len(a.Match.Events) == 1 && a.Match.Events[0] == event && a.Orders == (event == order.Orders) &&
		slices.Contains(attribution.Models(), a.Model) && a.By != "" &&
		a.HalfLife > 0 && a.HalfLife <= MaxHalfLife*aDay && a.Lookback > 0 && a.Lookback <= MaxLookback*aDay &&
		len(a.Goal.ValueProperty) <= MaxName && len(a.Goal.CurrencyProperty) <= MaxName
	if !ok {
		t.Fatalf("attribution %+v", a)
	}
}

func checkExplain(t *testing.T, plan *Plan) {
	x, ok := plan.Explain, false
	switch {
	case plan.Trends != nil:
		t := plan.Trends
		ok = x.Series >= 0 && x.Series < len(t.Series) && x.Bucket >= -1 && x.Bucket < len(t.Buckets.Labels) && len(x.Group) == len(t.Breakdowns)
	case plan.Funnel != nil:
		ok = x.Step >= 0 && x.Step < len(plan.Funnel.Steps) && (x.Group != nil) == (plan.Funnel.Breakdown != nil)
	case plan.Retention != nil:
		r := plan.Retention
		ok = x.Cohort >= 0 && x.Cohort < len(r.Cohorts.Labels) && x.Period >= -1 && x.Period <= r.Periods && (x.Group == nil || r.Breakdown != nil)
	case plan.Lifecycle != nil:
		ok = x.Bucket >= 0 && x.Bucket < len(plan.Lifecycle.Buckets.Labels) && x.State != ""
	case plan.Stickiness != nil:
		ok = x.Intervals >= 1 && x.Intervals <= len(plan.Stickiness.Buckets.Labels)
	case plan.Flows != nil:
		ok = x.From.Step >= 1 && x.To.Step == x.From.Step+1 && x.To.Step <= plan.Flows.Steps
	case plan.Distribution != nil:
		ok = x.Bin >= 0 && x.Bin < plan.Distribution.Bins
	case plan.Attribution != nil:
		ok = len(x.Group) == 1
	}
	if !ok {
		t.Fatalf("explain %+v", x)
	}
}

func checkPredicate(t *testing.T, p Predicate) {
	switch p := p.(type) {
	case nil:
	case All:
		for _, part := range p {
			checkPredicate(t, part)
		}
	case Any:
		for _, part := range p {
			checkPredicate(t, part)
		}
	case Not:
		checkPredicate(t, p.Of)
	case *Compare:
		checkCompare(t, p)
	case *Did:
		checkMatch(t, p.Match)
		checkSpan(t, p.Span)
		if p.Least < 0 || p.Most >= 0 && p.Most < p.Least {
			t.Fatalf("did %+v", p)
		}
	default:
		t.Fatalf("predicate %T", p)
	}
}

func checkCompare(t *testing.T, c *Compare) {
	ok := c.Property.Name != "" && c.Property.On != ""
	switch c.Op {
	case In:
		ok = ok && len(c.Text) > 0
	case Contains:
		ok = ok && len(c.Text) == 1 && c.Text[0] == strings.ToLower(c.Text[0])
	case Regex:
		_, err := regexp.Compile(c.Text[0])
		ok = ok && len(c.Text) == 1 && err == nil
	case Range:
		ok = ok && c.Low <= c.High && !math.IsNaN(c.Low) && !math.IsNaN(c.High)
	case Times:
		ok = ok && c.From >= TimeMin && c.To <= TimeMax && c.From < c.To && c.FromDay < c.ToDay
	}
	if !ok {
		t.Fatalf("comparison %+v", c)
	}
}
