//! Snapshots of the diagrams of machines with four, six, seven, nine and thirty states. `FSM_UPDATE=1` rewrites them.

use std::{fs, path::Path};

use quote::quote;
use syn::{DeriveInput, Item};

use crate::{
    diagram::{diagram, reading},
    errors::Errors,
    model, parse,
};

pub(super) fn machine(input: DeriveInput) -> model::Machine {
    let mut errors = Errors::default();
    let declaration = parse::declaration(input, &mut errors);
    let module = model::module(&declaration, &mut errors);
    let machine = model::machine(declaration, module, &mut errors);
    errors.finish().expect("it is right");
    machine
}

/// The first enum of a file.
fn declared(file: &str) -> DeriveInput {
    let file = syn::parse_file(file).expect("it is Rust");
    let item = file.items.into_iter().find(|item| matches!(item, Item::Enum(_)));
    syn::parse2(quote!(#item)).expect("it is an enum")
}

fn text() -> DeriveInput {
    syn::parse_quote! {
        #[fsm(initial = Draft)]
        #[on(withdraw => Withdrawn)]
        enum Text {
            /// Being <written> & "corrected".
            #[on(submit => Review, guard = has_title)]
            #[on(edit => Draft)]
            Draft,
            #[on(decide => Published | Draft, with = decide)]
            #[after("14d", withdraw)]
            Review,
            #[state(end)]
            Published,
            #[state(end, name = "WITH\"DRAWN")]
            Withdrawn,
        }
    }
}

/// A shallow and a deep history.
fn held() -> DeriveInput {
    syn::parse_quote! {
        #[fsm(initial = Draft, group(Open, on(hold => Held), group(InReview, on(pause => Paused))))]
        enum Text {
            #[state(in = Open)]
            #[on(submit => Peer)]
            Draft,
            #[state(in = InReview)]
            #[on(approve => Legal)]
            Peer,
            #[state(in = InReview)]
            #[on(approve => Public)]
            Legal,
            #[on(resume => history(Open, deep))]
            Held { was: text::history::Open },
            #[on(resume => history(InReview), guard = may_resume)]
            #[after("1d", resume)]
            Paused { was: text::history::InReview },
            #[state(end)]
            Public,
        }
    }
}

#[test]
fn a_history_is_one_arrow() {
    let drawn = diagram(&machine(held())).expect("the machine is small enough");
    assert_eq!(labels(&drawn, "Resume"), 2, "{drawn}");
    for text in [">H<", ">H*<", "<title>history of InReview</title>", "<title>deep history of Open</title>"] {
        assert!(drawn.contains(text), "{text} is missing:\n{drawn}");
    }
}

#[test]
fn diagrams_match_their_snapshots() {
    let server = include_str!("../../../examples/src/bin/servers/machine.rs");
    let order = include_str!("../../../fsm-core/tests/large.rs");
    for (name, input) in [
        ("text", text()),
        ("held", held()),
        ("paper", paper()),
        ("server", declared(server)),
        ("order", declared(order)),
    ] {
        let diagram = diagram(&machine(input)).expect("the machine is small enough");
        super::snapshots::assert_snapshot(&format!("{name}.svg"), &diagram);
    }
}

/// A ring of `states`, each with `extra` transitions across it.
fn ring(states: usize, extra: usize) -> model::Machine {
    let name = |state: usize| quote::format_ident!("S{}", state % states);
    let variants = (0..states).map(|state| {
        let ons = (1..=1 + extra).map(|step| {
            let (event, to) = (quote::format_ident!("go_{state}_{step}"), name(state + step));
            quote!(#[on(#event => #to)])
        });
        let name = name(state);
        quote!(#(#ons)* #name)
    });
    machine(syn::parse_quote!(#[fsm(initial = S0)] enum Ring { #(#variants),* }))
}

/// Superstates in superstates, with transitions that they share, override and exclude.
fn paper() -> DeriveInput {
    syn::parse_quote! {
        #[fsm(initial = Draft, group(Open, on(cancel => Cancelled), on(note => _),
            group(InReview, on(reject => Draft), on(cancel => Draft), on(remind => Self),
                group(Board, on(escalate => Chair, except(Chair))))))]
        enum Paper {
            #[state(in = Open)]
            #[on(submit => Peer)]
            Draft,
            #[state(in = InReview)]
            #[on(approve => Member)]
            #[after("14d", reject)]
            Peer,
            #[state(in = Board, enter = notes::begin)]
            #[on(vote => Accepted | Member, with = vote)]
            Member,
            #[state(in = Board)]
            #[on(decide => Accepted)]
            #[on(reject => Cancelled)]
            Chair,
            #[on(publish => Published)]
            Accepted,
            #[state(end)]
            Published,
            #[state(end)]
            Cancelled,
        }
    }
}

/// The machines from public specifications, by the names of their files.
fn public() -> Vec<(String, model::Machine)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/system/machines");
    let files = fs::read_dir(folder).expect("the folder exists").map(|entry| entry.expect("an entry").path());
    let mut machines = Vec::new();
    for file in files {
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        let rust = syn::parse_file(&fs::read_to_string(&file).expect("a file")).expect("it is Rust");
        let is_machine =
            |item: &Item| matches!(item, Item::Enum(item) if item.attrs.iter().any(|it| it.path().is_ident("fsm")));
        for item in rust.items.into_iter().filter(is_machine) {
            machines.push((name.clone(), machine(syn::parse2(quote!(#item)).expect("it is an enum"))));
        }
    }
    machines
}

#[test]
fn the_arrows_of_public_machines_are_read_back() {
    let machines = public();
    assert!(machines.len() > 15, "only {} machines were found", machines.len());
    for (name, machine) in machines {
        reading::check(&machine).unwrap_or_else(|difference| panic!("{name}: {difference}"));
        let drawn = diagram(&machine).unwrap_or_else(|| panic!("{name} has no diagram"));
        assert_eq!(drawn.matches("href=\"event/").count(), reading::labels(&machine), "{name}");
    }
}

/// The number of labels of an event.
fn labels(diagram: &str, event: &str) -> usize {
    diagram.matches(&format!("event/struct.{event}.html")).count()
}

#[test]
fn inherited_transitions_are_drawn_once() {
    let drawn = diagram(&machine(paper())).expect("the machine is small enough");
    for (event, count, arrows) in [
        ("Note", 1, "a loop of `Open`"),
        ("Remind", 1, "a loop of `InReview`"),
        ("Escalate", 1, "from `Board` to a state in it"),
        ("Cancel", 2, "from `Open`, and from `InReview`, which overrides it"),
        ("Reject", 3, "from `InReview`, from `Chair`, which overrides it, and from the timer of `Peer`"),
    ] {
        assert_eq!(labels(&drawn, event), count, "{event} is drawn {arrows}:\n{drawn}");
    }
    for label in [
        "note (stays)",
        "remind (to the same state)",
        "escalate (except Chair)",
        "cancel (overrides Open)",
        "reject (overrides InReview)",
        "reject (after 14d)",
        "enter / notes::begin",
    ] {
        assert!(drawn.contains(&format!(">{label}<")), "{label} is missing:\n{drawn}");
    }
}

#[test]
fn a_superstate_with_two_arrows_on_an_event_draws_each() {
    let drawn = diagram(&machine(syn::parse_quote! {
        #[fsm(initial = A, group(Both, on(go => Left, except(B)), on(go => Right, except(A))))]
        enum Fork {
            #[state(in = Both)]
            #[on(next => B)]
            A,
            #[state(in = Both)]
            #[on(next => A)]
            B,
            #[state(end)]
            Left,
            #[state(end)]
            Right,
        }
    }));
    assert_eq!(labels(&drawn.expect("the machine is small enough"), "Go"), 2);
}

#[test]
fn large_machines_have_no_diagram() {
    assert!(diagram(&ring(60, 0)).is_some());
    assert!(diagram(&ring(61, 0)).is_none());
    assert!(diagram(&ring(40, 4)).is_some(), "it has 200 arrows");
    assert!(diagram(&ring(40, 5)).is_none(), "it has 240 arrows");
}

#[test]
fn only_rustdoc_draws_the_diagram() {
    let expanded = crate::derive(syn::parse_quote! {
        #[fsm(initial = Off, crate = self::library)]
        enum Lamp {
            #[on(flip => Off)]
            Off,
        }
    });
    let expanded = expanded.to_string();
    // The attribute is beside the enum, so the path reads as it does there.
    assert!(expanded.contains("cfg_attr (doc , doc = self :: library :: __private :: __diagram ! {"), "{expanded}");
    assert!(!expanded.contains("<svg"), "{expanded}");
}
