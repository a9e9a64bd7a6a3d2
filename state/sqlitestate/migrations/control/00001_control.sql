-- +goose Up

-- The documents of the control plane. Revisions come from one sequence, so that
-- a document that was deleted and made anew has a higher one than before.
CREATE TABLE documents (
    collection TEXT NOT NULL,
    workspace  TEXT NOT NULL,
    id         TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    body       BLOB NOT NULL,
    PRIMARY KEY (collection, workspace, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE revisions (
    last INTEGER NOT NULL
) STRICT;

INSERT INTO revisions VALUES (0);
