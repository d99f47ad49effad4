-- Changes rows that stay in their state. keep.rs fills in the statement of the change and its values. If a change has a note, the note is
-- added to the history.
WITH asked AS MATERIALIZED (
    SELECT a.*, coalesce(a.machines, ($2::text[])[1]) AS machine,
        coalesce(a.asked_at, clock_timestamp()) AS now
    FROM unnest($1::int[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[], $8::bigint[], $9::text[], $10::text[], $11::text[],
                $12::text[], $13::text[]{arrays})
        AS a(ord, machines, id, incarnation, asked_at, version, about, note, cause, actor, trace{fields})
), moved AS (
    {action}
    RETURNING a.ord, {i.columns}
), told AS (
    INSERT INTO {schema}.history (sequence, machine, id, incarnation, kind, version, schema, fence, event, to_state, payload, cause,
        actor, trace, at, bucket)
    SELECT nextval('{schema}.sequence'), e.machine, e.id, e.incarnation, 'note', e.version, e.schema, e.fence, e.about, e.state,
        e.note, e.cause, e.actor, e.trace, e.now, e.shard >> 6
    FROM (SELECT m.*, a.about, a.note, a.cause, a.actor, a.trace, a.now
          FROM moved m JOIN asked a ON a.ord = m.ord WHERE a.about IS NOT NULL ORDER BY a.ord) e
    RETURNING sequence
),
{outcome}
