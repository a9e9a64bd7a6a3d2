-- +goose Up

-- The form of the file, of its documents too; see file.form. Files before the
-- first release, which this was changed after, have none.
PRAGMA user_version = 2;

-- What the index of seen items is marked with that belongs to this file.
CREATE TABLE pair (id BLOB NOT NULL) STRICT;
INSERT INTO pair (id) VALUES (randomblob(16));

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

-- owner is the key of an identity, with number 0 if there is none. ended and
-- started are in units of 2^32 microseconds (71 minutes), rounded down: the next
-- event of a visit seldom moves it in the index, which is as scattered as owners
-- are. The document has the exact times.
CREATE TABLE sessions (
    key       INTEGER PRIMARY KEY,
    workspace INTEGER NOT NULL,
    id        TEXT NOT NULL,
    owner     INTEGER NOT NULL,
    ended     INTEGER NOT NULL,
    started   INTEGER NOT NULL,
    doc       BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX sessions_by_id ON sessions (workspace, id);
CREATE INDEX sessions_by_owner ON sessions (owner, ended, started);

-- Rows lie in order of arrival. owner as above.
CREATE TABLE conversions (
    key       INTEGER PRIMARY KEY,
    workspace INTEGER NOT NULL,
    id        TEXT NOT NULL,
    owner     INTEGER NOT NULL,
    doc       BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX conversions_by_id ON conversions (workspace, id);
CREATE INDEX conversions_by_owner ON conversions (owner);

-- Small notes of the pipeline. workspace 0 is that of notes without one.
CREATE TABLE marks (
    workspace INTEGER NOT NULL,
    name      TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (workspace, name)
) STRICT, WITHOUT ROWID;

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
