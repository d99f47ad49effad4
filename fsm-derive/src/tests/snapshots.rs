//! Snapshots of the expansions of some machines. `FSM_UPDATE=1` rewrites them.

use std::{env, fs, path::Path};

use proc_macro2::TokenStream;
use quote::quote;

fn assert_expansion(name: &str, declaration: TokenStream) {
    let expansion = crate::derive(syn::parse2(declaration).expect("an enum"));
    let file = syn::parse2(expansion).expect("valid Rust");
    assert_snapshot(name, &format!("//! Generated; see `src/tests/snapshots.rs`.\n\n{}", prettyplease::unparse(&file)));
}

/// Compares `found` with the snapshot, or rewrites the snapshot.
pub(super) fn assert_snapshot(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots").join(name);
    if env::var_os("FSM_UPDATE").is_some_and(|update| update == "1") {
        fs::write(&path, found).expect("the snapshot can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let difference = expected.lines().zip(found.lines()).position(|(expected, found)| expected != found);
    let line = difference.unwrap_or_else(|| expected.lines().count().min(found.lines().count()));
    let at = |text: &str| text.lines().nth(line).unwrap_or_default().to_owned();
    assert!(
        expected == found,
        "{name} differs in line {}; FSM_UPDATE=1 rewrites it\n- {}\n+ {}",
        line + 1,
        at(&expected),
        at(found)
    );
}

#[test]
fn plain() {
    assert_expansion(
        "plain.rs",
        quote! {
            /// A light switch.
            #[fsm(initial = Off)]
            pub enum Switch {
                /// Dark.
                #[on(flip => On)]
                Off,
                /// Lit.
                #[on(flip => Off)]
                On,
            }
        },
    );
}

#[test]
fn with_data() {
    assert_expansion(
        "with_data.rs",
        quote! {
            /// A text on its way to the reader.
            #[fsm(initial = Draft, derive(Clone, Debug), group(Open, on(withdraw => Withdrawn)))]
            pub(crate) enum Text<'a, T: Clone> {
                /// Being written.
                #[on(submit { by: &'a str } => Review, guard = has_title)]
                #[state(in = Open)]
                Draft { title: T },
                /// Being read.
                #[on(decide { score: u8 } => Published | Draft, with = decide)]
                #[after("14d", withdraw)]
                #[state(in = Open)]
                Review { title: T, by: &'a str },
                /// Out.
                #[state(end)]
                Published(T),
                #[state(end, name = "WITHDRAWN")]
                Withdrawn,
            }
        },
    );
}

#[test]
fn durable() {
    assert_expansion(
        "durable.rs",
        quote! {
            /// A report, from the request to its text.
            #[fsm(initial = Requested, durable, version = 2, derive(Serialize, Deserialize))]
            pub enum Report {
                /// Somebody wants it.
                #[on(begin => Writing)]
                Requested { title: String },
                /// A worker is writing it.
                #[state(work, checkpoint = Page)]
                #[on(finish { text: String } => Written)]
                #[on(rename { title: String } => _)]
                #[after("1h", finish { text: String::new() })]
                Writing { title: String },
                /// It can be read.
                #[state(end)]
                Written { title: String, text: String },
            }
        },
    );
}

#[test]
fn with_context() {
    assert_expansion(
        "with_context.rs",
        quote! {
            /// An order in a shop.
            #[fsm(initial = Cart, context = Shop, derive(Clone, Debug))]
            pub enum Order {
                /// Being filled.
                #[state(enter = count)]
                #[on(add { cents: u64 } => Cart, with = add)]
                #[on(pay => Paid, guard = is_open)]
                Cart { cents: u64 },
                /// The money is there.
                #[on(ship => Shipped)]
                Paid { cents: u64 },
                /// On its way.
                #[state(end)]
                Shipped,
            }
        },
    );
}

/// Only the parts that name what the states wait for: the rest is as in `durable.rs`.
#[test]
fn waits() {
    let expansion = crate::derive(
        syn::parse2(quote! {
            #[fsm(initial = Building, durable, derive(Serialize, Deserialize))]
            enum Build {
                #[state(waits(
                    all(jobs): Job in Passed => publish,
                    any(jobs): Job in Failed | missing => fail { why: String::new() },
                ))]
                #[on(publish => Published)]
                #[on(fail { why: String } => Failed)]
                Building { jobs: Vec<String> },
                #[state(end)]
                Published,
                #[state(end)]
                Failed { why: String },
            }
        })
        .expect("an enum"),
    );
    let mut file: syn::File = syn::parse2(expansion).expect("valid Rust");
    let mut kept = Vec::new();
    for item in &mut file.items {
        let syn::Item::Mod(module) = item else { continue };
        let items = module.content.as_mut().map(|(_, items)| std::mem::take(items)).unwrap_or_default();
        kept.extend(items.into_iter().filter(|item| {
            let text = crate::text::of(item);
            ["wait_0", "awaited_ids"].iter().any(|name| text.contains(name))
        }));
    }
    file.items = kept;
    assert_snapshot(
        "waits.rs",
        &format!("//! Generated; see `src/tests/snapshots.rs`.\n\n{}", prettyplease::unparse(&file)),
    );
}

#[test]
fn with_history() {
    assert_expansion(
        "with_history.rs",
        quote! {
            /// A job that can be held.
            #[fsm(initial = Queued, derive(Clone, Serialize, Deserialize), group(Active, on(hold { by: String } => Held)))]
            pub enum Job {
                /// Not begun.
                #[on(begin { size: u64 } => Running)]
                #[state(in = Active)]
                Queued,
                /// Begun.
                #[on(end => Done)]
                #[state(in = Active, was = "Busy")]
                Running { size: u64 },
                /// For a while.
                #[on(resume => history(Active))]
                Held { by: String, was: job::history::Active },
                /// Ended.
                #[state(end)]
                Done,
            }
        },
    );
}

#[test]
fn by_worker() {
    assert_expansion(
        "by_worker.rs",
        quote! {
            /// A payment, whose outcome only its worker reports.
            #[fsm(initial = Charging, durable, derive(Serialize, Deserialize))]
            pub enum Payment {
                #[state(work)]
                #[on(paid { receipt: String } => Paid, by = worker)]
                #[on(cancel => Cancelled)]
                Charging,
                #[state(end)]
                Paid { receipt: String },
                #[state(end)]
                Cancelled,
            }
        },
    );
}
