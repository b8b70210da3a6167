-- The name `vaxel` stands for the schema that the store is given.

CREATE TABLE vaxel.entity (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    fence bigint NOT NULL
);

-- One is never used, so the last value is always one that was given out.
CREATE SEQUENCE vaxel.position CACHE 1;
SELECT nextval('vaxel.position');

CREATE TABLE vaxel.event (
    position bigint PRIMARY KEY DEFAULT nextval('vaxel.position'),
    entity bigint NOT NULL,
    sequence bigint NOT NULL,
    at bigint NOT NULL,
    version integer NOT NULL,
    payload bytea NOT NULL,
    CONSTRAINT event_of_entity UNIQUE (entity, sequence)
);

CREATE TABLE vaxel.event_tag (
    tag text COLLATE "C" NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (tag, position)
);

CREATE TABLE vaxel.snapshot (
    entity bigint NOT NULL,
    sequence bigint NOT NULL,
    version integer NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (entity, sequence)
);

CREATE TABLE vaxel.projection (
    name text COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL
);

CREATE TABLE vaxel.state (
    name text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    format integer NOT NULL,
    payload bytea
);

CREATE TABLE vaxel.job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text COLLATE "C" NOT NULL,
    state integer NOT NULL,
    priority integer NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    attempts_max integer NOT NULL,
    snoozes integer NOT NULL DEFAULT 0,
    run_at bigint NOT NULL,
    lease bigint NOT NULL DEFAULT 0,
    lease_until bigint,
    unique_key text COLLATE "C",
    unique_until bigint,
    over_at bigint,
    payload bytea NOT NULL
);
CREATE INDEX job_due ON vaxel.job (queue, priority, run_at, id) WHERE state = 0;
CREATE INDEX job_leased ON vaxel.job (queue, lease_until) WHERE state = 1;
CREATE UNIQUE INDEX job_unique ON vaxel.job (queue, unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX job_over ON vaxel.job (over_at) WHERE over_at IS NOT NULL;
CREATE INDEX job_of_queue ON vaxel.job (queue, state, id);

CREATE TABLE vaxel.job_error (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job bigint NOT NULL,
    attempt integer NOT NULL,
    at bigint NOT NULL,
    message text NOT NULL
);
CREATE INDEX job_error_of_job ON vaxel.job_error (job);

-- Appends of many entities. For each append: whose, under which fence, after which event. For each
-- event: of which append (from one), the how manieth of it, and the rest.
--
-- Two locks are held until the end of the transaction, and taken before the statement that checks
-- and writes, so that its snapshot is younger than they are:
-- 1. The gate, shared. A claim raises the fence, then passes the gate alone, then looks for the
--    last event: what was appended under an older fence is there by then, and nothing more comes.
--    A part of a longer transaction does not go through the gate, where it would keep all claims
--    waiting: it has locked the row of its entity against claims (`LockOwner`).
-- 2. The last position that was given out before, as a lower bound of those given out here; see
--    `horizon`.
--
-- Answers for each append the fence and the last event that were found. It was written where both
-- are those that were asked for. Positions are those of the written events, in their order.
CREATE FUNCTION vaxel.append(
    whose text[], owners bigint[], known bigint[],
    of_append integer[], nths integer[], versions integer[], payloads bytea[],
    tagged integer[], tags text[], written_at bigint, through_gate boolean,
    OUT fences bigint[], OUT heads bigint[], OUT positions bigint[]
) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    ids bigint[];
    low bigint;
BEGIN
    IF through_gate THEN
        PERFORM pg_advisory_xact_lock_shared(1447123020, 'vaxel.entity'::regclass::oid::integer);
    END IF;
    SELECT last_value INTO low FROM vaxel.position;
    PERFORM pg_advisory_xact_lock_shared(
        (('vaxel.event'::regclass::oid::bigint & 32767) << 48) | low);
    WITH checked AS MATERIALIZED (
        SELECT array_agg(coalesce(e.id, 0) ORDER BY a.nth) AS ids,
            array_agg(coalesce(e.fence, 0) ORDER BY a.nth) AS fences,
            array_agg(coalesce(h.head, 0) ORDER BY a.nth) AS heads,
            array_agg(e.fence IS NOT DISTINCT FROM a.owner AND coalesce(h.head, 0) = a.known
                ORDER BY a.nth) AS is_right
        FROM unnest(whose, owners, known) WITH ORDINALITY AS a (name, owner, known, nth)
        LEFT JOIN vaxel.entity e ON e.name = a.name
        LEFT JOIN LATERAL (
            SELECT v.sequence AS head FROM vaxel.event v
            WHERE v.entity = e.id ORDER BY v.sequence DESC LIMIT 1
        ) h ON true
    ), written AS (
        INSERT INTO vaxel.event (entity, sequence, at, version, payload)
        SELECT c.ids[n.append], append.known[n.append] + n.nth, written_at, n.version, n.payload
        FROM checked c, unnest(of_append, nths, versions, payloads)
            AS n (append, nth, version, payload)
        WHERE c.is_right[n.append]
        RETURNING position
    )
    SELECT c.ids, c.fences, c.heads, (SELECT array_agg(w.position) FROM written w)
        INTO ids, fences, heads, positions FROM checked c;
    IF cardinality(tagged) > 0 THEN
        INSERT INTO vaxel.event_tag (tag, position)
        SELECT t.tag, v.position
        FROM unnest(tagged, tags) AS t (event, tag)
        JOIN vaxel.event v ON v.entity = ids[of_append[t.event]]
            AND v.sequence = known[of_append[t.event]] + nths[t.event]
        WHERE fences[of_append[t.event]] = owners[of_append[t.event]]
            AND heads[of_append[t.event]] = known[of_append[t.event]]
        ON CONFLICT DO NOTHING;
    END IF;
END $$;

-- Up to where the positions of all events are committed or will never be: the last that was given
-- out, or before it the lowest bound that a running append has left as a lock. The order matters:
-- who gave out a position before the first look is seen by the second, or has ended.
CREATE FUNCTION vaxel.horizon() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    high bigint;
    low bigint;
BEGIN
    SELECT last_value INTO high FROM vaxel.position;
    SELECT min(((l.classid::bigint & 65535) << 32) | l.objid::bigint) INTO low
    FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.objsubid = 1
        AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
        AND l.classid::bigint >> 16 = ('vaxel.event'::regclass::oid::bigint & 32767);
    RETURN least(high, low);
END $$;

-- A key whose time is over is given back first. The index lets one of several in at once.
CREATE FUNCTION vaxel.enqueue(
    into_queue text, with_priority integer, tries integer, due bigint,
    key text, key_until bigint, body bytea, now_at bigint,
    OUT job_id bigint, OUT is_new boolean
) LANGUAGE plpgsql AS $$
BEGIN
    LOOP
        IF key IS NOT NULL THEN
            UPDATE vaxel.job SET unique_key = NULL
            WHERE queue = into_queue AND unique_key = key AND unique_until <= now_at;
        END IF;
        INSERT INTO vaxel.job
            (queue, state, priority, attempts_max, run_at, unique_key, unique_until, payload)
        VALUES (into_queue, 0, with_priority, tries, due, key, key_until, body)
        ON CONFLICT (queue, unique_key) WHERE unique_key IS NOT NULL DO NOTHING
        RETURNING id INTO job_id;
        is_new := FOUND;
        EXIT WHEN is_new;
        SELECT id INTO job_id FROM vaxel.job WHERE queue = into_queue AND unique_key = key;
        EXIT WHEN FOUND;
    END LOOP;
END $$;
