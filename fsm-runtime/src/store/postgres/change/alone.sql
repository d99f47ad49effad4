-- The end of a statement that is a transaction of its own. It stores the number of its batch in the lane's row ($7) with the places of the
-- changes that missed their rows, in case the answer is lost. If the number cannot be stored, the statement fails by a division by zero.
decided AS (
    UPDATE {schema}.lanes l SET batch = {batch}, missed = coalesce(x.ords, ARRAY[]::int[]), seen = clock_timestamp()
    FROM (SELECT array_agg(a.ord) AS ords FROM unnest($1) AS a(ord)
          WHERE (SELECT count(*) FROM moved) < cardinality($1) AND NOT EXISTS (SELECT 1 FROM moved m WHERE m.ord = a.ord)) x
    WHERE l.lane = $7::uuid AND l.batch < {batch}::bigint AND {sequences}
    RETURNING 1
), checked AS MATERIALIZED (
    SELECT 1 / count(*)::int AS whole FROM decided
)
SELECT c.whole, m.ord, {m.columns}, CASE WHEN m.ord = (SELECT min(f.ord) FROM moved f) THEN {told} END AS told
FROM checked c LEFT JOIN moved m ON true
