INSERT INTO fsm_history (machine, id, incarnation, kind, version, schema, fence, from_state, event, to_state,
    payload, data, context, cause, key, actor, trace, at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
