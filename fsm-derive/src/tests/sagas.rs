//! Random sagas against a model that walks with a stack of what was completed.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use quote::{format_ident, quote};

use crate::{check, errors::Errors, model, parse};

/// A state on the way forward. Its number is its place.
#[derive(Clone, Debug)]
struct Node {
    kind: Kind,
    /// Where its events lead. The number of nodes stands for the end.
    to: BTreeSet<usize>,
    /// Whether it has an event with the target `undo`.
    fails: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rest,
    /// A step with nothing to undo.
    Plain,
    /// A step with a compensation, and whether it is undone itself if its outcome is unknown.
    Step(bool),
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let kind = prop_oneof![
        Just(Kind::Rest),
        Just(Kind::Plain),
        Just(Kind::Step(false)),
        Just(Kind::Step(false)),
        Just(Kind::Step(true))
    ];
    let node = (kind, vec((0_usize..10, 1_usize..3), 0..2), any::<bool>());
    vec(node, 1..6).prop_map(|nodes| {
        let count = nodes.len();
        let numbered = nodes.into_iter().enumerate().map(|(place, (kind, jumps, fails))| {
            // Mostly to the next one, now and then to one after it, or back.
            let far = |(chance, far)| if chance == 0_usize { place.saturating_sub(far) } else { place + far };
            let to = jumps.into_iter().map(far).chain([place + 1]).map(|to| to.min(count)).collect();
            Node { kind, to, fails }
        });
        numbered.collect()
    })
}

fn declaration(nodes: &[Node]) -> TokenStream {
    let name = |place: usize| if place == nodes.len() { format_ident!("Booked") } else { format_ident!("N{place}") };
    let states = nodes.iter().enumerate().map(|(place, node)| {
        let (this, undo) = (name(place), format_ident!("Undo{place}"));
        let (options, compensation) = match node.kind {
            Kind::Rest => (None, None),
            Kind::Plain => (Some(quote!(#[state(work, undo = none)])), None),
            Kind::Step(uncertain) => {
                let uncertain = uncertain.then(|| quote!(, uncertain = undo));
                let done = format_ident!("undone{place}");
                let compensation = quote!(#[state(work)] #[on(#done => undo)] #undo,);
                (Some(quote!(#[state(work, undo = #undo #uncertain)])), Some(compensation))
            }
        };
        let ons = node.to.iter().map(|to| {
            let (event, to) = (format_ident!("go{to}"), name(*to));
            quote!(#[on(#event => #to)])
        });
        let fails = node.fails.then(|| quote!(#[on(fail => undo)]));
        quote!(#options #(#ons)* #fails #this, #compensation)
    });
    quote! {
        #[fsm(initial = N0, durable, saga(undone = Cancelled), derive(Serialize, Deserialize))]
        enum Saga { #(#states)* #[state(end)] Booked, #[state(end)] Cancelled }
    }
}

/// What can have been completed before each node, by walking.
fn walked(nodes: &[Node]) -> Vec<BTreeSet<Vec<usize>>> {
    let mut stacks = vec![BTreeSet::new(); nodes.len()];
    let mut ahead = vec![(0, Vec::new())];
    while let Some((place, stack)) = ahead.pop() {
        let Some(node) = nodes.get(place) else { continue };
        // More steps than nodes: a loop.
        if stack.len() > nodes.len() || !stacks[place].insert(stack.clone()) {
            continue;
        }
        for to in &node.to {
            let mut stack = stack.clone();
            if matches!(node.kind, Kind::Step(_)) && *to != place {
                stack.push(place);
            }
            ahead.push((*to, stack));
        }
    }
    stacks
}

/// Compares the targets of `undo` with the model. Returns what was seen.
fn compare(nodes: &[Node]) -> Result<&'static str, TestCaseError> {
    let (stacks, mut errors) = (walked(nodes), Errors::default());
    let declaration = parse::declaration(syn::parse2(declaration(nodes)).expect("an enum"), &mut errors);
    let module = model::module(&declaration, &mut errors);
    let machine = model::machine(declaration, module, &mut errors);
    check::check(&machine, &mut errors);
    let reported = errors.finish().err().map(|tokens| tokens.to_string()).unwrap_or_default();
    let has_to_know = |node: &Node| node.fails || matches!(node.kind, Kind::Step(_));
    let differs = nodes.iter().zip(&stacks).any(|(node, stacks)| has_to_know(node) && stacks.len() > 1);
    prop_assert_eq!(reported.contains("can be entered with different completed steps"), differs, "{}", reported);
    if !reported.is_empty() {
        return Ok(if differs { "differs" } else { "other errors" });
    }
    let leads = |from: String, event: &str| {
        let named = |state: usize| machine.states[state].name.clone();
        let mut found =
            machine.transitions.iter().filter(|it| named(it.from) == from && machine.events[it.event].name == event);
        found.next().map(|transition| transition.to.iter().map(|to| named(*to)).collect::<Vec<_>>())
    };
    let undo = |step: Option<&usize>| vec![step.map_or("Cancelled".to_owned(), |step| format!("Undo{step}"))];
    for (place, (node, stacks)) in nodes.iter().zip(&stacks).enumerate() {
        let stack = stacks.first().cloned().unwrap_or_default();
        if node.fails {
            let own = (node.kind == Kind::Step(true)).then_some(&place);
            prop_assert_eq!(leads(format!("N{place}"), "fail"), Some(undo(own.or(stack.last()))));
        }
        if matches!(node.kind, Kind::Step(_)) {
            let on = leads(format!("Undo{place}"), &format!("undone{place}"));
            prop_assert_eq!(on, Some(undo(stack.last())));
        }
    }
    Ok("valid")
}

#[test]
fn random_sagas_undo_what_was_completed() {
    let config = Config { cases: 1500, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let seen = std::cell::RefCell::new(BTreeMap::<&str, usize>::new());
    let result = runner.run(&nodes(), |nodes| {
        *seen.borrow_mut().entry(compare(&nodes)?).or_default() += 1;
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let seen = seen.into_inner();
    assert!(["valid", "differs"].iter().all(|kind| seen.get(kind).is_some_and(|times| *times > 100)), "{seen:?}");
}

#[test]
fn rustdoc_shows_the_way_back() {
    let step = |kind| Node { kind, to: BTreeSet::from([1]), fails: false };
    let last = Node { kind: Kind::Plain, to: BTreeSet::from([2]), fails: true };
    let input: syn::DeriveInput = syn::parse2(declaration(&[step(Kind::Step(false)), last])).expect("an enum");
    let machine = super::diagrams::machine(input.clone());
    let drawn = crate::diagram::diagram(&machine).expect("it is small");
    assert_eq!(drawn.matches("stroke-dasharray=\"5 4\"").count(), 2, "{drawn}");
    assert!(drawn.contains(">fail (undo)</text>") && drawn.contains(">undone0 (by worker) (undo)</text>"), "{drawn}");
    let text = crate::derive(input).to_string();
    assert!(text.contains("| `N1` | `fail`, undo | `Undo0` |"), "{text}");
}
