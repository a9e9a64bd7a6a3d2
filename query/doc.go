// Package query turns a question, the JSON of CONTRACT §4.1, into a validated,
// typed plan. An event store compiles the plan to its own language; this package
// knows no engine. What the numbers mean is SEMANTICS; package oracle is the
// same in slow, plain Go, and every engine must answer as it does.
//
// # What an engine must do
//
// This is the fine print that SEMANTICS §8 leaves open, decided once so that
// every engine returns the same numbers.
//
// Rows. A series of trends counts the events in [Edges[0], Edges[len-1]) that its
// Match chooses, and that have what it measures: Sessions those with a session,
// measures of a property those whose value reads as a number (as Range has it, so no
// lists), Distinct those with a value. A bucket holds the events at
// Edges[i] <= time < Edges[i+1]. [Buckets.Runs] gives the bucket of an instant by
// a division instead of a join or a search.
//
// Measures. Users, Sessions and Distinct count different persons, session numbers and
// text forms (a list is one text), in a bucket and, for the total, in the whole range.
// A percentile of n values lies at position (n-1)*q among them in order, from 0: it
// is the value there, or, between two, low*(1-part) + high*part, where part is how far
// the position is behind the lower one. Sums may be added in any order. What a
// measure is of no rows, says [Measure.Empty].
//
// WeeklyActive and MonthlyActive count in bucket i the different persons of the events
// from Period.Week[i] or Month[i] to Edges[i+1], so that they look back before the
// range. Their total is the different persons of the range.
//
// With Cumulative a bucket's value is the measure of all rows from Edges[0] to
// Edges[i+1]; totals are as ever. With Rolling, at the very end and also for formulas,
// a value is the mean of it and of those up to Rolling-1 buckets before it in the
// range, nulls left out, or null if there is none.
//
// Properties. OnEvent and OnSession both read the event's own property of that
// name (a session's stand on its events under names that start with "$", and
// Parse puts the "$" there if it was left out). OnUser reads the current traits
// of the person that the event belongs to now; an event whose person is unknown
// has no traits. A property whose value is null counts as absent everywhere.
//
// Values. Compare looks at the value, or, if the value is a JSON list, at each
// element as a value of its own: it holds if it holds for any. Null elements
// never match. Lists are not entered twice: a list or an object inside of a list
// is its JSON text. An empty list is set, and matches nothing else. An object is
// its JSON text. Text forms are those of [weir.Value.String]:
//
//   - a string is itself, so that 5 equals "5" and true equals "true";
//   - a number is the shortest decimal that reads back as the same float64
//     ([weir.FormatNumber]): 5, 0.1, 1000000, and never -0 or 5.0; below 1e-6
//     and from 1e21 on with an exponent of at least two digits: 1e-07, 1e+21;
//   - lists and objects are the JSON text as it is stored;
//   - a number in a list that no float64 holds is the text that was sent, as such
//     a number is everywhere.
//
// In compares text forms byte for byte: no case folding, no normalisation.
//
// Contains lower-cases the text form, code point by code point, by Unicode's
// simple mapping (strings.ToLower; in DuckDB lower), and looks for the operand,
// which Parse lower-cased the same way. It is not case folding: "STRASSE" does
// not contain "ß".
//
// Regex looks for a match anywhere in the text form. The pattern is RE2 as
// package regexp/syntax printed it back, so that named classes and flags are
// spelled out and mean the same everywhere. '.' does not match a newline and
// ^ and $ are the ends of the text, unless the pattern's own flags say otherwise.
//
// Range takes numbers, and strings that match [NumberPattern] whole and lie in
// the range of float64: no spaces around, no "inf", no hexadecimal, no
// thousands separators. Booleans and objects are not numbers.
//
// Times takes strings only. A string that matches [TimePattern] whole and is a
// date and time that exists is an instant, rounded down to microseconds, and is
// held against From and To. A string that matches [DayPattern] whole and is a
// date that exists is a day; it means the beginning of that day in the
// question's zone, which Parse has worked out already: take the date as midnight
// UTC and hold it against FromDay and ToDay. Years are 0001 to 9999. Numbers are
// not times.
//
// Groups. A breakdown's value is the text form of the property: a list is one
// value under its JSON text, the empty string is a value, null is a value. With
// several breakdowns a group is a value of each. A group is in a series if at least
// one row of it counts there (or in what a bucket looks back to), whatever its total.
//
// Of each breakdown by itself the Limit values that rank highest are kept, the same in
// all series: by the total of the first series, among equals by that of the next, and
// so on, where a value that a series has no row for is below all others; among equals
// by text, by bytes ascending, null last. All other values are one, [Others]: what is
// measured there is measured over its rows. Hidden series take part.
//
// Formulas are computed in each bucket, also an empty one, and of the totals, for every
// group that at least one of the series they name has; where another lacks it, it is
// empty. A formula that names no series has, if there are breakdowns, no line. What
// is made of null is null, and so is what is no finite number, as x/0.
//
// Comparison. The lines of Previous have the values that are kept in Period; all others
// are Others there, also if Period has none.
//
// Answers. Series come in the order of the plan, hidden ones left out, then formulas;
// then the same of the previous period. Within one, lines stand by total descending,
// null last, then by the texts of their groups, by bytes ascending, null after texts;
// those with Others among their values stand behind those without. At most [MaxLines]
// are answered, those with the highest totals. A series or formula without a breakdown is
// always there, if only with zeros or nulls; with one it has as many lines as it has
// groups, which may be none. Truncated says that there are Others, or more lines.
// [Assembler] does all of this but for keeping values.
//
// A table (Trends.Rows) has a row for each group without Others: the values, then the
// total of each series, which is empty where the series has not the group. Rows stand
// as values of a breakdown rank, and the first are answered.
//
// Explain of trends lists the persons of the rows that the number is of: of a bucket
// with what it looks back to, with Cumulative of all from Edges[0] on, with Rolling of all
// buckets that the mean is taken of. A group is named as answers name it: OtherGroup
// is Others, if there are any, else the text.
package query
