package collector

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/weirhq/weir"
)

// verdict is a sent item that was rejected.
type verdict struct {
	index int // of the sent item
	why   *weir.Rejection
}

// answer is what a request is told when its items are stored.
type answer struct {
	accepted  int
	rejected  []verdict
	receipt   string
	generated int
	outcomes  []weir.Outcome // nil if not asked for
	waited    bool
	pending   int // records without an outcome when the wait was over
}

// append writes the answer as JSON. It is written by hand because it is
// written for every request.
func (a *answer) append(out []byte) []byte {
	out = appendCount(append(out, `{"accepted":`...), a.accepted)
	out = append(out, `,"rejected":[`...)
	for i, v := range a.rejected {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendCount(append(out, `{"index":`...), v.index)
		out = append(appendReason(out, v.why.Code, v.why.Field, v.why.Message), '}')
	}
	out = appendText(append(out, `],"receipt":`...), a.receipt)
	if a.generated > 0 {
		out = appendCount(append(out, `,"generated_ids":`...), a.generated)
		out = append(out, `,"note":"Events without an id were given one. If you send them again, they count again."`...)
	}
	if a.waited {
		out = append(a.appendOutcomes(append(out, `,"outcomes":[`...)), ']')
		out = appendCount(append(out, `,"pending":`...), a.pending)
	}
	return append(out, "}\n"...)
}

func (a *answer) appendOutcomes(out []byte) []byte {
	for i := range a.outcomes {
		o := &a.outcomes[i]
		if i > 0 {
			out = append(out, ',')
		}
		out = appendCount(append(out, `{"index":`...), o.Index)
		out = appendText(append(out, `,"status":`...), string(o.Status))
		out = appendText(append(out, `,"kind":`...), string(o.Kind))
		out = appendText(append(out, `,"position":`...), o.Position.String())
		if o.Code != "" {
			out = appendReason(out, o.Code, o.Field, o.Message)
		}
		out = append(out, '}')
	}
	return out
}

func appendReason(out []byte, code, field, message string) []byte {
	out = appendText(append(out, `,"code":`...), code)
	if field != "" {
		out = appendText(append(out, `,"field":`...), field)
	}
	return appendText(append(out, `,"message":`...), message)
}

func appendCount(out []byte, n int) []byte { return strconv.AppendInt(out, int64(n), 10) }

// appendText writes a JSON string; bytes that are no UTF-8 become U+FFFD.
func appendText(out []byte, text string) []byte {
	out, _ = jsontext.AppendQuote(out, text)
	return out
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	// A client that is gone has its items stored all the same.
	_, _ = w.Write(body)
}

// sortedByIndex orders outcomes as their items were sent; they arrive as the
// partitions are worked through.
func sortedByIndex(outcomes []weir.Outcome) []weir.Outcome {
	outcomes = slices.Clone(outcomes)
	slices.SortStableFunc(outcomes, func(a, b weir.Outcome) int { return cmp.Compare(a.Index, b.Index) })
	return outcomes
}
