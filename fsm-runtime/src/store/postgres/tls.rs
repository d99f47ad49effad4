//! How connections are encrypted: which connections are, and which certificates are trusted.

use super::{OpenError, PostgresOptions};
use std::{net::IpAddr, ops::Range};
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
    match ssl_mode(url) {
        Some(mode) if ["verify-full", "verify-ca"].contains(&&url[mode.clone()]) => {
            let mut understood = url.to_owned();
            understood.replace_range(mode, "require");
            understood
        }
        _ => url.to_owned(),
    }
}

/// Where the connection string has the value of `sslmode`.
fn ssl_mode(url: &str) -> Option<Range<usize>> {
    const KEY: &str = "sslmode";
    if ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        // A password may hold a question mark.
        let host = url.find('@').unwrap_or_default();
        let options = host + url[host..].find('?')? + 1;
        let mut begin = options;
        for option in url[options..].split('&') {
            if let Some(mode) = option.strip_prefix(KEY).and_then(|rest| rest.strip_prefix('=')) {
                let end = begin + option.len();
                return Some(end - mode.len()..end);
            }
            begin += option.len() + 1;
        }
        return None;
    }
    let mut at = 0;
    loop {
        let rest = url[at..].trim_start();
        let begin = url.len() - rest.len();
        let equals = begin + rest.find('=')?;
        let value = url.len() - url[equals + 1..].trim_start().len();
        let (inner, end) = value_at(url, value);
        if url[begin..equals].trim_end() == KEY {
            return Some(inner);
        }
        at = end;
    }
}

/// Where the value that begins at `begin` is without its quotes, and where it ends.
fn value_at(text: &str, begin: usize) -> (Range<usize>, usize) {
    let is_quoted = text[begin..].starts_with('\'');
    let begin = begin + usize::from(is_quoted);
    let mut characters = text[begin..].char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '\'' if is_quoted => return (begin..begin + at, begin + at + 1),
            _ if !is_quoted && character.is_whitespace() => return (begin..begin + at, begin + at),
            _ => {}
        }
    }
    (begin..text.len(), text.len())
}

/// Decides what encrypts the connections of `config`. Without a mode in the connection string, connections to other hosts are
/// encrypted where the feature `postgres-tls` is there.
pub(super) fn choose(config: &mut Config, options: &PostgresOptions) -> Result<Tls, OpenError> {
    let (given, near) = (ssl_mode(options.url()).is_some(), is_near(config));
    if !given {
        config.ssl_mode(if near || !cfg!(feature = "postgres-tls") { SslMode::Disable } else { SslMode::Require });
    }
    match config.get_ssl_mode() {
        SslMode::Disable => Ok(Tls::None),
        mode => encrypted(mode, options),
    }
}

/// Whether all hosts are this one.
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
        for spaced in ["sslmode = require host = db.internal", "host=db.internal sslmode ='verify-full' user=a"] {
            assert_eq!(mode(spaced), SslMode::Require, "{spaced}");
        }
    }

    #[test]
    fn only_an_option_sets_the_mode() {
        let found = |url: &'static str| ssl_mode(url).map(|mode| &url[mode]);
        let of_password = [
            "postgres://app:sslmode=disable@db.internal/app",
            "postgres://app@db.internal/app?application_name=sslmode=disable",
            r"host=db.internal password='it\'s sslmode=disable' user=app",
            r"password=sslmode=disable host=db.internal",
            "host=db.internal sslmode",
            "",
        ];
        for url in of_password {
            assert_eq!(found(url), None, "{url}");
        }
        assert_eq!(found("postgresql://app:a?b@db.internal/app?x=1&sslmode=verify-ca&y=2?"), Some("verify-ca"));
        assert_eq!(found("postgres://db.internal?sslmode=disable"), Some("disable"));
        assert_eq!(found(r"password='\'' sslmode = 'require'"), Some("require"));
        assert_eq!(found("sslmode="), Some(""));
    }
}
