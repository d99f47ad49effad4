-- The end of each statement of a burst. If a change missed its row, a group of several changes ($6) fails as a whole, by a division by zero.
-- Otherwise the places of the changes that missed their rows are stored in the lane's row ($7), in case the answer is lost.
checked AS MATERIALIZED (
    SELECT 1 / (NOT $6::boolean OR (SELECT count(*) FROM moved) = cardinality($1))::int AS whole
), missed AS (
    UPDATE {schema}.lanes l SET missed = l.missed || x.ords
    FROM (SELECT array_agg(a.ord) AS ords FROM unnest($1) AS a(ord)
          WHERE (SELECT count(*) FROM moved) < cardinality($1) AND NOT EXISTS (SELECT 1 FROM moved m WHERE m.ord = a.ord)) x
    WHERE l.lane = $7::uuid AND x.ords IS NOT NULL
)
SELECT c.whole, m.ord, {m.columns}, CASE WHEN m.ord = (SELECT min(f.ord) FROM moved f) THEN {told} END AS told
FROM checked c LEFT JOIN moved m ON true
