package workspacetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/workspace"
)

// Memory is a Store that forgets all when the test ends. The zero value is
// empty and ready to use.
type Memory struct {
	mu        sync.Mutex
	revision  int64
	documents map[address]workspace.Document
	// Err, if set, is asked before each call: an error of its ends the call. It
	// is told the method's name and the collection.
	Err func(method, collection string) error
}

type address struct {
	collection string
	workspace  weir.WorkspaceID
	id         string
}

var _ workspace.Store = (*Memory)(nil)

// enter locks the store, unless the call has to fail.
func (m *Memory) enter(ctx context.Context, method, collection string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	if m.Err != nil {
		if err := m.Err(method, collection); err != nil {
			m.mu.Unlock()
			return err
		}
	}
	return nil
}

// Get implements workspace.Store.
func (m *Memory) Get(ctx context.Context, collection string, ws weir.WorkspaceID, id string) (workspace.Document, error) {
	if err := m.enter(ctx, "Get", collection); err != nil {
		return workspace.Document{}, err
	}
	defer m.mu.Unlock()
	doc, found := m.documents[address{collection, ws, id}]
	if !found {
		return workspace.Document{}, fmt.Errorf("%s document %q: %w", collection, id, workspace.ErrNotFound)
	}
	return clone(doc), nil
}

// List implements workspace.Store.
func (m *Memory) List(ctx context.Context, collection string, ws weir.WorkspaceID) ([]workspace.Document, error) {
	if err := m.enter(ctx, "List", collection); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	var out []workspace.Document
	for a, doc := range m.documents {
		if a.collection == collection && a.workspace == ws {
			out = append(out, clone(doc))
		}
	}
	slices.SortFunc(out, func(a, b workspace.Document) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// Put implements workspace.Store.
func (m *Memory) Put(ctx context.Context, collection string, ws weir.WorkspaceID, doc workspace.Document) (workspace.Document, error) {
	if err := doc.Check(); err != nil {
		return workspace.Document{}, err
	}
	if err := m.enter(ctx, "Put", collection); err != nil {
		return workspace.Document{}, err
	}
	defer m.mu.Unlock()
	at := address{collection, ws, doc.ID}
	present := m.documents[at].Revision
	if doc.Revision == 0 && present != 0 {
		return workspace.Document{}, fmt.Errorf("%s document %q: %w", collection, doc.ID, workspace.ErrExists)
	}
	if doc.Revision != present {
		return workspace.Document{}, fmt.Errorf("%s document %q: %w", collection, doc.ID, workspace.ErrConflict)
	}
	m.revision++
	doc.Revision = m.revision
	if m.documents == nil {
		m.documents = map[address]workspace.Document{}
	}
	m.documents[at] = clone(doc)
	return doc, nil
}

// Delete implements workspace.Store.
func (m *Memory) Delete(ctx context.Context, collection string, ws weir.WorkspaceID, id string) error {
	if err := m.enter(ctx, "Delete", collection); err != nil {
		return err
	}
	defer m.mu.Unlock()
	delete(m.documents, address{collection, ws, id})
	return nil
}

// Dump is all that the store holds, as text: what a thief of it would read.
func (m *Memory) Dump() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	for a, doc := range m.documents {
		fmt.Fprintf(&b, "%s %s %s %s\n", a.collection, a.workspace, a.id, doc.Body)
	}
	return b.String()
}

func clone(doc workspace.Document) workspace.Document {
	doc.Body = bytes.Clone(doc.Body)
	return doc
}
