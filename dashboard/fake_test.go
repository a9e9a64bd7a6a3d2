package dashboard

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/archive"
	"github.com/weirhq/weir/eventstore"
	"github.com/weirhq/weir/frame"
	"github.com/weirhq/weir/item"
	"github.com/weirhq/weir/query"
	"github.com/weirhq/weir/queue"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/workspace"
)

// The parts in memory, as far as the dashboard uses them. They can be made to
// wait and to fail, which the real ones cannot.

type memoryDocuments struct {
	mu       sync.Mutex
	revision int64
	docs     map[[3]string]workspace.Document
}

func (m *memoryDocuments) clone() *memoryDocuments {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &memoryDocuments{revision: m.revision, docs: maps.Clone(m.docs)}
}

func (m *memoryDocuments) Get(_ context.Context, collection string, ws weir.WorkspaceID, id string) (workspace.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	doc, ok := m.docs[[3]string{collection, string(ws), id}]
	if !ok {
		return doc, workspace.ErrNotFound
	}
	return doc, nil
}

func (m *memoryDocuments) List(_ context.Context, collection string, ws weir.WorkspaceID) ([]workspace.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []workspace.Document
	for key, doc := range m.docs {
		if key[0] == collection && key[1] == string(ws) {
			out = append(out, doc)
		}
	}
	slices.SortFunc(out, func(a, b workspace.Document) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

func (m *memoryDocuments) Put(_ context.Context, collection string, ws weir.WorkspaceID, doc workspace.Document) (workspace.Document, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := [3]string{collection, string(ws), doc.ID}
	old, exists := m.docs[key]
	if doc.Revision == 0 && exists {
		return doc, workspace.ErrExists
	}
	if doc.Revision != old.Revision {
		return doc, workspace.ErrConflict
	}
	m.revision++
	doc.Revision = m.revision
	m.docs[key] = doc
	return doc, nil
}

func (m *memoryDocuments) Delete(_ context.Context, collection string, ws weir.WorkspaceID, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.docs, [3]string{collection, string(ws), id})
	return nil
}

// memoryEvents answers from slices.
type memoryEvents struct {
	eventstore.Store // what the dashboard does not call
	log              map[weir.WorkspaceID][]weir.Outcome
	rows             map[weir.WorkspaceID][]eventstore.Row
	catalogue        map[weir.WorkspaceID]*eventstore.Catalogue
	values           map[weir.WorkspaceID][]string
	ask              func(context.Context, weir.WorkspaceID, *query.Plan) (*query.Answer, error)
	err              error
}

func (m *memoryEvents) Ask(ctx context.Context, ws weir.WorkspaceID, plan *query.Plan) (*query.Answer, error) {
	return m.ask(ctx, ws, plan)
}

func (m *memoryEvents) Log(_ context.Context, ws weir.WorkspaceID, f eventstore.LogFilter) ([]weir.Outcome, error) {
	rows := slices.Clone(m.log[ws])
	rows = slices.DeleteFunc(rows, func(o weir.Outcome) bool {
		return f.Position != 0 && o.Position != f.Position ||
			f.Receipt != "" && o.Receipt != f.Receipt ||
			f.ItemID != "" && o.ItemID != f.ItemID ||
			f.UserID != "" && o.UserID != f.UserID ||
			f.Kind != "" && o.Kind != f.Kind ||
			f.Status != "" && o.Status != f.Status ||
			f.Source != "" && o.Source != f.Source ||
			f.From != 0 && o.ReceivedAt < f.From ||
			f.To != 0 && o.ReceivedAt >= f.To ||
			f.Before != 0 && cmp.Or(cmp.Compare(o.ReceivedAt, f.BeforeAt), cmp.Compare(o.Position, f.Before)) >= 0
	})
	slices.SortFunc(rows, func(a, b weir.Outcome) int {
		return -cmp.Or(cmp.Compare(a.ReceivedAt, b.ReceivedAt), cmp.Compare(a.Position, b.Position))
	})
	if f.Limit > 0 && len(rows) > f.Limit {
		rows = rows[:f.Limit]
	}
	return rows, m.err
}

func (m *memoryEvents) Scan(_ context.Context, ws weir.WorkspaceID, f eventstore.ScanFilter, fn func(eventstore.Row) error) error {
	for _, r := range m.rows[ws] {
		if !slices.Contains(f.Names, r.Name) || r.Time < f.From || r.Time >= f.To {
			continue
		}
		if err := fn(r); err != nil {
			return err
		}
	}
	return m.err
}

func (m *memoryEvents) Catalogue(_ context.Context, ws weir.WorkspaceID) (*eventstore.Catalogue, error) {
	if c := m.catalogue[ws]; c != nil {
		return c, m.err
	}
	return &eventstore.Catalogue{}, m.err
}

func (m *memoryEvents) Values(_ context.Context, ws weir.WorkspaceID, _ query.Ref, contains string, limit int) ([]string, error) {
	var out []string
	for _, v := range m.values[ws] {
		if strings.Contains(strings.ToLower(v), strings.ToLower(contains)) && len(out) < limit {
			out = append(out, v)
		}
	}
	return out, m.err
}

type memoryView struct {
	state.View  // what the dashboard does not call
	identities  []*weir.Identity
	conversions []*weir.Conversion
	sessions    []*weir.Session
}

func (m *memoryView) Conversions(_ context.Context, ws weir.WorkspaceID, identities []uint32) ([]*weir.Conversion, error) {
	var out []*weir.Conversion
	for _, c := range m.conversions {
		if c.Workspace == ws && slices.Contains(identities, c.Owner) {
			out = append(out, c)
		}
	}
	return out, nil
}

func (m *memoryView) Sessions(_ context.Context, ws weir.WorkspaceID, identities []uint32) ([]*weir.Session, error) {
	var out []*weir.Session
	for _, v := range m.sessions {
		if v.Workspace == ws && slices.Contains(identities, v.Owner) {
			out = append(out, v)
		}
	}
	return out, nil
}

func (m *memoryView) Person(ctx context.Context, ws weir.WorkspaceID, id string) ([]*weir.Identity, error) {
	for _, i := range m.identities {
		if i.Workspace == ws && i.ID == id {
			return m.PersonByNumber(ctx, ws, i.Person)
		}
	}
	return nil, nil
}

func (m *memoryView) PersonByNumber(_ context.Context, ws weir.WorkspaceID, person uint32) ([]*weir.Identity, error) {
	var out []*weir.Identity
	for _, i := range m.identities {
		if i.Workspace == ws && i.Person == person {
			out = append(out, i)
		}
	}
	return out, nil
}

func (m *memoryView) Scan(_ context.Context, ws weir.WorkspaceID, fn func(*weir.Identity) error) error {
	for _, i := range m.identities {
		if i.Workspace != ws {
			continue
		}
		if err := fn(i); err != nil {
			return err
		}
	}
	return nil
}

type memoryArchive struct {
	archive.Archive // what the dashboard does not call
	records         map[weir.Position]weir.Record
	damaged         map[weir.Position]bool
}

func (m *memoryArchive) Read(_ context.Context, at weir.Position) (weir.Record, error) {
	if m.damaged[at] {
		return weir.Record{}, fmt.Errorf("read frame: %w", frame.ErrCorrupt)
	}
	r, ok := m.records[at]
	if !ok {
		return r, archive.ErrNotFound
	}
	return r, nil
}

type memoryQueue struct {
	lag queue.Lag
	err error
}

// memoryIntake keeps what is submitted, and plays a worker if it is told to.
type memoryIntake struct {
	limits  item.Limits
	made    int // receipts
	records []weir.Record
	work    func(weir.Record) // nil: nothing becomes of the items
	err     error
}

func (m *memoryIntake) NewReceipt() string {
	m.made++
	return fmt.Sprint("rcp_made_", m.made)
}

// Judge knows no right but that of orders.
func (m *memoryIntake) Judge(r *weir.Record, browsers workspace.Browsers) {
	head, rejection := item.Check(r.Raw, m.limits)
	if rejection == nil && head.Kind == weir.KindOrder && r.Client == weir.ClientPublic && !browsers.MaySendOrders {
		rejection = &weir.Rejection{Code: "not_allowed", Field: "kind", Message: "this key may not send orders"}
	}
	r.UserID, r.Rejected = head.UserID, rejection
}

func (m *memoryIntake) Submit(_ context.Context, records []weir.Record) error {
	if m.err != nil {
		return m.err
	}
	m.records = append(m.records, records...)
	for _, r := range records {
		if m.work != nil {
			m.work(r)
		}
	}
	return nil
}

type memoryHistory struct {
	progress workspace.Progress
	err      error
}

func (m *memoryHistory) Progress(context.Context, weir.WorkspaceID) (workspace.Progress, error) {
	return m.progress, m.err
}

func (m *memoryQueue) Lag(context.Context) (queue.Lag, error) { return m.lag, m.err }
