-- Deletes rows with the history and the idempotency keys of all incarnations of their ids. Purges by an operator are logged.
WITH asked AS MATERIALIZED (
    SELECT a.*, coalesce(a.machines, ($2::text[])[1]) AS machine,
        coalesce(a.asked_at, clock_timestamp()) AS now
    FROM unnest($1::int[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[], $8::bigint[], $9::text[], $10::text[], $11::text[])
        AS a(ord, machines, id, incarnation, asked_at, version, actor, trace, why)
), moved AS (
    DELETE FROM {schema}.instances i USING asked a
    WHERE i.machine = a.machine AND i.id = a.id AND i.incarnation = a.incarnation AND i.version = a.version
    RETURNING a.ord, {i.columns}
), forgotten AS (
    DELETE FROM {schema}.history h USING moved m WHERE h.machine = m.machine AND h.id = m.id
), unkeyed AS (
    DELETE FROM {schema}.keys k USING moved m WHERE k.machine = m.machine AND k.id = m.id
), logged AS (
    INSERT INTO {schema}.operations (at, actor, trace, what, machine, id, why, done, skipped, failed)
    SELECT a.now, a.actor, a.trace, 'purge', a.machine, a.id, a.why, 1, 0, 0
    FROM moved m JOIN asked a ON a.ord = m.ord WHERE a.actor IS NOT NULL ORDER BY a.ord
),
{outcome}
