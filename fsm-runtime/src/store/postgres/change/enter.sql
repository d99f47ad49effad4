-- Transitions and overrides. A column with one value for all rows is sent as an array of one item, because each item of an array costs the
-- server time. Without volatile functions, the server joins the values to the rows without storing them before.
WITH asked AS (
    SELECT a.*, {patch} AS patch FROM (
    SELECT a.*, coalesce(a.asked_at, statement_timestamp()) AS now FROM (
    SELECT a.ord, a.id, a.incarnation, a.asked_at, a.version, a.claim, a.data, a.context, a.timers, a.key, a.actor, a.trace, a.not_before,
        coalesce(a.machine, ($2::text[])[1]) AS machine, coalesce(a.state, ($10::text[])[1]) AS state,
        coalesce(a.schema, ($11::bigint[])[1]) AS schema, coalesce(a.keeps_context, ($14::boolean[])[1]) AS keeps_context,
        coalesce(a.work, ($16::boolean[])[1]) AS work, coalesce(a.kind, ($17::text[])[1]) AS kind,
        coalesce(a.from_state, ($18::text[])[1]) AS from_state, coalesce(a.event, ($19::text[])[1]) AS event,
        coalesce(a.payload, ($20::text[])[1]) AS payload, coalesce(a.cause, ($21::text[])[1]) AS cause
    FROM unnest($1::int[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[], $8::bigint[], $9::bigint[], $10::text[], $11::bigint[],
                $12::text[], $13::text[], $14::boolean[], $15::text[], $16::boolean[], $17::text[], $18::text[], $19::text[],
                $20::text[], $21::text[], $22::text[], $23::text[], $24::text[], $25::timestamptz[])
        AS a(ord, machine, id, incarnation, asked_at, version, claim, state, schema, data, context, keeps_context, timers, work, kind,
             from_state, event, payload, cause, key, actor, trace, not_before)) a) a
), {known}moved AS (
    {action}
    RETURNING a.ord, {i.columns}, a.kind, a.from_state, a.event, a.payload, a.data AS new_data, a.cause, a.key, a.actor, a.trace, a.now
), told AS (
    INSERT INTO {schema}.history AS h (sequence, machine, id, incarnation, kind, version, schema, fence, from_state, event, to_state,
        payload, data, context, cause, key, actor, trace, at, bucket)
    SELECT nextval('{schema}.sequence'), e.machine, e.id, e.incarnation, e.kind, e.version, e.schema, e.fence, e.from_state,
        e.event, e.state, e.payload, e.new_data, e.context, e.cause, e.key, e.actor, e.trace, e.now, e.shard >> 6
    FROM (SELECT m.* FROM moved m ORDER BY m.ord) e
    RETURNING h.machine, h.id, h.incarnation, h.key, h.sequence, h.at
){keyed},
{outcome}
