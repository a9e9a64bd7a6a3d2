package query

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirhq/weir"
)

// describe writes a plan so that a person can read it.
func describe(p *Plan) string {
	var b strings.Builder
	switch {
	case p.Trends != nil:
		describeTrends(&b, p.Trends)
	case p.Funnel != nil:
		describeFunnel(&b, p.Funnel)
	case p.Retention != nil:
		describeRetention(&b, p.Retention)
	case p.Lifecycle != nil:
		l := p.Lifecycle
		fmt.Fprintf(&b, "lifecycle of %s\n%sbefore: %s\n", matchText(l.Match), bucketText(l.Buckets), instantText(l.Before))
	case p.Stickiness != nil:
		s := p.Stickiness
		fmt.Fprintf(&b, "stickiness of %s\n%s", matchText(s.Match), bucketText(s.Buckets))
		if s.Cumulative {
			b.WriteString("cumulative\n")
		}
	case p.Flows != nil:
		describeFlows(&b, p.Flows)
	case p.Distribution != nil:
		d := p.Distribution
		what := "events per person"
		if d.Property != nil {
			what = refText(*d.Property)
		}
		fmt.Fprintf(&b, "distribution of %s, of %s, in %s, %d bins\n", what, matchText(d.Match), spanText(d.Range), d.Bins)
	case p.Attribution != nil:
		describeAttribution(&b, p.Attribution)
	case p.SQL != nil:
		fmt.Fprintf(&b, "sql %q, %d rows\n", p.SQL.Text, p.SQL.Rows)
	}
	if p.Explain != nil {
		describeExplain(&b, p)
	}
	return b.String()
}

func describeTrends(b *strings.Builder, t *Trends) {
	if t.Visits {
		b.WriteString("of visits\n")
	}
	describePeriod(b, &t.Period)
	if t.Previous != nil {
		b.WriteString("compared with ")
		describePeriod(b, t.Previous)
	}
	for _, s := range t.Series {
		fmt.Fprintf(b, "series %s: %s", s.Name, s.Measure)
		if s.Measure.OfProperty() {
			fmt.Fprintf(b, " of %s", refText(s.Property))
		}
		hidden := ""
		if s.Hidden {
			hidden = ", hidden"
		}
		fmt.Fprintf(b, " of %s%s\n", matchText(s.Match), hidden)
	}
	for _, f := range t.Formulas {
		fmt.Fprintf(b, "formula %s: %s\n", f.Name, expressionText(f.Of))
	}
	for _, by := range t.Breakdowns {
		fmt.Fprintf(b, "by %s, %d groups\n", refText(by.By), by.Limit)
	}
	if t.Cumulative {
		b.WriteString("cumulative\n")
	}
	if t.Rolling > 0 {
		fmt.Fprintf(b, "means of %d buckets\n", t.Rolling)
	}
	if t.Rows > 0 {
		fmt.Fprintf(b, "table of %d rows\n", t.Rows)
	}
}

func describePeriod(b *strings.Builder, p *Period) {
	n, edges := len(p.Buckets.Labels), p.Buckets.Edges
	fmt.Fprintf(b, "range %v to %v\n", edges[0].Time().Format(time.RFC3339Nano), edges[n])
	fmt.Fprintf(b, "buckets %d: %s … %s\n", n, p.Buckets.Labels[0], p.Buckets.Labels[n-1])
	if p.Week != nil {
		fmt.Fprintf(b, "weeks from %v … %v\n", p.Week[0], p.Week[n-1])
	}
	if p.Month != nil {
		fmt.Fprintf(b, "months from %v … %v\n", p.Month[0], p.Month[n-1])
	}
}

func expressionText(e *Expression) string {
	switch e.Op {
	case 'n':
		return fmt.Sprint(e.Number)
	case 's':
		return fmt.Sprint("series ", e.Series)
	}
	return fmt.Sprintf("(%s %c %s)", expressionText(e.Left), e.Op, expressionText(e.Right))
}

func describeFunnel(b *strings.Builder, f *Funnel) {
	fmt.Fprintf(b, "range %s\n", spanText(f.Range))
	for i, s := range f.Steps {
		optional := ""
		if s.Optional {
			optional = ", optional"
		}
		fmt.Fprintf(b, "step %d %q: %s%s\n", i, s.Name, matchText(s.Match), optional)
	}
	window := widthText(f.Window)
	if f.WindowSession {
		window = "session"
	}
	ties := "in the order of steps"
	if f.TiesStrict {
		ties = "strict"
	}
	fmt.Fprintf(b, "window %s; %s; entry %s; counting %s; grace %s; ties %s\n", window, [...]string{"ordered", "strict", "unordered"}[f.Order],
		[...]string{"best", "first", "latest"}[f.Entry], [...]string{"users", "totals", "sessions"}[f.Counting], widthText(f.Grace), ties)
	if f.Order == Strict {
		fmt.Fprintf(b, "others: %s\n", matchText(f.Others))
	}
	for _, x := range f.Exclude {
		fmt.Fprintf(b, "exclude %s, after step %d, before step %d\n", matchText(x.Match), x.After, x.Before)
	}
	if f.LeaveFunnel {
		b.WriteString("exclusions leave the funnel\n")
	}
	for _, r := range f.HoldConstant {
		fmt.Fprintf(b, "constant %s\n", refText(r))
	}
	if d := f.Breakdown; d != nil {
		touch := [...]string{"first touch", "last touch", fmt.Sprintf("step %d", d.AtStep), "all steps"}[d.Attribution]
		fmt.Fprintf(b, "by %s, %d groups, %s\n", refText(d.By), d.Limit, touch)
	}
	if f.By != nil {
		b.WriteString("over time, " + bucketText(*f.By))
	}
}

func describeRetention(b *strings.Builder, r *Retention) {
	fmt.Fprintf(b, "start: %s\nreturn: %s\ncohorts, %s", matchText(r.Start), matchText(r.Return), bucketText(r.Cohorts))
	fmt.Fprintf(b, "%d periods to %s, of %s; now %s", r.Periods, instantText(r.Edges[len(r.Edges)-1]), widthText(r.Width), instantText(r.Now))
	for _, is := range []struct {
		set  bool
		text string
	}{{r.FirstTime, "first time"}, {r.OnOrAfter, "on or after"}, {r.Rolling, "rolling"}} {
		if is.set {
			b.WriteString("; " + is.text)
		}
	}
	b.WriteString("\n")
	if r.Breakdown != nil {
		fmt.Fprintf(b, "by %s, %d groups\n", refText(r.Breakdown.By), r.Breakdown.Limit)
	}
}

func describeFlows(b *strings.Builder, f *Flows) {
	node, per := "name", "session"
	if f.Node != nil {
		node = refText(*f.Node)
	}
	if f.PerUser {
		per = "user"
	}
	fmt.Fprintf(b, "flows of %s in %s\n%d steps of %s per %s, gap %s, %d edges\n", matchText(f.Match), spanText(f.Range), f.Steps, node, per, widthText(f.Gap), f.Limit)
	if f.Start != "" || f.End != "" || f.Exclude != nil {
		fmt.Fprintf(b, "from %q to %q without %q\n", f.Start, f.End, f.Exclude)
	}
}

func describeAttribution(b *strings.Builder, a *Attribution) {
	worth := "as an order"
	if !a.Orders {
		worth = fmt.Sprintf("%q in %q", a.Goal.ValueProperty, a.Goal.CurrencyProperty)
	}
	previous := "whatever came before"
	if a.AfterPrevious {
		previous = "after the previous"
	}
	fmt.Fprintf(b, "attribution of %s, worth %s, in %s\n", matchText(a.Match), worth, spanText(a.Range))
	fmt.Fprintf(b, "%s, half-life %s, look-back %s, %s, by %s\n", a.Model, widthText(a.HalfLife), widthText(a.Lookback), previous, a.By)
}

func describeExplain(b *strings.Builder, p *Plan) {
	x := p.Explain
	switch {
	case p.Trends != nil:
		fmt.Fprintf(b, "explain series %d, bucket %d", x.Series, x.Bucket)
	case p.Funnel != nil:
		fmt.Fprintf(b, "explain step %d, dropped %v", x.Step, x.Dropped)
	case p.Retention != nil:
		fmt.Fprintf(b, "explain cohort %d, period %d", x.Cohort, x.Period)
	case p.Lifecycle != nil:
		fmt.Fprintf(b, "explain bucket %d, %s", x.Bucket, x.State)
	case p.Stickiness != nil:
		fmt.Fprintf(b, "explain %d intervals", x.Intervals)
	case p.Flows != nil:
		fmt.Fprintf(b, "explain %d %q to %d %q", x.From.Step, x.From.Node, x.To.Step, x.To.Node)
	case p.Distribution != nil:
		fmt.Fprintf(b, "explain bin %d", x.Bin)
	case p.Attribution != nil:
		b.WriteString("explain")
	}
	for _, g := range x.Group {
		if g == nil {
			b.WriteString(", group null")
		} else {
			fmt.Fprintf(b, ", group %q", *g)
		}
	}
	b.WriteString("\n")
}

func matchText(m Match) string {
	text := "any event"
	if m.Events != nil {
		text = fmt.Sprintf("%q", m.Events)
	}
	if m.Where != nil {
		text += " where " + predicateText(m.Where)
	}
	return text
}

func refText(r Ref) string { return string(r.On) + "." + r.Name }

func spanText(s Span) string { return "[" + instantText(s.From) + ", " + instantText(s.To) + ")" }

func instantText(at weir.Micros) string {
	if at == TimeMin || at == TimeMax {
		return "…"
	}
	return time.UnixMicro(int64(at)).UTC().Format(time.RFC3339Nano)
}

func widthText(w weir.Micros) string { return (time.Duration(w) * time.Microsecond).String() }

func bucketText(b Buckets) string {
	last := len(b.Labels) - 1
	return fmt.Sprintf("%d buckets %s … %s in %s\n", len(b.Labels), b.Labels[0], b.Labels[last], spanText(Span{b.Edges[0], b.Edges[last+1]}))
}
