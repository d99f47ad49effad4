//! `snapshot!`: what stored rows survive, what they do not, and what the failure then says to declare.
#![allow(dead_code, reason = "the machines are declared to be compared")]

use fsm_runtime::{
    Durable, OldState,
    prelude::*,
    snapshot,
    snapshot::{SnapshotError, Steps},
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Of a machine without a context, which is known by its samples.
fn hold<M: Durable<Value = M>>(path: &Path, steps: &Steps, samples: Vec<M>, update: bool) -> Result<(), SnapshotError> {
    snapshot::hold::<M>(path, steps, samples, update)
}

/// A machine in a module of its own, so that each can be another version of `Server`.
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
    steps: Steps,
}

impl Snapshot {
    fn new() -> Self {
        let snapshot = Self { dir: tempfile::tempdir().expect("a folder can be made"), steps: Steps::new() };
        hold(&snapshot.path(), &Steps::new(), first(), true).expect("it is written");
        snapshot
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("Server.fsm.json")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).expect("it was written")
    }

    /// The failure with the folder left out.
    #[track_caller]
    fn failure<M: Durable<Value = M>>(&self, samples: Vec<M>, update: bool) -> String {
        self.failure_of::<M>(samples, update)
    }

    fn failure_of<M: Durable>(&self, samples: Vec<M::Value>, update: bool) -> String {
        let before = self.text();
        let error = snapshot::hold::<M>(&self.path(), &self.steps, samples, update).expect_err("it does not hold");
        assert_eq!(self.text(), before, "a failure leaves the file alone");
        error.to_string().replace(&format!("{}/", self.dir.path().display()), "")
    }
}

/// As it was committed.
#[derive(StateMachine)]
#[fsm(initial = Requested, durable, derive(serde::Serialize, serde::Deserialize))]
enum Committed {
    /// Docs are not in the snapshot.
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
    assert!(hold(&snapshot.path(), &Steps::new(), first(), false).is_ok());
    assert!(hold(&snapshot.path(), &Steps::new(), first(), true).is_ok());
    assert_eq!(snapshot.text(), written);
}

#[test]
fn a_missing_snapshot_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("Server.fsm.json");
    let error = hold(&path, &Steps::new(), first(), false).unwrap_err();
    assert_eq!(error.to_string(), format!("{} does not exist; FSM_UPDATE=1 writes it", path.display()));
    assert!(!path.exists());
}

#[test]
fn each_state_has_a_sample() {
    let snapshot = Snapshot::new();
    let failure = snapshot.failure(vec![first::Server::Stopped], true);
    assert_eq!(failure, "Server: no sample for `Requested`, `Running`; give at least one for each state");
}

#[test]
fn a_state_removed_without_was_is_an_error() {
    use renamed::Server::{Requested, Stopped, Up};
    let snapshot = Snapshot::new();
    let samples = || vec![Requested { spec: spec() }, Up { spec: spec(), addr: addr() }, Stopped];
    let expected = "stored rows do not survive the change, by Server.fsm.json:\n\n- state `Running` is gone, and rows in it \
        have none: `#[state(was = \"Running\")]` on the state that they are in now, or `#[fsm(version = 2)]` and a migration";
    assert_eq!(snapshot.failure(samples(), false), expected);
    assert_eq!(snapshot.failure(samples(), true), expected);
}

#[test]
fn rows_of_a_renamed_state_are_kept() {
    use renamed_with_was::Server::{Requested, Stopped, Up};
    let snapshot = Snapshot::new();
    let samples = || vec![Requested { spec: spec() }, Up { spec: spec(), addr: addr() }, Stopped];
    let failure = snapshot.failure(samples(), false);
    assert!(failure.contains("has drifted, and stored rows survive it"), "{failure}");
    hold(&snapshot.path(), &Steps::new(), samples(), true).unwrap();
    assert!(hold(&snapshot.path(), &Steps::new(), samples(), false).is_ok());
    assert!(snapshot.text().contains(r#""state": "Running""#), "{}", snapshot.text());
}

#[test]
fn a_new_field_without_a_default_is_an_error() {
    use without_default::Server::{Requested, Running, Stopped};
    let snapshot = Snapshot::new();
    let samples =
        || vec![Requested { spec: spec(), region: "eu".into() }, Running { spec: spec(), addr: addr() }, Stopped];
    let expected = "stored rows do not survive the change, by Server.fsm.json:\n\n- a row in `Requested` is not read any \
        more: missing field `region` at line 1 column 16; `#[serde(default)]` or `#[serde(alias = \"…\")]` on the field, or \
        `#[fsm(version = 2)]` and a migration\n  the row: {\"spec\":\"small\"}";
    assert_eq!(snapshot.failure(samples(), false), expected);
    assert_eq!(snapshot.failure(samples(), true), expected);
}

#[test]
fn rows_from_before_a_default_are_kept_and_checked() {
    use with_default::Server::{Requested, Running, Stopped};
    let snapshot = Snapshot::new();
    let samples =
        || vec![Requested { spec: spec(), region: Some("eu".into()) }, Running { spec: spec(), addr: addr() }, Stopped];
    hold(&snapshot.path(), &Steps::new(), samples(), true).unwrap();
    assert!(hold(&snapshot.path(), &Steps::new(), samples(), false).is_ok());
    // Later the default is dropped: today's sample would pass, the row of the first day does not.
    let later = vec![
        without_default::Server::Requested { spec: spec(), region: "eu".into() },
        without_default::Server::Running { spec: spec(), addr: addr() },
        without_default::Server::Stopped,
    ];
    let failure = snapshot.failure(later, false);
    assert!(failure.ends_with("the row: {\"spec\":\"small\"}"), "{failure}");
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
    assert!(!failure.contains("\"auto\""), "what did not change is left out:\n{failure}");
}

/// What leads from the first version to the second.
fn in_regions(mut old: OldState) -> Result<OldState, Box<dyn std::error::Error + Send + Sync>> {
    match old.state.as_str() {
        "Running" => old.state = "Up".into(),
        "Stopped" => return Ok(old),
        other => return Err(format!("no region is known of one in {other}").into()),
    }
    old.data = serde_json::json!({ "region": old.data["spec"] });
    Ok(old)
}

/// The same for rows that wait, too.
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
        "stored rows do not survive the change, by Server.fsm.json:\n\n- rows of version 1 are stored, and no migration leads \
         on from version 1: declare it with `Builder::migrate`, and here, `migrations { 1 => step }` before the samples"
    );
}

#[test]
fn a_failing_or_wrong_migration_is_an_error() {
    let mut snapshot = Snapshot::new();
    snapshot.steps = Steps::new().step::<second::Server>(1, in_regions);
    assert_eq!(
        snapshot.failure(second(), true),
        "stored rows do not survive the change, by Server.fsm.json:\n\n- the migration from version 1 does not take a row in \
         `Requested`: no region is known of one in Requested\n  the row: {\"spec\":\"small\"}"
    );
    snapshot.steps = Steps::new().step::<second::Server>(1, Ok);
    let failure = snapshot.failure(second(), true);
    assert!(failure.contains("`Requested` is no state of version 2; mend the migration"), "{failure}");
    snapshot.steps = Steps::new().step::<second::Server>(1, |mut old| {
        old.state = "Up".into();
        Ok(old)
    });
    let failure = snapshot.failure(second(), true);
    assert!(failure.contains("missing field `region` at line 1 column 16; mend the migration"), "{failure}");
    assert!(failure.contains("\n  migrated, in `Up`: {\"spec\":\"small\"}"), "{failure}");
}

#[test]
fn migrated_rows_are_kept_and_lower_versions_read_none() {
    let mut snapshot = Snapshot::new();
    let steps = Steps::new().step::<second::Server>(1, all_in_regions);
    hold(&snapshot.path(), &steps, second(), true).unwrap();
    hold(&snapshot.path(), &steps, second(), false).unwrap();
    assert!(
        snapshot.text().contains(r#""state": "Requested""#),
        "the rows of version 1 are held to:\n{}",
        snapshot.text()
    );
    // Later the migration is changed, and forgets those that wait.
    snapshot.steps = Steps::new().step::<second::Server>(1, in_regions);
    let failure = snapshot.failure(second(), false);
    assert!(failure.contains("does not take a row in `Requested`"), "{failure}");
    assert_eq!(
        snapshot.failure(first(), true),
        "stored rows do not survive the change, by Server.fsm.json:\n\n- rows have version 2, and the code declares 1: \
         `#[fsm(version = 2)]`, or higher"
    );
}

#[test]
fn the_short_form_takes_migrations() {
    use second::Server;
    let [up, stopped] = second().try_into().expect("there are two");
    snapshot!(Server in "tests/Second.fsm.json", migrations { 1 => all_in_regions }, up, stopped);
}

#[test]
fn a_renamed_enum_is_an_error() {
    let failure = Snapshot::new().failure(vec![other::Host::Stopped], true);
    assert!(failure.contains("rows are stored under `Server`, and the enum is called `Host`"), "{failure}");
}

#[test]
fn a_file_of_another_kind_is_an_error() {
    let snapshot = Snapshot::new();
    fs::write(snapshot.path(), "<<<<<<< HEAD").unwrap();
    let error = hold(&snapshot.path(), &Steps::new(), first(), true).unwrap_err();
    assert!(matches!(error, SnapshotError::NotASnapshot { .. }), "{error}");
    assert!(error.to_string().ends_with("delete it and run the test again with FSM_UPDATE=1"), "{error}");
}

/// What an order knows of its shop; `OpenShop` is what became of it.
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
    snapshot::hold::<with_shop::Order>(&snapshot.path(), &Steps::new(), vec![(with_shop::Order::Cart, shop())], true)
        .unwrap();
    assert!(snapshot.text().contains("\"name\": \"Ada's\""), "{}", snapshot.text());
    let shop = OpenShop { name: "Ada's".to_owned(), open: true };
    let said = snapshot.failure_of::<with_shop::open::Order>(vec![(with_shop::open::Order::Cart, shop)], true);
    assert!(said.contains("a row in `Cart` is not read any more: its context, missing field `open`"), "{said}");
    assert!(said.contains("the row: null with {\"name\":\"Ada's\"}"), "{said}");
}
