//! How connections are encrypted: which connections are, and which certificates are trusted.

use super::{OpenError, PostgresOptions};
use std::net::IpAddr;
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

/// What encrypts connections.
pub(super) enum Tls {
    None,
    #[cfg(feature = "postgres-tls")]
    Rustls(tokio_postgres_rustls::MakeRustlsConnect),
}

/// The connection string as the client understands it. Certificates and names are always checked, so `verify-ca` and `verify-full` mean
/// the same as `require`.
pub(super) fn understood(url: &str) -> String {
    ["sslmode=verify-full", "sslmode=verify-ca"]
        .iter()
        .fold(url.to_owned(), |url, mode| url.replace(mode, "sslmode=require"))
}

/// Decides what encrypts the connections of `config`. Without a mode in the connection string, connections beyond this machine are
/// encrypted where the feature `postgres-tls` is there.
pub(super) fn choose(config: &mut Config, options: &PostgresOptions) -> Result<Tls, OpenError> {
    let (given, near) = (options.url().contains("sslmode="), is_near(config));
    if !given {
        config.ssl_mode(if near || !cfg!(feature = "postgres-tls") { SslMode::Disable } else { SslMode::Require });
    }
    match config.get_ssl_mode() {
        SslMode::Disable => Ok(Tls::None),
        mode => encrypted(mode, options),
    }
}

/// Whether all hosts are this machine.
fn is_near(config: &Config) -> bool {
    let is_loopback =
        |name: &str| name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    let near = |host: &Host| match host {
        Host::Tcp(name) => is_loopback(name),
        #[cfg(unix)]
        Host::Unix(_) => true,
    };
    config.get_hosts().iter().all(near) && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

#[cfg(not(feature = "postgres-tls"))]
fn encrypted(mode: SslMode, _options: &PostgresOptions) -> Result<Tls, OpenError> {
    if mode == SslMode::Prefer {
        return Ok(Tls::None);
    }
    Err(OpenError::Url { why: "its `sslmode` needs the feature `postgres-tls` of `fsm-runtime`".to_owned() })
}

#[cfg(feature = "postgres-tls")]
fn encrypted(_mode: SslMode, options: &PostgresOptions) -> Result<Tls, OpenError> {
    use rustls::{ClientConfig, crypto::ring};
    let failed = |error: rustls::Error| OpenError::Tls { cause: error.to_string() };
    let provider = std::sync::Arc::new(ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(failed)?;
    let config = builder.with_root_certificates(roots(options)?).with_no_client_auth();
    Ok(Tls::Rustls(tokio_postgres_rustls::MakeRustlsConnect::new(config)))
}

/// The certificates of the file that was given, or of the system.
#[cfg(feature = "postgres-tls")]
fn roots(options: &PostgresOptions) -> Result<rustls::RootCertStore, OpenError> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let mut roots = rustls::RootCertStore::empty();
    let Some(file) = &options.root_certificates else {
        // Some systems have entries that cannot be read, beside those that can.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let cause = "the system has no root certificates; give a file with `root_certificates(…)`".to_owned();
            return Err(OpenError::Tls { cause });
        }
        return Ok(roots);
    };
    let failed = |cause: String| OpenError::Tls { cause: format!("{}: {cause}", file.display()) };
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failed("it holds no certificate in PEM format".to_owned()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::postgres::Postgres;

    fn mode(url: &str) -> SslMode {
        let mut config: Config = understood(url).parse().unwrap();
        let _ = choose(&mut config, &Postgres::options(url));
        config.get_ssl_mode()
    }

    #[test]
    fn connections_beyond_this_machine_are_encrypted() {
        let far = if cfg!(feature = "postgres-tls") { SslMode::Require } else { SslMode::Disable };
        assert_eq!(mode("postgres://app@db.internal/app"), far);
        assert_eq!(mode("postgres://app@127.0.0.1,10.0.0.1/app"), far);
        for near in ["postgres://app@localhost/app", "postgres://app@[::1]/app", "postgres://app@%2Frun/app"] {
            assert_eq!(mode(near), SslMode::Disable, "{near}");
        }
        assert_eq!(mode("postgres://app@localhost/app?sslmode=verify-full"), SslMode::Require);
        assert_eq!(mode("host=db.internal user=app sslmode=disable"), SslMode::Disable);
    }
}
