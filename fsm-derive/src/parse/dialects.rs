//! Words and forms of other state-machine libraries (statig, smlang, rust-fsm, `XState`, aasm, stateless, Spring), each with the form
//! that this library uses instead. Without this, they would be unknown options or syntax errors.

use proc_macro2::{Delimiter, Ident, Spacing, Span, TokenStream, TokenTree};
use syn::parse::ParseStream;

use crate::names::{pascal, snake};

/// What to write instead of an option of another library.
pub(super) struct Advice {
    /// The option that means the same, with the same value, if there is one.
    pub(super) option: Option<&'static str>,
    pub(super) help: String,
}

/// The advice for an unknown option of `owner`, such as `` `#[state(…)]` ``.
pub(super) fn option(owner: &str, name: &str) -> Option<Advice> {
    let same = |option: &'static str| Some(Advice { option: Some(option), help: format!("write `{option}`") });
    let other = |help: &str| Some(Advice { option: None, help: help.to_owned() });
    match (owner, name) {
        ("`#[state(…)]`", "final" | "terminal" | "finish" | "finished" | "accepting" | "sink") => same("end"),
        ("`#[state(…)]`", "initial" | "start") => {
            other("the initial state is declared on the enum, `#[fsm(initial = A)]`")
        }
        ("`#[state(…)]`", "parent" | "superstate" | "substate_of" | "group" | "nested") => same("in"),
        ("`#[state(…)]`", "entry" | "on_entry" | "on_enter" | "entry_action") => same("enter"),
        ("`#[state(…)]`", "exit" | "on_exit" | "exit_action") => other(
            "states have no exit function; use a `with` function on the transition that leaves the state, \
             `#[on(event => Target, with = path)]`",
        ),
        ("`#[state(…)]`", "invoke" | "service" | "activity" | "worker") => same("work"),
        ("`#[state(…)]`", "after" | "timeout" | "timer") => {
            other("a timer is an attribute of its own, `#[after(\"15m\", event)]`")
        }
        ("`#[state(…)]`", "wait" | "wait_for" | "waits_for" | "await" | "awaits") => same("waits"),
        ("`#[state(…)]`", "at" | "deadline" | "until") => {
            other("a timer that fires at a time is an attribute of its own, `#[at(|state| state.until, event)]`")
        }
        ("`#[state(…)]`", "on" | "transition" | "transitions") => {
            other("a transition is an attribute of its own, `#[on(event => Target)]`")
        }
        ("`#[state(…)]`", "transient" | "always") => other(
            "a state is left only by an event; choose the target in the transition before, `#[on(event => A | B, with = path)]`",
        ),
        ("`#[state(…)]`", "parallel" | "orthogonal" | "regions") => {
            other("a machine is in one state at a time; declare a machine for each region")
        }
        (
            "`#[state(…)]`",
            "compensate" | "compensation" | "compensated_by" | "rollback" | "undo_with" | "undone_by",
        ) => same("undo"),
        ("`#[on(…)]`", "when" | "if" | "cond" | "condition" | "only_if") => same("guard"),
        ("`#[on(…)]`", "unless") => other("write `guard = path`, a function that refuses instead"),
        ("`#[on(…)]`", "action" | "actions" | "do" | "effect" | "then" | "map") => same("with"),
        ("`#[on(…)]`", "to" | "target" | "dest" | "destination") => {
            other("the target follows the event, `#[on(event => Target)]`")
        }
        ("`#[on(…)]`", "from" | "source" | "src") => other("write the `#[on(…)]` on the variant that is left"),
        ("`#[on(…)]`", "event" | "trigger") => other("the event comes first, `#[on(event => Target)]`"),
        ("`#[on(…)]`", "reset" | "reset_timer" | "restart" | "rearm") => same("rewind"),
        ("`#[on(…)]`", "internal") => other("an internal transition is `#[on(event => _)]`"),
        ("`#[on(…)]`", "exclude" | "not" | "except_from") => same("except"),
        ("`#[fsm(…)]`", "start" | "initial_state" | "initial_transition" | "first") => same("initial"),
        ("`#[fsm(…)]`", "superstate" | "superstates" | "nested" | "compound") => same("group"),
        ("`#[fsm(…)]`", "ctx" | "extended_state" | "shared" | "storage") => same("context"),
        ("`#[fsm(…)]`", "persistent" | "persisted" | "stored") => same("durable"),
        ("`#[fsm(…)]`", "transitions" | "transition" | "on") => {
            other("a transition is an attribute of its own, `#[on(event => Target)]`, on the variant that is left")
        }
        ("`#[fsm(…)]`", "final" | "end" | "terminal") => other("write `#[state(end)]` on the variant"),
        ("`#[fsm(…)]`", "state" | "states" | "event" | "events") => {
            other("states are the variants of the enum, and events are declared by `#[on(event => Target)]`")
        }
        _ => None,
    }
}

/// Refuses an `#[on(…)]` in the form of another library.
///
/// # Errors
/// With the line as it should be.
pub(super) fn on(input: ParseStream<'_>) -> syn::Result<()> {
    let tokens: Vec<TokenTree> = input.fork().parse::<TokenStream>()?.into_iter().collect();
    let is = |at: usize, c: char| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == c);
    let (message, span) = match &tokens[..] {
        [TokenTree::Literal(literal), ..] => {
            let Some(event) = quoted(literal) else { return Ok(()) };
            let target = target(&tokens[1..]).unwrap_or_else(|| "Target".to_owned());
            (format!("names are not quoted: write `#[on({} => {target})]`", snake(&event)), literal.span())
        }
        [TokenTree::Punct(punct), ..] if punct.as_char() == '=' && is(1, '>') => {
            let message = "missing event: a state is left only by an event; choose the target in the transition before, \
                           `#[on(event => A | B, with = path)]`";
            (message.to_owned(), punct.span())
        }
        [TokenTree::Ident(from), TokenTree::Punct(plus), TokenTree::Ident(event), ..] if plus.as_char() == '+' => {
            let target = target(&tokens[3..]).unwrap_or_else(|| "Target".to_owned());
            let message = format!("write `#[on({} => {target})]` on the variant `{from}`", snake(&event.to_string()));
            (message, plus.span())
        }
        [TokenTree::Ident(event), rest @ ..] => {
            let rest = without_payload(rest);
            let arrow = matches!(rest, [TokenTree::Punct(one), TokenTree::Punct(two), ..]
                if one.as_char() == '-' && one.spacing() == Spacing::Joint && two.as_char() == '>');
            let equals = matches!(rest, [TokenTree::Punct(one), two, ..]
                if one.as_char() == '=' && !matches!(two, TokenTree::Punct(punct) if punct.as_char() == '>'));
            if arrow {
                let target = target(&rest[2..]).unwrap_or_else(|| "Target".to_owned());
                (format!("expected `=>`, found `->`: write `{event} => {target}`"), rest[0].span())
            } else if equals {
                equal_sign(event, &rest[1..])
            } else if let [TokenTree::Punct(comma), rest @ ..] = rest
                && comma.as_char() == ','
                && let Some((span, to)) = option_to(rest)
            {
                (format!("the target follows the event: write `#[on({event} => {to})]`"), span)
            } else {
                return Ok(());
            }
        }
        _ => return Ok(()),
    };
    // The rest of the attribute is in that form, too.
    input.parse::<TokenStream>()?;
    Err(syn::Error::new(span, message))
}

/// `event = "Go"`, `go = Target`.
fn equal_sign(event: &Ident, value: &[TokenTree]) -> (String, Span) {
    let name = match value.first() {
        Some(TokenTree::Literal(literal)) => quoted(literal),
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    };
    let name = name.unwrap_or_else(|| "Target".to_owned());
    if ["event", "trigger", "on", "name"].iter().any(|word| event == word) {
        let to = option_to(value).map_or_else(|| "Target".to_owned(), |(_, to)| to);
        return (format!("the event comes first: write `#[on({} => {to})]`", snake(&name)), event.span());
    }
    if ["from", "source", "src"].iter().any(|word| event == word) {
        let message = format!("write `#[on(event => Target)]` on the variant `{}`", pascal(&snake(&name)));
        return (message, event.span());
    }
    (format!("expected `=>`, found `=`: write `{event} => {name}`"), event.span())
}

/// The target in `=> Target` or `= Target`, after any punctuation.
fn target(tokens: &[TokenTree]) -> Option<String> {
    tokens.iter().find_map(|token| match token {
        TokenTree::Ident(ident) => Some(ident.to_string()),
        TokenTree::Literal(literal) => quoted(literal),
        _ => None,
    })
}

/// The value of an option `to = Target`.
fn option_to(tokens: &[TokenTree]) -> Option<(Span, String)> {
    tokens.windows(3).find_map(|window| match window {
        [TokenTree::Ident(key), TokenTree::Punct(equals), value]
            if ["to", "target", "dest"].iter().any(|word| key == word) && equals.as_char() == '=' =>
        {
            Some((key.span(), target(std::slice::from_ref(value))?))
        }
        _ => None,
    })
}

fn without_payload(tokens: &[TokenTree]) -> &[TokenTree] {
    match tokens {
        [TokenTree::Group(group), rest @ ..] if group.delimiter() == Delimiter::Brace => rest,
        tokens => tokens,
    }
}

/// The content of a string literal.
fn quoted(literal: &proc_macro2::Literal) -> Option<String> {
    let text = literal.to_string();
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let word = !inner.is_empty() && inner.chars().all(|c| c.is_alphanumeric() || c == '_');
    word.then(|| inner.to_owned())
}
