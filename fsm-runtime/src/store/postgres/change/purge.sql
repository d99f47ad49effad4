-- Deletes rows with the history and the idempotency keys of every incarnation of their ids.
WITH asked AS MATERIALIZED (
    SELECT a.* FROM unnest($1::int[], $2::text[], $3::text[], $4::uuid[], $5::timestamptz[], $8::bigint[])
        AS a(ord, machine, id, incarnation, asked_at, version)
), moved AS (
    DELETE FROM {schema}.instances i USING asked a
    WHERE i.machine = a.machine AND i.id = a.id AND i.incarnation = a.incarnation AND i.version = a.version
    RETURNING a.ord, {i.columns}
), forgotten AS (
    DELETE FROM {schema}.history h USING moved m WHERE h.machine = m.machine AND h.id = m.id
), unkeyed AS (
    DELETE FROM {schema}.keys k USING moved m WHERE k.machine = m.machine AND k.id = m.id
),
{outcome}
