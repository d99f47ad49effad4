//! What is not installed: the tests that need it are left out, and reported here as ignored. With `CI=true` they fail instead.

#[cfg(not(server))]
#[test]
#[ignore = "no PostgreSQL server: run `apt-get install postgresql`, or set `FSM_POSTGRES_BIN`"]
fn tests_on_a_server_are_left_out() {}

#[cfg(not(pooler))]
#[test]
#[ignore = "no PgBouncer: run `apt-get install pgbouncer`, or set `FSM_PGBOUNCER`"]
fn tests_through_a_pooler_are_left_out() {}

#[cfg(not(faketime))]
#[test]
#[ignore = "no faketime: run `apt-get install faketime`, or set `FSM_FAKETIME` to `libfaketimeMT.so.1`"]
fn tests_with_other_clocks_are_left_out() {}
