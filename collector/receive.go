package collector

import (
	"context"
	"net/http"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/collector/protocol"
	"github.com/weirhq/weir/item"
	"github.com/weirhq/weir/live"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/workspace"
)

// requestCost is what a request holds beside its body: the connection's
// buffers, the header, a goroutine's stack. recordCost is the same for an item.
const (
	requestCost = 16 << 10
	recordCost  = 256
)

// request is one request on its way. Its memory is used again.
type request struct {
	body    buffer
	batch   protocol.Batch
	entry   entry
	answer  answer
	text    []byte // the answer
	grant   workspace.Grant
	receive weir.Micros
	started time.Time
	waits   bool
}

func (c *Collector) newRequest() *request {
	q, _ := c.requests.Get().(*request)
	if q == nil {
		q = &request{entry: entry{stored: make(chan error, 1)}}
	}
	q.body.memory = c.memory
	q.started = c.options.Now()
	return q
}

// free gives everything back. Nothing may point into the body any more: the
// queue has taken or refused the items, and the answer is written.
func (c *Collector) free(q *request) {
	q.body.free()
	q.batch.Reset()
	clear(q.entry.records)
	clear(q.answer.rejected)
	*q = request{
		batch:  q.batch,
		entry:  entry{records: q.entry.records[:0], stored: q.entry.stored},
		answer: answer{rejected: q.answer.rejected[:0]},
		text:   q.text[:0],
	}
	c.requests.Put(q)
}

// receive takes one request from its first byte to its answer.
func (c *Collector) receive(w http.ResponseWriter, r *http.Request, read adapter) {
	q := c.newRequest()
	defer c.free(q)
	status := http.StatusOK
	if f := c.take(w, r, read, q); f != nil {
		status = f.status
		f.write(w)
	} else {
		q.text = q.answer.append(q.text)
		writeJSON(w, status, q.text)
	}
	c.metrics.answered(status, c.options.Now().Sub(q.started))
}

// take stores the request's items and fills in the answer.
func (c *Collector) take(w http.ResponseWriter, r *http.Request, read adapter, q *request) *failure {
	if c.options.Ready != nil {
		if err := c.options.Ready(); err != nil {
			return &failure{http.StatusServiceUnavailable, "not_ready", "No items can be taken for the moment: " + err.Error() + ".", retryLater}
		}
	}
	if f := c.parameters(r, q); f != nil {
		return f
	}
	// A key outside the body is judged first: a stranger's body is not read.
	text := headerKey(r)
	if text != "" {
		var f *failure
		if q.grant, f = c.authenticate(w, r, text); f != nil {
			return f
		}
	}
	if f := c.read(w, r, read, q); f != nil {
		return f
	}
	if text == "" {
		var f *failure
		if q.grant, f = c.authenticate(w, r, q.batch.Key); f != nil {
			return f
		}
	}
	if f := c.admit(q); f != nil {
		return f
	}
	c.judge(q)
	return c.store(r.Context(), q)
}

func (c *Collector) parameters(r *http.Request, q *request) *failure {
	if r.URL.RawQuery == "" {
		return nil
	}
	parameters := r.URL.Query()
	switch lane := parameters.Get("lane"); lane {
	case "", "live":
	case "history":
		q.entry.lane = queue.History
	default:
		return &failure{status: http.StatusBadRequest, code: "unknown_lane", message: "lane is live, for what happens now, or history, for imports, which live items pass."}
	}
	switch parameters.Get("wait") {
	case "", "0", "false":
		return nil
	}
	if c.options.Outcomes == nil {
		return &failure{status: http.StatusBadRequest, code: "cannot_wait", message: "This server only receives items, and cannot tell what becomes of them. Send without wait=1."}
	}
	q.waits = true
	return nil
}

// read turns the request's body into a batch.
func (c *Collector) read(w http.ResponseWriter, r *http.Request, read adapter, q *request) *failure {
	if f := c.readBody(w, r, &q.body); f != nil {
		return f
	}
	q.receive = weir.MicrosOf(c.options.Now())
	c.metrics.wire.Add(float64(len(q.body.data)))
	text, f := c.payload(r.Context(), r.Header.Get("Content-Encoding"), &q.body)
	if f != nil {
		return f
	}
	c.metrics.text.Add(float64(len(text)))
	if err := read(c, text, q.receive, &q.batch); err != nil {
		return unreadable(err)
	}
	if !q.body.reserve(requestCost + recordCost*len(q.batch.Items) + q.batch.Extra) {
		return errBusy
	}
	return nil
}

// admit decides whether the key may send this batch, now.
func (c *Collector) admit(q *request) *failure {
	own := q.grant.Workspace.ID
	if named := q.batch.Workspace; named != "" && named != string(own) {
		return &failure{status: http.StatusForbidden, code: "wrong_workspace", message: "The key belongs to another workspace than the one named by workspace_id."}
	}
	if c.limiter == nil {
		return nil
	}
	if wait := c.limiter.take(source{own, q.grant.Key}, len(q.batch.Items), c.options.Now()); wait > 0 {
		return &failure{http.StatusTooManyRequests, "rate_limited", "This key sends more items than it may. Try again later.", wait}
	}
	return nil
}

// judge makes a record of each item, with a verdict.
func (c *Collector) judge(q *request) {
	q.answer.receipt = c.options.NewReceipt()
	last := -1 // the sent item that was last rejected: one may be several records
	for _, i := range q.batch.Items {
		head, rejection := item.Head{}, i.Rejected
		if rejection == nil {
			head, rejection = c.verdict(&q.grant, i.Raw)
		}
		if rejection != nil && i.Index != last {
			last = i.Index
			q.answer.rejected = append(q.answer.rejected, verdict{i.Index, rejection})
		}
		if rejection == nil && i.Generated {
			q.answer.generated++
		}
		q.entry.bytes += len(i.Raw)
		q.entry.records = append(q.entry.records, weir.Record{
			Workspace: q.grant.Workspace.ID, Source: q.grant.Key, Client: q.grant.Client,
			Receipt: q.answer.receipt, Index: i.Index,
			ReceivedAt: q.receive, SentAt: q.batch.SentAt,
			UserID: head.UserID, Rejected: rejection, Raw: i.Raw,
		})
	}
	q.answer.accepted = q.batch.Sent - len(q.answer.rejected)
}

// verdict judges one item that comes with a key.
func (c *Collector) verdict(grant *workspace.Grant, raw []byte) (item.Head, *weir.Rejection) {
	head, rejection := item.Check(raw, c.options.Limits.Item)
	if rejection == nil && !c.options.Allow(grant, head.Kind) {
		rejection = &weir.Rejection{Code: "not_allowed", Field: "kind", Message: "This key may not send items of kind " + string(head.Kind) + ". Send them from a server, with a secret key."}
	}
	return head, rejection
}

// store appends the records to the queue, and waits for their outcomes if the
// sender asked to.
func (c *Collector) store(ctx context.Context, q *request) *failure {
	if len(q.entry.records) == 0 {
		q.answer.waited = q.waits
		return nil
	}
	var waiter *live.Waiter
	if q.waits {
		waiter = c.options.Outcomes.Await(q.grant.Workspace.ID, q.answer.receipt, len(q.entry.records))
		defer waiter.Cancel()
	}
	if err := c.committer.commit(&q.entry); err != nil {
		return unstored(err)
	}
	c.metrics.accepted.Add(float64(q.answer.accepted))
	c.metrics.rejected.Add(float64(len(q.answer.rejected)))
	if waiter == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Wait)
	defer cancel()
	// If the time is over, the answer says how many are pending.
	outcomes, _ := waiter.Wait(ctx)
	q.answer.outcomes, q.answer.waited = sortedByIndex(outcomes), true
	q.answer.pending = len(q.entry.records) - len(outcomes)
	return nil
}
