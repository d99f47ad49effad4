UPDATE fsm_instances
SET state = ?5, version = version + 1, entered = version + 1, schema = ?6, data = ?7,
    context = iif(?13, ifnull(?8, context), ?8), timer_at = ?9, retry_at = ?10,
    owner = iif(?11 IS NULL, owner, NULL), attempt = 0, checkpoint = NULL, parked = NULL, parked_at = NULL,
    error = NULL, error_at = NULL, first_error = NULL, first_error_at = NULL, updated = ?12, desired_at = iif(desired IS NULL, NULL, ?12)
WHERE machine = ?1 AND id = ?2 AND incarnation = ?3 AND version = ?4 AND fence = ifnull(?11, fence)
    AND schema <= ?6 AND ifnull(?14, ?12) <= ?12
RETURNING fence, owner, shard, created, desired, iif(?13, context, NULL), desired_by, hold
