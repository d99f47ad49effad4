//! Connections to the server: where it is, and the settings of each connection.

use super::{
    OpenError, PostgresOptions,
    failure::{Failure, Kind, unconnected},
    tls::{self, Tls},
};
use std::{future::poll_fn, str::FromStr, time::Duration};
use tokio::sync::mpsc::UnboundedSender;
use tokio_postgres::{
    AsyncMessage, Client, Config, Connection, NoTls,
    config::{Host, TargetSessionAttrs},
    tls::TlsStream,
};

/// How long one attempt to connect to one address may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a statement waits for a lock at most.
const LOCK: Duration = Duration::from_secs(2);
/// After this time the server ends a transaction whose client does not go on.
const IDLE_IN_TRANSACTION: &str = "5s";

/// What a connection is for; it is shown in `pg_stat_activity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Lane,
    Reader,
    Lease,
    Notifications,
    Statements,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Lane => "fsm lane",
            Self::Reader => "fsm reader",
            Self::Lease => "fsm lease",
            Self::Notifications => "fsm notifications",
            Self::Statements => "fsm statements",
        }
    }
}

/// The server and the database, with what identifies this process there.
pub(super) struct Target {
    config: Config,
    tls: Tls,
    /// The store as it is called in errors, without user and password.
    pub(super) name: String,
    pub(super) pooled: bool,
    pub(super) statement_timeout: Duration,
}

impl Target {
    pub(super) fn new(options: &PostgresOptions) -> Result<Self, OpenError> {
        // The causes of the parser's error may hold parts of the text.
        let mut config = Config::from_str(&tls::understood(options.url()))
            .map_err(|_| OpenError::Url { why: "its form, or one of its options, is unknown".to_owned() })?;
        let is_empty = |host: &Host| matches!(host, Host::Tcp(name) if name.is_empty());
        let hosts = config.get_hosts();
        if hosts.iter().any(is_empty) || hosts.is_empty() && config.get_hostaddrs().is_empty() {
            return Err(OpenError::Url { why: "it names no host".to_owned() });
        }
        config
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(10))
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        let (tls, name) = (tls::choose(&mut config, options)?, name(&config, &options.schema));
        Ok(Self { config, tls, name, pooled: options.pooled, statement_timeout: options.statement_timeout })
    }

    /// The longest time that a statement and its answer may take.
    pub(super) fn deadline(&self) -> Duration {
        self.statement_timeout.saturating_add(Duration::from_secs(2))
    }

    /// The beginning of a transaction. A pooler keeps no settings of a session, so they are part of it.
    pub(super) fn begin(&self, role: Role) -> String {
        const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
        if !self.pooled {
            return BEGIN.to_owned();
        }
        let settings = self.settings(role).map(|(name, value)| format!("; SET LOCAL {name} = '{value}'"));
        format!("{BEGIN}{}", settings.concat())
    }

    fn settings(&self, role: Role) -> [(&'static str, String); 8] {
        // The joins of a batch begin at its values, which the planner has no statistics about: each row is found by its key.
        let scans = if role == Role::Lane { "off" } else { "on" };
        let millis = |duration: Duration| duration.as_millis().clamp(1, i32::MAX as u128).to_string();
        [
            ("statement_timeout", millis(self.statement_timeout)),
            // Less than a statement may take, so that the reason is known.
            ("lock_timeout", millis(LOCK.min(self.statement_timeout / 2))),
            ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION.to_owned()),
            ("enable_seqscan", scans.to_owned()),
            ("enable_mergejoin", scans.to_owned()),
            ("jit", "off".to_owned()),
            ("plan_cache_mode", if scans == "off" { "force_generic_plan" } else { "auto" }.to_owned()),
            ("standard_conforming_strings", "on".to_owned()),
        ]
    }

    /// Connects, and spawns the task that drives the connection. Notifications go to `notified`, which is dropped when the connection
    /// ends. Nothing was sent that could change anything.
    ///
    /// Hosts are tried in order, and none that does not answer uses up the time of those after it: if `limit` is short, each has a part.
    pub(super) async fn connect(
        &self,
        role: Role,
        notified: Option<UnboundedSender<String>>,
        limit: Duration,
    ) -> Result<Client, Failure> {
        let mut config = self.config.clone();
        let hosts = config.get_hosts().len().max(config.get_hostaddrs().len()).max(1);
        let parts = u32::try_from(hosts).unwrap_or(u32::MAX).saturating_add(1);
        let of_each = CONNECT.min(limit / parts);
        config.connect_timeout(of_each).application_name(role.name());
        if !self.pooled {
            let own = config.get_options().map(|own| format!("{own} ")).unwrap_or_default();
            let settings = self.settings(role).map(|(name, value)| format!("-c {name}={value}")).join(" ");
            config.options(format!("{own}{settings} -c default_transaction_isolation=read\\ committed"));
        }
        let connecting = async {
            match &self.tls {
                Tls::None => {
                    let (client, connection) = config.connect(NoTls).await.map_err(unconnected)?;
                    tokio::spawn(drive(connection, notified));
                    Ok(client)
                }
                #[cfg(feature = "postgres-tls")]
                Tls::Rustls(tls) => {
                    let (client, connection) = config.connect(tls.clone()).await.map_err(unconnected)?;
                    tokio::spawn(drive(connection, notified));
                    Ok(client)
                }
            }
        };
        let within = of_each.saturating_mul(parts);
        match tokio::time::timeout(within, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(Failure::new(Kind::Unreachable, format!("no connection within {within:?}"))),
        }
    }
}

/// Drives a connection to its end.
async fn drive<S, T>(mut connection: Connection<S, T>, notified: Option<UnboundedSender<String>>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: TlsStream + Unpin,
{
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(notification))) => {
                if let Some(notified) = &notified {
                    let _ = notified.send(notification.payload().to_owned());
                }
            }
            Some(Ok(_)) => {}
            // The calls that wait for answers get the error.
            Some(Err(_)) | None => return,
        }
    }
}

/// The hosts and the database, for errors and logs.
fn name(config: &Config, schema: &str) -> String {
    let hosts: Vec<String> = config.get_hosts().iter().map(host).collect();
    let hosts = if hosts.is_empty() { config.get_hostaddrs().iter().map(ToString::to_string).collect() } else { hosts };
    let database = config.get_dbname().or(config.get_user()).unwrap_or("?");
    format!("PostgreSQL at {}, database `{database}`, schema `{schema}`", hosts.join(", "))
}

fn host(host: &Host) -> String {
    match host {
        Host::Tcp(name) => name.clone(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string(),
    }
}
