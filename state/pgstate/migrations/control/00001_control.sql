-- +goose Up

-- The documents of the control plane. Revisions come from one sequence, so that a
-- document that was deleted and made anew has a higher one than before.
CREATE TABLE documents (
    collection text   COLLATE "C" NOT NULL,
    workspace  text   COLLATE "C" NOT NULL,
    id         text   COLLATE "C" NOT NULL,
    revision   bigint NOT NULL,
    body       bytea  NOT NULL,
    PRIMARY KEY (collection, workspace, id)
);

CREATE SEQUENCE revisions;
