//! Leases of processes, in the server's time.

use super::{
    columns::{micros, value},
    core::Core,
    statement::Statement,
};
use crate::store::{Lease, Renewal, StoreError};
use std::time::SystemTime;
use tokio_postgres::{Row, types::Type};

/// The columns of a lease at the time `t.now`.
const LEASE: &str = "l.owner, l.holder, l.since, l.until, l.until > t.now";
const NOW: &str = "(SELECT coalesce($1::timestamptz, clock_timestamp()) AS now) t";

impl Core {
    pub(super) async fn renew(&self, renewals: Vec<Renewal>, now: SystemTime) -> Result<Vec<Lease>, StoreError> {
        let now = self.callers(now);
        let mut leases = Vec::with_capacity(renewals.len());
        for Renewal { owner, holder, ttl } in renewals {
            let text = format!(
                "WITH t AS (SELECT * FROM {NOW}), l AS (
                    INSERT INTO {{schema}}.leases AS l (owner, holder, since, until)
                    SELECT $2, $3, t.now, t.now + $4 * interval '1 microsecond' FROM t
                    ON CONFLICT (owner) DO UPDATE SET holder = excluded.holder, until = excluded.until
                    RETURNING l.*)
                 SELECT {LEASE} FROM l, t"
            );
            let statement = Statement::new(text)
                .with(now, Type::TIMESTAMPTZ)
                .text(owner)
                .text(holder)
                .number(micros(ttl));
            let rows = self.run_on(&self.lease, &statement, true).await?;
            leases.extend(self.decoded(rows.iter().map(to_lease).collect::<Result<Vec<_>, _>>())?);
        }
        self.remove_lapsed(now).await?;
        Ok(leases)
    }

    pub(super) async fn end_leases(&self, owners: Vec<String>, now: SystemTime) -> Result<(), StoreError> {
        let now = self.callers(now);
        let text = format!(
            "UPDATE {{schema}}.leases l SET until = least(l.until, t.now) FROM {NOW} WHERE l.owner = ANY($2)"
        );
        let statement = Statement::new(text).with(now, Type::TIMESTAMPTZ).with(owners, Type::TEXT_ARRAY);
        self.run_on(&self.lease, &statement, true).await?;
        self.remove_lapsed(now).await
    }

    pub(super) async fn leases(&self, now: SystemTime) -> Result<Vec<Lease>, StoreError> {
        let text = format!("SELECT {LEASE} FROM {{schema}}.leases l, {NOW} ORDER BY l.since, l.owner");
        let rows = self.read(Statement::new(text).with(self.callers(now), Type::TIMESTAMPTZ)).await?;
        self.decoded(rows.iter().map(to_lease).collect())
    }

    /// Removes lapsed leases whose owners have no rows.
    async fn remove_lapsed(&self, now: Option<SystemTime>) -> Result<(), StoreError> {
        let text = format!(
            "DELETE FROM {{schema}}.leases l USING {NOW} WHERE l.until <= t.now
             AND NOT EXISTS (SELECT 1 FROM {{schema}}.instances i WHERE i.owner = l.owner)"
        );
        let statement = Statement::new(text).with(now, Type::TIMESTAMPTZ);
        self.run_on(&self.lease, &statement, true).await.map(drop)
    }
}

fn to_lease(row: &Row) -> Result<Lease, super::failure::Failure> {
    Ok(Lease {
        owner: value(row, 0, "owner")?,
        holder: value(row, 1, "holder")?,
        since: value(row, 2, "since")?,
        until: value(row, 3, "until")?,
        live: value(row, 4, "live")?,
    })
}
