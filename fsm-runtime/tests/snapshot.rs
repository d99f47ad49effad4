//! `snapshot!`: compatible and incompatible changes of a declaration, and the messages.
#![allow(dead_code, reason = "the machines are only declared")]

use fsm_runtime::{
    Durable, OldState,
    prelude::*,
    snapshot,
    snapshot::{SampleMigrations, SnapshotError},
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// `snapshot::check` for a machine without a context. The type is inferred from the samples.
fn hold<M: Durable<Value = M>>(
    path: &Path,
    steps: &SampleMigrations,
    samples: Vec<M>,
    update: bool,
) -> Result<(), SnapshotError> {
    snapshot::check::<M>(path, steps, samples, update)
}

/// Declares a version of `Server` in a separate module.
macro_rules! server {
    ($name:ident: $($declaration:tt)+) => {
        mod $name {
            use fsm_runtime::prelude::*;
            use serde::{Deserialize, Serialize};

            #[derive(StateMachine, Clone, Debug, Serialize, Deserialize)]
            $($declaration)+
        }
    };
}

server! { first:
    #[fsm(initial = Requested, durable, derive(Clone, Debug, Serialize, Deserialize))]
    pub(crate) enum Server {
        #[on(ready { addr: String } => Running)]
        Requested { spec: String },
        #[on(stop => Stopped)]
        Running { spec: String, addr: String },
        #[state(end)]
        Stopped,
    }
}

server! { with_default:
    #[fsm(initial = Requested, durable, derive(Clone, Debug, Serialize, Deserialize))]
    pub(crate) enum Server {
        #[on(ready { addr: String } => Running)]
        Requested { spec: String, #[serde(default)] region: Option<String> },
        #[on(stop => Stopped)]
        Running { spec: String, addr: String },
        #[state(end)]
        Stopped,
    }
}

server! { without_default:
    #[fsm(initial = Requested, durable, derive(Clone, Debug, Serialize, Deserialize))]
    pub(crate) enum Server {
        #[on(ready { addr: String } => Running)]
        Requested { spec: String, region: String },
        #[on(stop => Stopped)]
        Running { spec: String, addr: String },
        #[state(end)]
        Stopped,
    }
}

server! { renamed:
    #[fsm(initial = Requested, durable, derive(Clone, Debug, Serialize, Deserialize))]
    pub(crate) enum Server {
        #[on(ready { addr: String } => Up)]
        Requested { spec: String },
        #[on(stop => Stopped)]
        Up { spec: String, addr: String },
        #[state(end)]
        Stopped,
    }
}

server! { renamed_with_was:
    #[fsm(initial = Requested, durable, derive(Clone, Debug, Serialize, Deserialize))]
    pub(crate) enum Server {
        #[on(ready { addr: String } => Up)]
        Requested { spec: String },
        #[state(was = "Running")]
        #[on(stop => Stopped)]
        Up { spec: String, addr: String },
        #[state(end)]
        Stopped,
    }
}

server! { second:
    #[fsm(initial = Up, version = 2, durable, derive(Clone, Debug, Serialize, Deserialize))]
    pub(crate) enum Server {
        #[on(stop => Stopped)]
        Up { region: String },
        #[state(end)]
        Stopped,
    }
}

server! { held:
    #[fsm(initial = A, durable, derive(Clone, Debug, Serialize, Deserialize), group(Active, on(hold => Held)))]
    pub(crate) enum Server {
        #[state(in = Active)]
        #[on(go => B)]
        A,
        #[state(in = Active)]
        #[on(go => A)]
        B,
        #[on(resume => history(Active))]
        Held { was: server::history::Active },
    }
}

server! { held_less:
    #[fsm(initial = A, durable, derive(Clone, Debug, Serialize, Deserialize), group(Active, on(hold => Held)))]
    pub(crate) enum Server {
        #[state(in = Active)]
        #[on(go => B)]
        A,
        #[on(go => A)]
        B,
        #[on(resume => history(Active))]
        Held { was: server::history::Active },
    }
}

server! { other:
    #[fsm(initial = Stopped, durable, derive(Clone, Debug, Serialize, Deserialize))]
    pub(crate) enum Host {
        #[state(end)]
        Stopped,
    }
}

fn spec() -> String {
    "small".into()
}

fn addr() -> String {
    "::1".into()
}

fn first() -> Vec<first::Server> {
    use first::Server::{Requested, Running, Stopped};
    vec![Stopped, Requested { spec: spec() }, Running { spec: spec(), addr: addr() }]
}

/// A snapshot of the first version.
struct Snapshot {
    dir: TempDir,
    steps: SampleMigrations,
}

impl Snapshot {
    fn new() -> Self {
        let snapshot = Self { dir: tempfile::tempdir().expect("a temporary folder"), steps: SampleMigrations::new() };
        hold(&snapshot.path(), &SampleMigrations::new(), first(), true).expect("the file is written");
        snapshot
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("Server.fsm.json")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).expect("the file exists")
    }

    /// The message of the failure, without the folder.
    #[track_caller]
    fn failure<M: Durable<Value = M>>(&self, samples: Vec<M>, update: bool) -> String {
        self.failure_of::<M>(samples, update)
    }

    fn failure_of<M: Durable>(&self, samples: Vec<M::Value>, update: bool) -> String {
        let before = self.text();
        let error =
            snapshot::check::<M>(&self.path(), &self.steps, samples, update).expect_err("the snapshot does not hold");
        assert_eq!(self.text(), before, "a failed test does not change the file");
        error.to_string().replace(&format!("{}/", self.dir.path().display()), "")
    }
}

/// The declaration of the committed file.
#[derive(StateMachine)]
#[fsm(initial = Requested, durable, derive(serde::Serialize, serde::Deserialize))]
enum Committed {
    /// Docs are not part of the snapshot.
    #[on(finish => Done)]
    Requested { spec: String, count: Option<u8> },
    #[state(end, was = "Finished")]
    Done { spec: String },
}

#[test]
fn the_committed_snapshot_holds() {
    snapshot!(
        Committed in "tests/Committed.fsm.json",
        Committed::Requested { spec: "small".into(), count: None },
        Committed::Requested { spec: "small".into(), count: Some(2) },
        Committed::Done { spec: "small".into() },
    );
}

#[test]
fn a_snapshot_is_written_once_and_then_holds() {
    let snapshot = Snapshot::new();
    let written = snapshot.text();
    assert!(hold(&snapshot.path(), &SampleMigrations::new(), first(), false).is_ok());
    assert!(hold(&snapshot.path(), &SampleMigrations::new(), first(), true).is_ok());
    assert_eq!(snapshot.text(), written);
}

#[test]
fn a_missing_snapshot_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("Server.fsm.json");
    let error = hold(&path, &SampleMigrations::new(), first(), false).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} does not exist: run the test with FSM_UPDATE=1 to create it", path.display())
    );
    assert!(!path.exists());
}

#[test]
fn each_state_has_a_sample() {
    let snapshot = Snapshot::new();
    let failure = snapshot.failure(vec![first::Server::Stopped], true);
    assert_eq!(failure, "no sample of `Server` for `Requested`, `Running`: add at least one sample for each state");
}

#[test]
fn a_state_removed_without_was_is_an_error() {
    use renamed::Server::{Requested, Stopped, Up};
    let snapshot = Snapshot::new();
    let samples = || vec![Requested { spec: spec() }, Up { spec: spec(), addr: addr() }, Stopped];
    let expected = "Server.fsm.json: the code cannot read stored rows:\n\n- state `Running` was removed, but rows can still be \
        in it: add `#[state(was = \"Running\")]` to the state that replaces it, or set `#[fsm(version = 2)]` and add a migration";
    assert_eq!(snapshot.failure(samples(), false), expected);
    assert_eq!(snapshot.failure(samples(), true), expected);
}

#[test]
fn rows_of_a_renamed_state_are_kept() {
    use renamed_with_was::Server::{Requested, Stopped, Up};
    let snapshot = Snapshot::new();
    let samples = || vec![Requested { spec: spec() }, Up { spec: spec(), addr: addr() }, Stopped];
    let failure = snapshot.failure(samples(), false);
    assert!(failure.contains("is out of date, but the code can read stored rows"), "{failure}");
    hold(&snapshot.path(), &SampleMigrations::new(), samples(), true).unwrap();
    assert!(hold(&snapshot.path(), &SampleMigrations::new(), samples(), false).is_ok());
    assert!(snapshot.text().contains(r#""state": "Running""#), "{}", snapshot.text());
}

#[test]
fn a_new_field_without_a_default_is_an_error() {
    use without_default::Server::{Requested, Running, Stopped};
    let snapshot = Snapshot::new();
    let samples =
        || vec![Requested { spec: spec(), region: "eu".into() }, Running { spec: spec(), addr: addr() }, Stopped];
    let expected = "Server.fsm.json: the code cannot read stored rows:\n\n- a row in `Requested` cannot be read: missing field \
        `region` at line 1 column 16; add `#[serde(default)]` or `#[serde(alias = \"…\")]` to the field, or set \
        `#[fsm(version = 2)]` and add a migration\n  row: {\"spec\":\"small\"}";
    assert_eq!(snapshot.failure(samples(), false), expected);
    assert_eq!(snapshot.failure(samples(), true), expected);
}

#[test]
fn rows_from_before_a_default_are_kept_and_checked() {
    use with_default::Server::{Requested, Running, Stopped};
    let snapshot = Snapshot::new();
    let samples =
        || vec![Requested { spec: spec(), region: Some("eu".into()) }, Running { spec: spec(), addr: addr() }, Stopped];
    hold(&snapshot.path(), &SampleMigrations::new(), samples(), true).unwrap();
    assert!(hold(&snapshot.path(), &SampleMigrations::new(), samples(), false).is_ok());
    // The default is removed later. The current sample is readable, but the earliest one is not.
    let later = vec![
        without_default::Server::Requested { spec: spec(), region: "eu".into() },
        without_default::Server::Running { spec: spec(), addr: addr() },
        without_default::Server::Stopped,
    ];
    let failure = snapshot.failure(later, false);
    assert!(failure.ends_with("row: {\"spec\":\"small\"}"), "{failure}");
}

#[test]
fn a_difference_is_shown_line_by_line() {
    use with_default::Server::{Requested, Running, Stopped};
    let snapshot = Snapshot::new();
    let samples = vec![Requested { spec: spec(), region: None }, Running { spec: spec(), addr: addr() }, Stopped];
    let failure = snapshot.failure(samples, false);
    let field = "\
              \"type\": \"String\"
+           },
+           {
+             \"name\": \"region\",
+             \"type\": \"Option<String>\"
            }
";
    assert!(failure.contains(field), "{failure}");
    assert!(!failure.contains("\"auto\""), "unchanged lines are omitted:\n{failure}");
}

/// Migrates from the first version to the second.
fn in_regions(mut old: OldState) -> Result<OldState, Box<dyn std::error::Error + Send + Sync>> {
    match old.state.as_str() {
        "Running" => old.state = "Up".into(),
        "Stopped" => return Ok(old),
        other => return Err(format!("a server in {other} has no region").into()),
    }
    old.data = serde_json::json!({ "region": old.data["spec"] });
    Ok(old)
}

/// The same, but also accepts rows in `Requested`.
fn all_in_regions(mut old: OldState) -> Result<OldState, Box<dyn std::error::Error + Send + Sync>> {
    if old.state == "Requested" {
        old.state = "Running".into();
    }
    in_regions(old)
}

fn second() -> Vec<second::Server> {
    vec![second::Server::Up { region: "eu".into() }, second::Server::Stopped]
}

#[test]
fn rows_of_an_earlier_version_need_a_migration() {
    let failure = Snapshot::new().failure(second(), true);
    assert_eq!(
        failure,
        "Server.fsm.json: the code cannot read stored rows:\n\n- rows of version 1 need a migration from version 1: add it with \
         `Builder::migrate`, and to this test, `migrations { 1 => step }` before the samples"
    );
}

#[test]
fn a_failing_or_wrong_migration_is_an_error() {
    let mut snapshot = Snapshot::new();
    snapshot.steps = SampleMigrations::new().migrate::<second::Server>(1, in_regions);
    assert_eq!(
        snapshot.failure(second(), true),
        "Server.fsm.json: the code cannot read stored rows:\n\n- the migration from version 1 failed for a row in `Requested`: a \
         server in Requested has no region\n  row: {\"spec\":\"small\"}"
    );
    snapshot.steps = SampleMigrations::new().migrate::<second::Server>(1, Ok);
    let failure = snapshot.failure(second(), true);
    assert!(failure.contains("`Requested` is not a state of version 2; fix the migration"), "{failure}");
    snapshot.steps = SampleMigrations::new().migrate::<second::Server>(1, |mut old| {
        old.state = "Up".into();
        Ok(old)
    });
    let failure = snapshot.failure(second(), true);
    assert!(failure.contains("missing field `region` at line 1 column 16; fix the migration"), "{failure}");
    assert!(failure.contains("\n  migrated to `Up`: {\"spec\":\"small\"}"), "{failure}");
}

#[test]
fn migrated_rows_are_kept_and_lower_versions_read_none() {
    let mut snapshot = Snapshot::new();
    let steps = SampleMigrations::new().migrate::<second::Server>(1, all_in_regions);
    hold(&snapshot.path(), &steps, second(), true).unwrap();
    hold(&snapshot.path(), &steps, second(), false).unwrap();
    assert!(
        snapshot.text().contains(r#""state": "Requested""#),
        "the samples of version 1 are kept:\n{}",
        snapshot.text()
    );
    // A later migration does not accept rows in `Requested`.
    snapshot.steps = SampleMigrations::new().migrate::<second::Server>(1, in_regions);
    let failure = snapshot.failure(second(), false);
    assert!(failure.contains("failed for a row in `Requested`"), "{failure}");
    assert_eq!(
        snapshot.failure(first(), true),
        "Server.fsm.json: the code cannot read stored rows:\n\n- rows have version 2, but the declaration has version 1: set \
         `#[fsm(version = 2)]` or higher"
    );
}

#[test]
fn the_short_form_takes_migrations() {
    use second::Server;
    let [up, stopped] = second().try_into().expect("two samples");
    snapshot!(Server in "tests/Second.fsm.json", migrations { 1 => all_in_regions }, up, stopped);
}

#[test]
fn a_renamed_enum_is_an_error() {
    let failure = Snapshot::new().failure(vec![other::Host::Stopped], true);
    assert!(failure.contains("rows are stored as `Server`, but the enum is named `Host`"), "{failure}");
}

#[test]
fn a_file_of_another_kind_is_an_error() {
    let snapshot = Snapshot::new();
    fs::write(snapshot.path(), "<<<<<<< HEAD").unwrap();
    let error = hold(&snapshot.path(), &SampleMigrations::new(), first(), true).unwrap_err();
    assert!(matches!(error, SnapshotError::NotASnapshot { .. }), "{error}");
    assert!(error.to_string().ends_with("delete it and run the test again with FSM_UPDATE=1"), "{error}");
}

/// The context of an order. `OpenShop` is a later version of it.
#[derive(serde::Serialize, serde::Deserialize)]
struct Shop {
    name: String,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct OpenShop {
    name: String,
    open: bool,
}

mod with_shop {
    use super::{OpenShop, Shop};
    use fsm_runtime::StateMachine;
    use serde::{Deserialize, Serialize};

    #[derive(StateMachine)]
    #[fsm(initial = Cart, durable, context = Shop, derive(Serialize, Deserialize))]
    pub(super) enum Order {
        #[on(pay => Cart)]
        Cart,
    }

    pub(super) mod open {
        use super::{Deserialize, OpenShop, Serialize, StateMachine};

        #[derive(StateMachine)]
        #[fsm(initial = Cart, durable, context = OpenShop, derive(Serialize, Deserialize))]
        pub(crate) enum Order {
            #[on(pay => Cart)]
            Cart,
        }
    }
}

#[test]
fn an_unreadable_context_is_an_error() {
    let snapshot = Snapshot::new();
    fs::remove_file(snapshot.path()).unwrap();
    let shop = || Shop { name: "Ada's".to_owned() };
    snapshot::check::<with_shop::Order>(
        &snapshot.path(),
        &SampleMigrations::new(),
        vec![(with_shop::Order::Cart, shop())],
        true,
    )
    .unwrap();
    assert!(snapshot.text().contains("\"name\": \"Ada's\""), "{}", snapshot.text());
    let shop = OpenShop { name: "Ada's".to_owned(), open: true };
    let failure = snapshot.failure_of::<with_shop::open::Order>(vec![(with_shop::open::Order::Cart, shop)], true);
    assert!(failure.contains("a row in `Cart` cannot be read: context: missing field `open`"), "{failure}");
    assert!(failure.contains("row: null, context: {\"name\":\"Ada's\"}"), "{failure}");
}

#[test]
fn a_state_that_leaves_a_history_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("Server.fsm.json");
    let held = || held::Server::Held { was: held::server::A.into() };
    hold(&path, &SampleMigrations::new(), vec![held::Server::A, held::Server::B, held()], true).unwrap();
    let now =
        vec![held_less::Server::A, held_less::Server::B, held_less::Server::Held { was: held_less::server::A.into() }];
    let failure = hold(&path, &SampleMigrations::new(), now, true).unwrap_err().to_string();
    let expected = "the code cannot read stored rows:\n\n- state `B` is no longer in the history of `Active`, but rows can still \
        hold it there: keep it in `Active`, or set `#[fsm(version = 2)]` and add a migration";
    assert!(failure.ends_with(expected), "{failure}");
}
