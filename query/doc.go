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
// Rows. A series counts the events in [Edges[0], Edges[len-1]) whose name is the
// series' (AnyEvent: any), for which the plan's Where and the series' own hold.
// Total counts events; Users counts distinct persons; Sessions counts distinct
// session numbers, events without one left out. A bucket holds the events at
// Edges[i] <= time < Edges[i+1]. [Buckets.Runs] gives the bucket of an instant by
// a division instead of a join or a search.
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
// Groups. A breakdown's group is the text form of the property: a list is one
// group under its JSON text, the empty string is a group, null is a group. Each
// series keeps its own Limit groups with the highest totals; between equal
// totals the text decides, by bytes ascending, and null comes last. Groups whose
// total is 0 do not exist.
//
// Answers. Series come in the order of the plan; within one, groups by total
// descending, then text ascending by bytes, null last among equals. A series
// without a breakdown is always there, if only with zeros; a series with one has
// as many lines as it has groups, which may be none. Truncated says that some
// series had more groups than Limit. [Assembler] does all of this.
package query
