//! Encrypted connections.

#![cfg(server)]

use fsm_runtime::store::{
    Store,
    postgres::{OpenError, Postgres},
};
use std::time::Duration;
use tests_postgres::Server;

#[tokio::test]
async fn n42_the_certificate_and_its_name_are_checked() {
    let server = Server::start_with_tls();
    let by_name = format!("{}?sslmode=verify-full", server.url().replace("127.0.0.1", "localhost"));
    let trusted = Postgres::options(&by_name).root_certificates(server.root_certificate());
    let store = trusted.clone().open().await.expect("the certificate is trusted");
    store.save_position("mail".to_owned(), 7).await.unwrap();
    assert_eq!(store.subscriber_position("mail".to_owned()).await.unwrap(), Some(7));
    let rows = server.connect().await;
    let encrypted = "SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.application_name LIKE 'fsm %'";
    assert!(rows.query_one(encrypted, &[]).await.unwrap().get::<_, bool>(0), "every connection of the store");

    let soon = Duration::from_millis(1);
    // The system does not know the certificate.
    let unknown = Postgres::options(&by_name).timeout(soon).open().await;
    assert!(matches!(&unknown, Err(OpenError::Unreachable { .. } | OpenError::Tls { .. })), "{unknown:?}");
    let by_address = format!("{}?sslmode=require", server.url());
    let other_name =
        Postgres::options(by_address).root_certificates(server.root_certificate()).timeout(soon).open().await;
    match other_name {
        Err(OpenError::Unreachable { cause, .. }) => assert!(cause.contains("certificate"), "{cause}"),
        other => panic!("{other:?}"),
    }
    let no_file = trusted.root_certificates("/nowhere/ca.crt").open().await;
    assert!(matches!(no_file, Err(OpenError::Tls { .. })), "{no_file:?}");
}
