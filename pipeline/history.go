package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/state"
)

// historyMark names the note that says by which revision of the rules all history
// of a workspace is derived: "7". While it is being derived by another, "7>9 u-1":
// all up to the user u-1 is derived by revision 9, and its rows are written.
const historyMark = "history"

// Progress says how far the history of a workspace follows its rules.
type Progress struct {
	Revision int64 // that history is being derived by, or was
	Applied  int64 // that all of history is derived by
	Done     int64 // users and events that are done
	Total    int64 // 0 if nothing is under way, or it is not known
}

// history remembers the progress of running reviews.
type history struct {
	mu      sync.Mutex
	running map[weir.WorkspaceID]*Progress
}

func (h *history) begin(ws weir.WorkspaceID, p Progress) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running[ws] != nil {
		return false
	}
	if h.running == nil {
		h.running = map[weir.WorkspaceID]*Progress{}
	}
	h.running[ws] = &p
	return true
}

func (h *history) add(ws weir.WorkspaceID, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running[ws].Done += int64(n)
}

func (h *history) end(ws weir.WorkspaceID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.running, ws)
}

// Progress says how far the history of a workspace follows its rules.
func (p *Pipeline) Progress(ctx context.Context, ws weir.WorkspaceID) (Progress, error) {
	p.history.mu.Lock()
	if running := p.history.running[ws]; running != nil {
		defer p.history.mu.Unlock()
		return *running, nil
	}
	p.history.mu.Unlock()
	m, err := p.mark(ctx, ws)
	return Progress{Revision: max(m.to, m.applied), Applied: m.applied}, err
}

// mark is what the note of a workspace's history says.
type mark struct {
	applied int64
	to      int64  // revision that history is being derived by; 0: none
	after   string // user up to whom it is
}

func (m mark) String() string {
	if m.to == 0 {
		return strconv.FormatInt(m.applied, 10)
	}
	return fmt.Sprintf("%d>%d %s", m.applied, m.to, m.after)
}

func (p *Pipeline) mark(ctx context.Context, ws weir.WorkspaceID) (m mark, err error) {
	text, err := p.state.View().Mark(ctx, ws, historyMark)
	if err != nil || text == "" {
		return m, err
	}
	applied, rest, underway := strings.Cut(text, ">")
	if m.applied, err = strconv.ParseInt(applied, 10, 64); err != nil {
		return m, fmt.Errorf("read mark of history: %w", err)
	}
	if underway {
		to, after, _ := strings.Cut(rest, " ")
		m.after = after
		if m.to, err = strconv.ParseInt(to, 10, 64); err != nil {
			return m, fmt.Errorf("read mark of history: %w", err)
		}
	}
	return m, nil
}

// Review derives the sessions, conversions and credits of a workspace's history
// again if its rules have changed since that was done last: it may be called after
// every change, and at the start. What arrives meanwhile goes on, by the new rules.
// Who is who is not derived again: reconciliation keys and blocked ids hold for
// what arrives after they were set. It returns nil if a review is running already;
// that one sees the newest rules too. In another process it is ErrReviewing: call again
// until it is over, since that process may die.
//
// A review that ends early goes on where it was when it is called again, also
// after a crash.
func (p *Pipeline) Review(ctx context.Context, ws weir.WorkspaceID) error {
	for {
		rules, err := p.options.Rules(ctx, ws)
		if err != nil {
			return fmt.Errorf("review history of %s: %w", ws, err)
		}
		m, err := p.mark(ctx, ws)
		if err != nil {
			return fmt.Errorf("review history of %s: %w", ws, err)
		}
		if m.applied == rules.Revision && m.to == 0 {
			return nil
		}
		if !p.history.begin(ws, Progress{Revision: rules.Revision, Applied: m.applied}) {
			return nil
		}
		err = p.reviewAlone(ctx, ws, m, rules)
		p.history.end(ws)
		if err != nil {
			return fmt.Errorf("review history of %s: %w", ws, err)
		}
	}
}

// ErrReviewing is wrapped by Review while another process reviews the history.
var ErrReviewing = errors.New("another process reviews the history")

// reviewerKey stands for whoever reviews a workspace; no user has such an id.
const reviewerKey = "\x00history"

// reviewAlone reviews unless another process does.
func (p *Pipeline) reviewAlone(ctx context.Context, ws weir.WorkspaceID, m mark, rules *Rules) error {
	soon, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	release, err := p.state.Hold(soon, []state.Key{{Workspace: ws, ID: reviewerKey}})
	switch {
	case err != nil && soon.Err() != nil && ctx.Err() == nil:
		return ErrReviewing
	case err != nil:
		return err
	}
	defer release()
	return p.review(ctx, ws, m, rules)
}

// review derives all history by the rules.
func (p *Pipeline) review(ctx context.Context, ws weir.WorkspaceID, m mark, rules *Rules) error {
	p.options.Logger.Info("derive history again", "workspace", ws, "revision", rules.Revision)
	if err := p.rest(ctx); err != nil { // batches that go by the old rules end first
		return err
	}
	p.resting.Unlock()
	r := &reviewer{pipeline: p, ws: ws, mark: mark{applied: m.applied, to: rules.Revision}}
	if m.to == rules.Revision {
		// The rows of what was committed after the mark may not have been written.
		r.mark.after, r.again = m.after, true
	}
	if err := r.users(ctx); err != nil {
		return err
	}
	if err := r.goals(ctx, rules.Goals); err != nil {
		return err
	}
	r.mark = mark{applied: rules.Revision}
	return r.commit(ctx, nil, nil)
}

// reviewPage is how many users or events are reviewed at once: few enough that
// what arrives meanwhile does not wait for long.
const reviewPage = 500

// reviewer reviews the history of one workspace.
type reviewer struct {
	pipeline *Pipeline
	ws       weir.WorkspaceID
	mark     mark
	again    bool // some of it may have been committed before, without its rows
}

// users reviews what identities have.
func (r *reviewer) users(ctx context.Context) error {
	var page []state.Key
	flush := func() error {
		err := r.commit(ctx, page, nil)
		page = nil
		return err
	}
	err := r.pipeline.state.View().Scan(ctx, r.ws, func(i *weir.Identity) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if i.Key || r.mark.after != "" && i.ID <= r.mark.after {
			return nil
		}
		if page = append(page, state.Key{Workspace: r.ws, ID: i.ID}); len(page) < reviewPage {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// goals finds the conversions among events that arrived before their names were
// goals.
func (r *reviewer) goals(ctx context.Context, goals []order.Goal) error {
	if len(goals) == 0 {
		return nil
	}
	var names []string
	for _, g := range goals {
		names = append(names, g.Event)
	}
	var page []eventstore.Row
	flush := func() error {
		found, users, err := r.find(ctx, page)
		if err == nil {
			err = r.commit(ctx, users, found)
		}
		page = nil
		return err
	}
	err := r.pipeline.events.Scan(ctx, r.ws, eventstore.ScanFilter{Names: names}, func(row eventstore.Row) error {
		if page = append(page, row); len(page) < reviewPage {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// found is an event that may be a conversion.
type found struct {
	eventstore.Row
	id   state.Key
	user state.Key
}

// find names the users of event rows.
func (r *reviewer) find(ctx context.Context, rows []eventstore.Row) (list []found, users []state.Key, err error) {
	ids := map[uint32]string{} // by number
	for _, row := range rows {
		if _, ok := ids[row.Identity]; ok || row.Kind == weir.KindOrder {
			continue
		}
		members, err := r.pipeline.state.View().PersonByNumber(ctx, r.ws, row.Person)
		if err != nil {
			return nil, nil, err
		}
		for _, i := range members {
			ids[i.Number] = i.ID
		}
	}
	for _, row := range rows {
		if id, ok := ids[row.Identity]; ok && row.Kind != weir.KindOrder {
			f := found{row, state.Key{Workspace: r.ws, ID: conversionID(state.ItemKey{Kind: row.Kind, ID: row.ItemID})}, state.Key{Workspace: r.ws, ID: id}}
			list, users = append(list, f), append(users, f.user)
		}
	}
	return list, users, nil
}

// commit takes a page through the steps that derive.
func (r *reviewer) commit(ctx context.Context, users []state.Key, list []found) error {
	p := r.pipeline
	build := func() *Batch {
		b := p.batch(nil)
		b.replayed, b.again = true, r.again
		b.review, b.found = users, list
		b.note = map[state.Key]string{{Workspace: r.ws, ID: historyMark}: r.mark.String()}
		return b
	}
	ready := Step{3, "validate", func(ctx context.Context, b *Batch) error { return p.rulesOf(ctx, b, r.ws) }}
	p.resting.RLock()
	b, err := p.complete(ctx, build, []Step{ready, {5, "lock", p.lock}, {6, "reconcile", p.reconcile}, {7, "profile", p.profile}, {8, "attribute", p.attribute}, {12, "commit", p.commit}})
	p.resting.RUnlock()
	if err != nil {
		return err
	}
	defer p.underway.done(b)
	if err := p.persevere(ctx, b); err != nil {
		return err
	}
	p.history.add(r.ws, len(users))
	if len(users) > 0 && len(list) == 0 {
		r.mark.after = users[len(users)-1].ID
	}
	return nil
}

// discover makes conversions of the events that were found in history.
func (b *Batch) discover(touched map[*person]bool) {
	for _, f := range b.found {
		rules, i := b.rules[f.id.Workspace], b.touched[f.user]
		if i == nil || b.conversions[f.id] != nil {
			continue
		}
		if made, ok := order.FromItem(f.Kind, f.Name, ownFields(f.Kind, f.Properties), f.Time, rules.Goals, rules.Rates); ok {
			b.keep(f.id, made, i, touched)
		}
	}
}

// reprice makes the conversions of a review what the rules say now.
func (b *Batch) reprice() {
	for _, c := range b.conversions {
		kind, _, _ := strings.Cut(c.ID, ":")
		rules := b.rules[c.Workspace]
		made, ok := order.FromItem(weir.Kind(kind), c.Goal, c.Fields, c.At, rules.Goals, rules.Rates)
		if !ok {
			c.removed = true
			continue
		}
		made.Workspace, made.ID, made.User, made.Owner, made.Touches = c.Workspace, c.ID, c.User, c.Owner, c.Touches
		if !equalWorth(&made, c.Conversion) {
			c.Conversion, c.changed = &made, true
		}
	}
}

func equalWorth(a, b *weir.Conversion) bool {
	return a.Goal == b.Goal && a.Value == b.Value && a.Amount == b.Amount && a.Currency == b.Currency &&
		a.Unpriced == b.Unpriced && a.Cancelled == b.Cancelled && slices.Equal(a.Fields, b.Fields)
}

// markAll notes that all history is derived by the present rules. resting is locked.
func (p *Pipeline) markAll(ctx context.Context) error {
	list, err := p.state.View().Workspaces(ctx)
	if err != nil {
		return err
	}
	marks := map[state.Key]string{}
	for _, ws := range list {
		rules, err := p.options.Rules(ctx, ws)
		if err != nil {
			return fmt.Errorf("read rules of %s: %w", ws, err)
		}
		marks[state.Key{Workspace: ws, ID: historyMark}] = mark{applied: rules.Revision}.String()
	}
	tx, err := p.state.Begin(ctx, state.Need{})
	if err != nil {
		return err
	}
	return tx.Commit(ctx, state.Changes{Marks: marks})
}
