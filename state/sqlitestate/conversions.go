package sqlitestate

import (
	"cmp"
	"context"
	"database/sql/driver"
	"fmt"
	"maps"
	"slices"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
	"github.com/weirhq/weir/state/document"
)

// conversionRow is what the columns say of a conversion that was loaded.
type conversionRow struct{ key, owner int64 }

const selectConversions = "SELECT key, id, owner, doc FROM conversions WHERE "

func scanConversion(ws weir.WorkspaceID, id string, owner int64, doc []byte) (*weir.Conversion, error) {
	c := &weir.Conversion{Workspace: ws, ID: id, Owner: numberOf(owner)}
	if err := document.ReadConversion(doc, c); err != nil {
		return nil, fmt.Errorf("read conversion %q: %w", id, err)
	}
	return c, nil
}

// conversion reads a row of selectConversions and remembers what the columns say.
func (t *tx) conversion(ws weir.WorkspaceID, row []driver.Value) (*weir.Conversion, error) {
	id, owner := row[1].(string), row[2].(int64)
	t.conversions[state.Key{Workspace: ws, ID: id}] = conversionRow{row[0].(int64), owner}
	return scanConversion(ws, id, owner, row[3].([]byte))
}

func (t *tx) loadConversions(ws weir.WorkspaceID, ids []string) error {
	w, err := t.tenant(ws)
	if err != nil || w.number == 0 {
		return err
	}
	return inChunks(t.writer, selectConversions+"workspace = ? AND id IN ", []driver.Value{w.number}, ids, func(row []driver.Value) error {
		conversion, err := t.conversion(ws, row)
		if err != nil {
			return err
		}
		t.snapshot.Conversions[state.Key{Workspace: ws, ID: conversion.ID}] = conversion
		return nil
	})
}

// ConversionsOf asks for many owners at once, in their order.
func (t *tx) ConversionsOf(ctx context.Context, of []state.Span) ([]*weir.Conversion, error) {
	if t.done {
		return nil, fmt.Errorf("load conversions: %w", errDone)
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("load conversions: %w", err)
	}
	spans, names, err := t.spans(of)
	if err != nil {
		return nil, t.store.file.explain("load conversions", err)
	}
	owners := make([]int64, 0, len(spans))
	for _, s := range spans {
		owners = append(owners, s.owner)
	}
	slices.Sort(owners)
	owners = slices.Compact(owners)
	var out []*weir.Conversion
	err = inChunks(t.writer, selectConversions+"owner IN ", nil, owners, func(row []driver.Value) error {
		conversion, err := t.conversion(names[row[2].(int64)>>32], row)
		out = append(out, conversion)
		return err
	})
	if err != nil {
		return nil, t.store.file.explain("load conversions", err)
	}
	slices.SortFunc(out, func(a, b *weir.Conversion) int {
		return cmp.Or(cmp.Compare(a.Workspace, b.Workspace), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

const (
	updateConversionDoc = "UPDATE conversions SET doc = ? WHERE key = ?"
	updateConversion    = "UPDATE conversions SET owner = ?, doc = ? WHERE key = ?"
	insertConversion    = `INSERT INTO conversions (workspace, id, owner, doc) VALUES (?, ?, ?, ?)
		ON CONFLICT (workspace, id) DO UPDATE SET owner = excluded.owner, doc = excluded.doc`
	removeConversion = "DELETE FROM conversions WHERE workspace = ? AND id = ?"
)

func (t *tx) writeConversions(conversions []*weir.Conversion, removed []state.Key) error {
	for _, k := range removed {
		w, err := t.tenant(k.Workspace)
		if err != nil {
			return err
		}
		if _, err := t.writer.exec(removeConversion, w.number, k.ID); err != nil {
			return err
		}
		delete(t.conversions, k)
	}
	var doc []byte
	for _, c := range conversions {
		w, err := t.register(c.Workspace)
		if err != nil {
			return err
		}
		doc = document.AppendConversion(doc[:0], c)
		owner := keyOf(w.number, c.Owner)
		k := state.Key{Workspace: c.Workspace, ID: c.ID}
		present, found := t.conversions[k]
		switch {
		case !found:
			_, err = t.writer.exec(insertConversion, w.number, c.ID, owner, doc)
		case present.owner == owner:
			_, err = t.writer.exec(updateConversionDoc, doc, present.key)
		default:
			_, err = t.writer.exec(updateConversion, owner, doc, present.key)
			t.conversions[k] = conversionRow{present.key, owner}
		}
		if err != nil {
			return fmt.Errorf("conversion %q: %w", c.ID, err)
		}
	}
	return nil
}

const (
	setMark    = "INSERT OR REPLACE INTO marks (workspace, name, value) VALUES (?, ?, ?)"
	removeMark = "DELETE FROM marks WHERE workspace = ? AND name = ?"
)

func (t *tx) writeMarks(marks map[state.Key]string) error {
	for _, k := range slices.SortedFunc(maps.Keys(marks), compareUsers) {
		value := marks[k]
		find := t.register
		if value == "" {
			find = t.tenant
		}
		w := &tenant{} // of marks without a workspace
		var err error
		if k.Workspace != "" {
			if w, err = find(k.Workspace); err != nil {
				return err
			}
		}
		switch {
		case value != "":
			_, err = t.writer.exec(setMark, w.number, k.ID, value)
		case k.Workspace == "" || w.number != 0:
			_, err = t.writer.exec(removeMark, w.number, k.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
