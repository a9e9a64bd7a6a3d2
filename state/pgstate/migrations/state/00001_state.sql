-- +goose Up

-- All text that items bring is bytea: an id may have any bytes, NUL too, and bytea
-- compares by bytes whatever the collation of the database is.
--
-- Rows that are searched are apart from the documents that are written at every
-- visit: the columns of the narrow tables seldom change, so that an update of a
-- document touches no index (HOT; fillfactor leaves room for it in the page). The
-- documents, which grow and have parts out of line, are partitioned sixteen ways: the
-- values out of line share 2^32 identifiers in each table, and vacuum goes table by
-- table. They are only ever asked for by their whole key, which costs one look at the
-- right partition; whatever is asked for by something else is in a narrow table, where
-- sixteen looks would be needed otherwise.

-- The form of the documents; see package document.
CREATE TABLE form (number integer NOT NULL);
INSERT INTO form VALUES (2);

-- Workspaces have short numbers here, for the keys below. identities and sessions
-- are the last dense numbers that were given out. written is false of those that
-- were only ever asked for.
CREATE TABLE workspaces (
    number     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         bytea   NOT NULL UNIQUE,
    written    boolean NOT NULL DEFAULT false,
    identities bigint  NOT NULL DEFAULT 0,
    sessions   bigint  NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Whoever was ever locked, whether or not anything is known of them: the row is the
-- lock. Without a number it is nothing else.
CREATE TABLE identities (
    workspace integer NOT NULL,
    id        bytea   NOT NULL,
    number    bigint,
    person    bigint,
    PRIMARY KEY (workspace, id)
) WITH (fillfactor = 85);

-- Identities whose person is another's number. A person has the number of its first
-- identity; most have no other.
CREATE TABLE members (
    workspace integer NOT NULL,
    person    bigint  NOT NULL,
    number    bigint  NOT NULL,
    PRIMARY KEY (workspace, person, number)
);

-- id and person are those of identities.
CREATE TABLE identity_documents (
    workspace integer NOT NULL,
    number    bigint  NOT NULL,
    id        bytea   NOT NULL,
    person    bigint  NOT NULL,
    doc       bytea   NOT NULL,
    PRIMARY KEY (workspace, number)
) PARTITION BY HASH (workspace, number);

-- owner is the number of an identity, 0 if there is none. ended and started are in
-- units of 2^32 microseconds (71 minutes), rounded down: the next event of a visit
-- seldom moves it in the index. The document has the exact times.
CREATE TABLE sessions (
    workspace integer NOT NULL,
    number    bigint  NOT NULL,
    id        bytea   NOT NULL,
    owner     bigint  NOT NULL,
    ended     integer NOT NULL,
    started   integer NOT NULL,
    PRIMARY KEY (workspace, number),
    UNIQUE (workspace, id)
);

CREATE INDEX sessions_by_owner ON sessions (workspace, owner, ended, started);

CREATE TABLE session_documents (
    workspace integer NOT NULL,
    number    bigint  NOT NULL,
    doc       bytea   NOT NULL,
    PRIMARY KEY (workspace, number)
) PARTITION BY HASH (workspace, number);

CREATE TABLE conversions (
    workspace integer NOT NULL,
    id        bytea   NOT NULL,
    owner     bigint  NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE INDEX conversions_by_owner ON conversions (workspace, owner);

CREATE TABLE conversion_documents (
    workspace integer NOT NULL,
    id        bytea   NOT NULL,
    doc       bytea   NOT NULL,
    PRIMARY KEY (workspace, id)
) PARTITION BY HASH (workspace, id);

-- Every applied item, by the first half of a SHA-256. The keys are spread evenly;
-- partitions are ranges of them, so that whoever asks for many knows where each is.
CREATE TABLE seen (
    key      uuid   NOT NULL PRIMARY KEY,
    position bigint NOT NULL,
    version  bigint NOT NULL,
    hash     bigint NOT NULL,
    at       bigint NOT NULL,
    doc      bytea
) PARTITION BY RANGE (key);

-- +goose StatementBegin
DO $$
DECLARE
    parent text;
    digit text;
BEGIN
    FOR n IN 0..15 LOOP
        digit := to_hex(n);
        FOREACH parent IN ARRAY ARRAY['identity_documents', 'session_documents', 'conversion_documents'] LOOP
            EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 16, REMAINDER %s) WITH (fillfactor = 80)',
                parent || '_' || digit, parent, n);
        END LOOP;
        EXECUTE format('CREATE TABLE %I PARTITION OF seen FOR VALUES FROM (%s) TO (%s)', 'seen_' || digit,
            CASE n WHEN 0 THEN 'MINVALUE' ELSE quote_literal(rpad(digit, 32, '0')) END,
            CASE n WHEN 15 THEN 'MAXVALUE' ELSE quote_literal(rpad(to_hex(n + 1), 32, '0')) END);
    END LOOP;
END $$;
-- +goose StatementEnd

-- Items that batches are at, by the delivery that the batch has. What is lost of it when
-- the database crashes was of transactions that are lost too, or of batches that will be
-- told when they put what they have seen.
CREATE UNLOGGED TABLE claims (
    key       uuid    NOT NULL PRIMARY KEY,
    partition integer NOT NULL,
    seq       bigint  NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 50000);

CREATE INDEX claims_by_delivery ON claims (partition, seq);

-- Small notes of the pipeline. workspace 0 is that of notes without one.
CREATE TABLE marks (
    workspace integer NOT NULL,
    name      bytea   NOT NULL,
    value     bytea   NOT NULL,
    PRIMARY KEY (workspace, name)
);

-- How far each partition of the queue is applied. base is where the advance to seq
-- began, and writer names the transaction that made it.
CREATE TABLE positions (
    partition integer NOT NULL PRIMARY KEY,
    seq       bigint  NOT NULL,
    base      bigint  NOT NULL,
    writer    uuid    NOT NULL
) WITH (fillfactor = 50);

-- The numbers of commits: of two transactions that had one user, the later has the
-- greater, as it takes it while it holds the user's row.
CREATE SEQUENCE commits;

-- Work that waits. Whoever records effects of a topic holds its row in topics up to
-- the commit, so that cursors become visible in their order.
CREATE TABLE topics (
    topic bytea  NOT NULL PRIMARY KEY,
    last  bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE outbox (
    topic     bytea   NOT NULL,
    cursor    bigint  NOT NULL,
    workspace bytea   NOT NULL,
    id        bytea   NOT NULL,
    user_id   bytea   NOT NULL,
    body      bytea   NOT NULL,
    PRIMARY KEY (topic, cursor)
);

-- Users who are held, by whom, and until when unless the holder says that it lives.
CREATE TABLE holds (
    workspace integer     NOT NULL,
    id        bytea       NOT NULL,
    holder    uuid        NOT NULL,
    expires   timestamptz NOT NULL,
    PRIMARY KEY (workspace, id)
);

CREATE INDEX holds_by_holder ON holds (holder);
