package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/weirhq/weir"
)

// Errors of a Store.
var (
	ErrNotFound = errors.New("no such document")
	ErrExists   = errors.New("the document exists already")
	ErrConflict = errors.New("the document was changed meanwhile")
)

// Store keeps the documents of the control plane: small, few, read often,
// changed by people. Every method is atomic and durable when it returns;
// methods may be called concurrently, also by several processes on one store.
// Package workspacetest holds the conformance suite that every Store passes.
type Store interface {
	// Get reads one document. The error wraps ErrNotFound if there is none.
	Get(ctx context.Context, collection string, ws weir.WorkspaceID, id string) (Document, error)
	// List reads a collection of a workspace, ordered by id (by bytes). The
	// documents that belong to no workspace are those of workspace "".
	List(ctx context.Context, collection string, ws weir.WorkspaceID) ([]Document, error)
	// Put writes a document and returns it with its new revision. Revision 0
	// creates it; the error wraps ErrExists if it is there already. Any other
	// revision must be the present one; else the error wraps ErrConflict, as it
	// does if the document is gone.
	Put(ctx context.Context, collection string, ws weir.WorkspaceID, doc Document) (Document, error)
	// Delete removes a document, if it is there.
	Delete(ctx context.Context, collection string, ws weir.WorkspaceID, id string) error
}

// Document is one JSON document. Revisions of one document rise, and one that
// was deleted and created anew never has a former one's revision again.
type Document struct {
	ID       string // 1 to 512 bytes of UTF-8 text without NUL
	Revision int64  // positive once stored
	Body     []byte // JSON; owned by the caller
}

// The collections of this package. Other packages keep their own beside them.
const (
	workspaces = "workspaces" // by workspace id
	keys       = "keys"       // per workspace, by key id
	keyTexts   = "key_texts"  // hash of a key's text -> keyRef
	accounts   = "accounts"   // by e-mail address
	sessions   = "sessions"   // by hash of the token
	setup      = "setup"      // the first-run token, under setupID
	settings   = "settings"   // per workspace, under settingsID
)

// attempts bounds how often a read-modify-write is tried. Each failure means
// that somebody else succeeded; documents here are changed by people, so a few
// would do.
const attempts = 20

// get reads a document into a T.
func get[T any](ctx context.Context, s Store, collection string, ws weir.WorkspaceID, id string) (body T, revision int64, err error) {
	doc, err := s.Get(ctx, collection, ws, id)
	if err != nil {
		return body, 0, err
	}
	if err := json.Unmarshal(doc.Body, &body); err != nil {
		return body, 0, fmt.Errorf("read %s document %q: %w", collection, id, err)
	}
	return body, doc.Revision, nil
}

// create writes a document that must not exist.
func create(ctx context.Context, s Store, collection string, ws weir.WorkspaceID, id string, body any) error {
	return put(ctx, s, collection, ws, id, 0, body)
}

func put(ctx context.Context, s Store, collection string, ws weir.WorkspaceID, id string, revision int64, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("write %s document: %w", collection, err)
	}
	_, err = s.Put(ctx, collection, ws, Document{ID: id, Revision: revision, Body: data})
	return err
}

// update changes a document that exists, starting over when somebody else was
// quicker. An error of change ends it.
func update[T any](ctx context.Context, s Store, collection string, ws weir.WorkspaceID, id string, change func(*T) error) error {
	for try := 1; ; try++ {
		body, revision, err := get[T](ctx, s, collection, ws, id)
		if err != nil {
			return err
		}
		if err := change(&body); err != nil {
			return err
		}
		err = put(ctx, s, collection, ws, id, revision, body)
		if !errors.Is(err, ErrConflict) || try == attempts {
			return err
		}
	}
}

// maxDocument bounds a body, in bytes: the control plane is no place for data.
const maxDocument = 4 << 20

// Check reports what no Store may take: a bad id, a body that is no JSON or is
// over 4 MiB. Stores call it in Put.
func (d Document) Check() error {
	if len(d.ID) == 0 || len(d.ID) > 512 || !utf8.ValidString(d.ID) || strings.ContainsRune(d.ID, 0) {
		return fmt.Errorf("document id %q: need 1 to 512 bytes of text", d.ID)
	}
	if d.Revision < 0 {
		return fmt.Errorf("document %q: revision %d is negative", d.ID, d.Revision)
	}
	if len(d.Body) > maxDocument || !json.Valid(d.Body) {
		return fmt.Errorf("document %q: need at most %d bytes of JSON", d.ID, maxDocument)
	}
	return nil
}
