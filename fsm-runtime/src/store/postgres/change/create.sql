-- Creates instances. No row is created if the current incarnation of the id, or else its last one, has the same idempotency key.
WITH asked AS MATERIALIZED (
    SELECT a.*, {patch} AS patch FROM (
    SELECT a.*, coalesce(a.machines, ($2::text[])[1]) AS machine,
        coalesce(a.asked_at, clock_timestamp()) AS now
    FROM unnest($1::int[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[], $8::text[], $9::bigint[], $10::text[], $11::text[],
                $12::text[], $13::boolean[], $14::int[], $15::text[], $16::text[], $17::text[], $18::text[])
        AS a(ord, machines, id, incarnation, asked_at, state, schema, data, context, timers, work, shard, cause, key, actor, trace)) a
), known AS MATERIALIZED (
    SELECT a.ord FROM asked a JOIN {schema}.keys k ON k.machine = a.machine AND k.id = a.id AND k.key = a.key
        AND k.incarnation = coalesce(
            (SELECT i.incarnation FROM {schema}.instances i WHERE i.machine = a.machine AND i.id = a.id),
            (SELECT h.incarnation FROM {schema}.history h WHERE h.machine = a.machine AND h.id = a.id
             ORDER BY h.sequence DESC LIMIT 1))
    WHERE a.key IS NOT NULL
), made AS (
    INSERT INTO {schema}.instances AS i (machine, id, incarnation, state, version, entered, schema, data, context, timers, timer_at, retry_at,
        fence, attempt, shard, bucket, created, updated)
    SELECT a.machine, a.id, a.incarnation, a.state, 1, 1, a.schema, a.data, a.context,
        {timers}, {timer_at}, CASE WHEN a.work THEN a.now END,
        0, 0, a.shard, a.shard >> 6, a.now, a.now
    FROM asked a WHERE NOT EXISTS (SELECT 1 FROM known k WHERE k.ord = a.ord)
    ORDER BY a.machine, a.id
    ON CONFLICT (machine, id) DO NOTHING
    RETURNING {i.columns}
), moved AS (
    SELECT a.ord, i.* FROM made i JOIN asked a ON a.machine = i.machine AND a.id = i.id
), told AS (
    INSERT INTO {schema}.history AS h (sequence, machine, id, incarnation, kind, version, schema, fence, to_state, data, context, cause,
        key, actor, trace, at, bucket)
    SELECT nextval('{schema}.sequence'), e.machine, e.id, e.incarnation, 'transition', 1, e.schema, 0, e.state, e.data, e.context,
        e.cause, e.key, e.actor, e.trace, e.now, e.shard >> 6
    FROM (SELECT a.* FROM moved m JOIN asked a ON a.ord = m.ord ORDER BY a.ord) e
    RETURNING h.machine, h.id, h.incarnation, h.key, h.sequence, h.at
), keyed AS (
    INSERT INTO {schema}.keys (machine, id, incarnation, key, sequence, at)
    SELECT t.machine, t.id, t.incarnation, t.key, t.sequence, t.at FROM told t WHERE t.key IS NOT NULL
),
{outcome}
