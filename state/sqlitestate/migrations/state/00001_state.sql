-- +goose Up

-- Workspaces have short numbers here, for the keys below. identities and
-- sessions are the last dense numbers that were given out.
CREATE TABLE workspaces (
    number     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    identities INTEGER NOT NULL DEFAULT 0,
    sessions   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- key is workspace << 32 | dense number: rows lie in order of arrival, and only
-- the small index goes by the ids, which may be random. person has the form of a
-- key.
CREATE TABLE identities (
    key       INTEGER PRIMARY KEY,
    workspace INTEGER NOT NULL,
    id        TEXT NOT NULL,
    person    INTEGER NOT NULL,
    doc       BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX identities_by_id ON identities (workspace, id);

-- A person has the number of its first identity, which needs no index; most
-- have no other.
CREATE INDEX identities_by_person ON identities (person) WHERE person <> key;

CREATE TABLE sessions (
    key       INTEGER PRIMARY KEY,
    workspace INTEGER NOT NULL,
    id        TEXT NOT NULL,
    doc       BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX sessions_by_id ON sessions (workspace, id);

-- Work that waits, in the order in which it was recorded. cursor never goes back,
-- also after deletions.
CREATE TABLE outbox (
    cursor    INTEGER PRIMARY KEY AUTOINCREMENT,
    topic     TEXT NOT NULL,
    workspace TEXT NOT NULL,
    id        TEXT NOT NULL,
    user      TEXT NOT NULL,
    body      BLOB NOT NULL
) STRICT;

CREATE INDEX outbox_by_topic ON outbox (topic, cursor);

-- How far each partition of the queue is applied.
CREATE TABLE positions (
    partition INTEGER PRIMARY KEY,
    seq       INTEGER NOT NULL
) STRICT;
