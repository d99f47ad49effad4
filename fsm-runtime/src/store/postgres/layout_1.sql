-- The tables of a store, layout 1. `{schema}` stands for the quoted name of the schema.
-- layout: the version of these tables. oldest_reader: the oldest layout whose code can work on them. timeline: that of the server's
-- log when the sequences were last known to be ahead of everything given out. pruned: the newest history entry that was pruned.
CREATE TABLE {schema}.meta (
    name  text PRIMARY KEY,
    value bigint NOT NULL
);

-- A number is given out in the order of calls, so that the readers of the history can tell a gap: CACHE 1.
CREATE SEQUENCE {schema}.fence CACHE 1;
CREATE SEQUENCE {schema}.sequence CACHE 1;

CREATE TABLE {schema}.machines (
    name        text COLLATE "C" NOT NULL,
    version     bigint NOT NULL,
    fingerprint bigint NOT NULL,
    graph       text NOT NULL,
    controller  boolean NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (name, version)
);

-- Room in each page and frequent vacuums: the row of an instance is updated all the time. No index has a column that changes with each
-- transition, so that the update of an instance that rests before and after is a HOT update: it writes to no index. The columns
-- listed_state, listed_schema and listed_since repeat state, schema and updated for the indexes of rows that need attention.
CREATE TABLE {schema}.instances (
    incarnation    uuid NOT NULL,
    version        bigint NOT NULL,
    entered        bigint NOT NULL,
    schema         bigint NOT NULL,
    fence          bigint NOT NULL,
    timer_at       timestamptz,
    retry_at       timestamptz,
    desired_at     timestamptz,
    wake_at        timestamptz GENERATED ALWAYS AS (least(timer_at, CASE WHEN hold IS NULL THEN retry_at END, desired_at)) STORED,
    created        timestamptz NOT NULL,
    updated        timestamptz NOT NULL,
    parked_at      timestamptz,
    error_at       timestamptz,
    first_error_at timestamptz,
    attempt        bigint NOT NULL,
    shard          integer NOT NULL,
    bucket         smallint NOT NULL,
    machine        text COLLATE "C" NOT NULL,
    id             text COLLATE "C" NOT NULL,
    state          text COLLATE "C" NOT NULL,
    owner          text COLLATE "C",
    data           text NOT NULL,
    context        text,
    timers         text,
    checkpoint     text,
    parked         text,
    error          text,
    first_error    text,
    desired        text,
    desired_by     text,
    hold           text,
    listed_state   text COLLATE "C" GENERATED ALWAYS AS (CASE WHEN parked IS NOT NULL OR hold IS NOT NULL OR attempt > 0 THEN state END) STORED,
    listed_schema  bigint GENERATED ALWAYS AS (CASE WHEN parked IS NOT NULL OR hold IS NOT NULL OR attempt > 0 THEN schema END) STORED,
    listed_since   timestamptz GENERATED ALWAYS AS (CASE WHEN parked IS NOT NULL OR hold IS NOT NULL OR attempt > 0 THEN updated END) STORED,
    PRIMARY KEY (machine, id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX instances_due ON {schema}.instances (bucket, wake_at, machine, id) WHERE wake_at IS NOT NULL;
CREATE INDEX instances_owner ON {schema}.instances (owner, machine, id) WHERE owner IS NOT NULL;
CREATE INDEX instances_parked ON {schema}.instances (machine, listed_state, listed_schema, listed_since, id)
    WHERE parked IS NOT NULL;
CREATE INDEX instances_backoff ON {schema}.instances (machine, listed_state, listed_schema, listed_since, id)
    WHERE attempt > 0 AND retry_at IS NOT NULL AND parked IS NULL;
CREATE INDEX instances_hold ON {schema}.instances (machine, listed_state, listed_schema, listed_since, id)
    WHERE hold IS NOT NULL;

-- Only inserted into, and pruned from the oldest entry on.
CREATE TABLE {schema}.history (
    sequence    bigint PRIMARY KEY,
    incarnation uuid NOT NULL,
    version     bigint NOT NULL,
    schema      bigint NOT NULL,
    fence       bigint NOT NULL,
    at          timestamptz NOT NULL,
    bucket      smallint NOT NULL,
    machine     text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL,
    kind        text NOT NULL,
    from_state  text,
    event       text,
    to_state    text NOT NULL,
    cause       text NOT NULL,
    payload     text,
    data        text,
    context     text,
    key         text,
    actor       text,
    trace       text
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX history_instance ON {schema}.history (machine, id, sequence);
CREATE INDEX history_operator ON {schema}.history (sequence) WHERE cause = 'operator';

CREATE TABLE {schema}.keys (
    machine     text COLLATE "C" NOT NULL,
    id          text COLLATE "C" NOT NULL,
    incarnation uuid NOT NULL,
    key         text COLLATE "C" NOT NULL,
    sequence    bigint NOT NULL,
    at          timestamptz NOT NULL,
    PRIMARY KEY (machine, id, incarnation, key)
);
CREATE INDEX keys_age ON {schema}.keys (at);
CREATE INDEX keys_history ON {schema}.keys (sequence);

CREATE TABLE {schema}.leases (
    owner    text COLLATE "C" PRIMARY KEY,
    holder   text NOT NULL,
    node     text NOT NULL,
    pid      bigint NOT NULL,
    machines text NOT NULL,
    build    text,
    slots    bigint NOT NULL,
    since    timestamptz NOT NULL,
    joined   timestamptz,
    leaving  boolean NOT NULL,
    until    timestamptz NOT NULL
) WITH (fillfactor = 50);

-- What operators did beside single instances: actions on many, and purges, which leave no history.
CREATE TABLE {schema}.operations (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL,
    actor    text,
    trace    text,
    what     text NOT NULL,
    machine  text,
    id       text,
    selector text,
    why      text,
    done     bigint NOT NULL,
    skipped  bigint NOT NULL,
    failed   bigint NOT NULL
);
CREATE INDEX operations_age ON {schema}.operations (at);

-- One row for each sequence of batches of a process. The number of the last batch that was committed, and which of its changes did
-- not apply, answer for a COMMIT whose answer was lost.
CREATE TABLE {schema}.lanes (
    lane   uuid PRIMARY KEY,
    batch  bigint NOT NULL,
    missed integer[] NOT NULL,
    seen   timestamptz NOT NULL
) WITH (fillfactor = 20);

-- Entries that live under leases: locks and those that wait for them, services, and work that is done once.
CREATE TABLE {schema}.entries (
    sequence bigint PRIMARY KEY,
    kind     text COLLATE "C" NOT NULL,
    name     text COLLATE "C" NOT NULL,
    id       text COLLATE "C" NOT NULL UNIQUE,
    holder   text NOT NULL,
    value    text,
    since    timestamptz NOT NULL,
    until    timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX entries_queue ON {schema}.entries (kind, name, sequence);

-- The results of what is done once.
CREATE TABLE {schema}.results (
    kind      text COLLATE "C" NOT NULL,
    name      text COLLATE "C" NOT NULL,
    fence     bigint NOT NULL,
    arguments text,
    outcome   text NOT NULL,
    failed    boolean NOT NULL,
    at        timestamptz NOT NULL,
    until     timestamptz NOT NULL,
    PRIMARY KEY (kind, name)
);
CREATE INDEX results_end ON {schema}.results (until);

CREATE TABLE {schema}.subscribers (
    name     text PRIMARY KEY,
    position bigint NOT NULL
);

INSERT INTO {schema}.meta (name, value) VALUES
    ('layout', 1),
    ('oldest_reader', 1),
    ('pruned', 0),
    ('timeline', ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint);
