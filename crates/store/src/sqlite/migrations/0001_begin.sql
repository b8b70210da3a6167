CREATE TABLE entity (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    fence INTEGER NOT NULL
);

CREATE TABLE event (
    position INTEGER PRIMARY KEY,
    entity INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    version INTEGER NOT NULL,
    at INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE UNIQUE INDEX event_of_entity ON event (entity, sequence);

CREATE TABLE event_tag (
    tag TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (tag, position)
) WITHOUT ROWID;

CREATE TABLE snapshot (
    entity INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    version INTEGER NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (entity, sequence)
);

CREATE TABLE projection (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE state (
    name TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL,
    format INTEGER NOT NULL,
    payload BLOB
);

-- AUTOINCREMENT: the id of a pruned job must never name another one.
CREATE TABLE job (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    state INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    attempts_max INTEGER NOT NULL,
    snoozes INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    lease INTEGER NOT NULL,
    lease_until INTEGER,
    unique_key TEXT,
    unique_until INTEGER,
    over_at INTEGER,
    payload BLOB NOT NULL
);
CREATE INDEX job_due ON job (queue, priority, run_at) WHERE state = 0;
CREATE INDEX job_leased ON job (queue, lease_until) WHERE state = 1;
CREATE INDEX job_unique ON job (queue, unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX job_over ON job (over_at) WHERE over_at IS NOT NULL;

CREATE TABLE job_error (
    job INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at INTEGER NOT NULL,
    message TEXT NOT NULL
);
CREATE INDEX job_error_of_job ON job_error (job);
