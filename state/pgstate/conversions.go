package pgstate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/document"
)

const (
	conversionColumns = "c.workspace, c.id, c.owner, d.doc"
	loadConversions   = "SELECT " + conversionColumns + ` FROM unnest($1::int4[], $2::bytea[]) AS k (workspace, id)
		JOIN conversions c ON c.workspace = k.workspace AND c.id = k.id
		JOIN conversion_documents d ON d.workspace = c.workspace AND d.id = c.id`
	loadConversionsOf = "SELECT " + conversionColumns + ` FROM unnest($1::int4[], $2::int8[]) AS k (workspace, owner)
		JOIN conversions c ON c.workspace = k.workspace AND c.owner = k.owner
		JOIN conversion_documents d ON d.workspace = c.workspace AND d.id = c.id`
)

// scanConversion reads a row of conversionColumns.
func (s *Store) scanConversion(rows pgx.Rows) (*weir.Conversion, error) {
	var workspace int32
	var owner int64
	var id, doc pgtype.DriverBytes
	if err := rows.Scan(&workspace, &id, &owner, &doc); err != nil {
		return nil, err
	}
	c := &weir.Conversion{Workspace: s.known.name(workspace), ID: string(id), Owner: uint32(owner)}
	if err := document.ReadConversion(doc, c); err != nil {
		return nil, fmt.Errorf("read conversion %q: %w", c.ID, err)
	}
	return c, nil
}

// scanConversion also remembers whose it is.
func (t *tx) scanConversion(rows pgx.Rows) (*weir.Conversion, error) {
	c, err := t.store.scanConversion(rows)
	if err == nil {
		t.conversions[state.Key{Workspace: c.Workspace, ID: c.ID}] = int64(c.Owner)
	}
	return c, err
}

// ConversionsOf asks for all owners at once, in their order.
func (t *tx) ConversionsOf(ctx context.Context, of []state.Span) ([]*weir.Conversion, error) {
	if t.done {
		return nil, fmt.Errorf("load conversions: %w", errDone)
	}
	// Times have no meaning: an owner counts once.
	owners := map[state.Span]bool{}
	for _, s := range of {
		owners[state.Span{Workspace: s.Workspace, Identity: s.Identity}] = true
	}
	_, workspaces, numbers, err := t.spans(ctx, slices.Collect(maps.Keys(owners)))
	if err != nil || len(numbers) == 0 {
		return nil, t.store.explain("load conversions", err)
	}
	rows, err := t.conn.Query(ctx, loadConversionsOf, workspaces, numbers)
	if err != nil {
		return nil, t.store.explain("load conversions", err)
	}
	var out []*weir.Conversion
	err = each(rows, func(rows pgx.Rows) error {
		c, err := t.scanConversion(rows)
		out = append(out, c)
		return err
	})
	if err != nil {
		return nil, t.store.explain("load conversions", err)
	}
	slices.SortFunc(out, func(a, b *weir.Conversion) int {
		return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

const (
	removeConversions = `WITH gone AS (
			DELETE FROM conversions c USING unnest($1::int4[], $2::bytea[]) AS k (workspace, id)
			WHERE c.workspace = k.workspace AND c.id = k.id RETURNING c.workspace, c.id
		)
		DELETE FROM conversion_documents d USING gone WHERE d.workspace = gone.workspace AND d.id = gone.id`
	insertConversions = `INSERT INTO conversions (workspace, id, owner)
		SELECT * FROM unnest($1::int4[], $2::bytea[], $3::int8[]) ORDER BY 1, 2`
	replaceConversions = insertConversions + `
		ON CONFLICT (workspace, id) DO UPDATE SET owner = excluded.owner WHERE conversions.owner <> excluded.owner`
	writeConversionDocuments = `INSERT INTO conversion_documents (workspace, id, doc)
		SELECT * FROM unnest($1::int4[], $2::bytea[], $3::bytea[]) ORDER BY 1, 2
		ON CONFLICT (workspace, id) DO UPDATE SET doc = excluded.doc`
)

// writeConversions queues what changes conversions. One that Begin was asked for and
// did not find is new: if it is there by now, another transaction has made it, of the
// same item by another user, and this one must begin again.
func (t *tx) writeConversions(batch *pgx.Batch, conversions []*weir.Conversion, removed []state.Key) {
	if len(removed) > 0 {
		k := t.store.columns(sortedKeys(removed))
		batch.Queue(removeConversions, k.workspaces, k.ids)
		for _, key := range removed {
			if _, found := t.conversions[key]; found {
				delete(t.conversions, key)
				t.asked[key] = false
			}
		}
	}
	last := make(map[state.Key]*weir.Conversion, len(conversions))
	for _, c := range conversions {
		last[state.Key{Workspace: c.Workspace, ID: c.ID}] = c
	}
	var docs struct {
		keys
		docs [][]byte
	}
	var fresh, others ownerList
	for _, key := range slices.SortedFunc(maps.Keys(last), compareKeys) {
		c := last[key]
		workspace, id := t.workspace(c.Workspace), []byte(c.ID)
		docs.workspaces, docs.ids, docs.docs = append(docs.workspaces, workspace), append(docs.ids, id), append(docs.docs, document.AppendConversion(nil, c))
		owner, found := t.conversions[key]
		switch {
		case found && owner == int64(c.Owner):
		case !found && t.asked[key]:
			fresh.add(workspace, id, int64(c.Owner))
		default:
			others.add(workspace, id, int64(c.Owner))
		}
	}
	if len(fresh.ids) > 0 {
		batch.Queue(insertConversions, fresh.workspaces, fresh.ids, fresh.owners)
	}
	if len(others.ids) > 0 {
		batch.Queue(replaceConversions, others.workspaces, others.ids, others.owners)
	}
	if len(docs.ids) > 0 {
		batch.Queue(writeConversionDocuments, docs.workspaces, docs.ids, docs.docs)
	}
}

type ownerList struct {
	keys
	owners []int64
}

func (l *ownerList) add(workspace int32, id []byte, owner int64) {
	l.workspaces, l.ids, l.owners = append(l.workspaces, workspace), append(l.ids, id), append(l.owners, owner)
}

const (
	setMarks = `INSERT INTO marks (workspace, name, value) SELECT * FROM unnest($1::int4[], $2::bytea[], $3::bytea[]) ORDER BY 1, 2
		ON CONFLICT (workspace, name) DO UPDATE SET value = excluded.value`
	removeMarks = `DELETE FROM marks m USING unnest($1::int4[], $2::bytea[]) AS k (workspace, name)
		WHERE m.workspace = k.workspace AND m.name = k.name`
)

// writeMarks queues what changes marks. Workspace 0 is that of marks without one.
func (t *tx) writeMarks(batch *pgx.Batch, marks map[state.Key]string) {
	var set, removed keys
	var values [][]byte
	for _, k := range slices.SortedFunc(maps.Keys(marks), compareKeys) {
		into, workspace := &set, int32(0)
		if marks[k] == "" {
			into = &removed
			if k.Workspace != "" {
				workspace, _ = t.store.known.number(k.Workspace)
			}
		} else {
			if k.Workspace != "" {
				workspace = t.workspace(k.Workspace)
			}
			values = append(values, []byte(marks[k]))
		}
		into.workspaces, into.ids = append(into.workspaces, workspace), append(into.ids, []byte(k.ID))
	}
	if len(set.ids) > 0 {
		batch.Queue(setMarks, set.workspaces, set.ids, values)
	}
	if len(removed.ids) > 0 {
		batch.Queue(removeMarks, removed.workspaces, removed.ids)
	}
}
