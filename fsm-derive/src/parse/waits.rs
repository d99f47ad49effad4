//! `waits(payment: Payment in Captured => paid, any(jobs): Job in Failed | missing => fail)` in `#[state(…)]`.

use syn::{
    Ident, LitInt, Member, Path, Token, ext::IdentExt as _, parenthesized, parse::ParseStream, spanned::Spanned as _,
    token,
};

use super::{FiredEvent, syntax};
use crate::{errors::Errors, text};

/// How a wait is written inside of `waits(…)`.
pub(super) const EXAMPLE: &str = "payment: Payment in Captured => paid";
/// The word for an instance that does not exist, in the place of a state.
const MISSING: &str = "missing";

/// The event that is fired once instances of another machine are in one of some states.
pub(crate) struct Wait {
    /// The field with the id or the ids.
    pub(crate) field: Member,
    pub(crate) quantity: Quantity,
    pub(crate) machine: Path,
    pub(crate) states: Vec<Ident>,
    /// The `missing` of the list of states.
    pub(crate) missing: Vec<Ident>,
    pub(crate) fires: FiredEvent,
}

/// How many of the instances must be in one of the states.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    One,
    All,
    Any,
    AtLeast(u32),
}

/// Reads the content of `waits(…)`.
pub(super) fn read(input: ParseStream<'_>, waits: &mut Vec<Wait>, errors: &mut Errors) -> syn::Result<()> {
    if input.is_empty() {
        return Err(syn::Error::new(input.span(), format!("nothing to wait for: expected `waits({EXAMPLE})`")));
    }
    syntax::items(input, errors, &mut |input, _| wait(input).map(|wait| waits.push(wait)))
}

fn wait(input: ParseStream<'_>) -> syn::Result<Wait> {
    let (quantity, field, shown) = subject(input)?;
    if !input.peek(Token![:]) || input.peek(Token![::]) {
        return Err(syn::Error::new(field.span(), format!("expected `{shown}: Machine in State => event`")));
    }
    input.parse::<Token![:]>()?;
    if !(input.peek(Ident::peek_any) || input.peek(Token![::])) {
        return Err(syn::Error::new(
            field.span(),
            format!("missing machine: expected `{shown}: Machine in State => event`"),
        ));
    }
    let machine = Path::parse_mod_style(input)?;
    if !input.peek(Token![in]) {
        return Err(missing_states(&shown, &machine));
    }
    input.parse::<Token![in]>()?;
    let (mut states, mut missing) = (Vec::new(), Vec::new());
    loop {
        let word = input.fork().call(Ident::parse_any);
        if word.is_ok_and(|word| word == MISSING) {
            missing.push(input.parse()?);
        } else {
            states.push(syntax::state(input)?);
        }
        if !input.peek(Token![|]) {
            break;
        }
        input.parse::<Token![|]>()?;
    }
    if !input.peek(Token![=>]) {
        let last = states.iter().chain(&missing).last().map_or_else(|| machine.span(), Ident::span);
        let machine = text::of(&machine);
        return Err(syn::Error::new(
            last,
            format!("missing event: expected `{shown}: {machine} in {} => event`", all(&states, &missing)),
        ));
    }
    input.parse::<Token![=>]>()?;
    let fires = FiredEvent::read(input)?;
    Ok(Wait { field, quantity, machine, states, missing, fires })
}

/// `Captured | missing`
fn all(states: &[Ident], missing: &[Ident]) -> String {
    states.iter().chain(missing).map(ToString::to_string).collect::<Vec<_>>().join(" | ")
}

/// The error for a machine that no `in` follows. `Payment::Captured` is the form that a user of enums tries.
fn missing_states(shown: &str, machine: &Path) -> syn::Error {
    let mut owner = machine.clone();
    let state = owner.segments.pop().map(|state| state.ident);
    let begins_large = |ident: &Ident| ident.to_string().starts_with(char::is_uppercase);
    let message = match (state, owner.segments.last()) {
        (Some(state), Some(last)) if begins_large(&last.ident) => {
            let segments: Vec<_> = owner.segments.iter().map(|segment| segment.ident.to_string()).collect();
            format!("the states follow `in`: write `{shown}: {} in {state} => event`", segments.join("::"))
        }
        _ => format!("missing states: expected `{shown}: {} in State => event`", text::of(machine)),
    };
    syn::Error::new_spanned(machine, message)
}

/// The field, how many of its ids count, and both as they are written.
fn subject(input: ParseStream<'_>) -> syn::Result<(Quantity, Member, String)> {
    if !(input.peek(Ident::peek_any) || input.peek(LitInt)) {
        return Err(input.error(format!("expected a field: `{EXAMPLE}`")));
    }
    if !input.peek2(token::Paren) {
        let field = member(input)?;
        let shown = text::of(&field);
        return Ok((Quantity::One, field, shown));
    }
    let word = syntax::word(input)?;
    let content;
    parenthesized!(content in input);
    let name = word.to_string();
    let quantity = match name.as_str() {
        "all" => Quantity::All,
        "any" => Quantity::Any,
        "at_least" => at_least(&content, &word)?,
        _ => {
            let message =
                format!("unknown quantity `{name}`: expected `all(field)`, `any(field)` or `at_least(2, field)`");
            return Err(syn::Error::new(word.span(), message));
        }
    };
    let example = if matches!(quantity, Quantity::AtLeast(_)) {
        "at_least(2, field)".to_owned()
    } else {
        format!("{name}(field)")
    };
    let one_field = || syn::Error::new(word.span(), format!("expected one field: `{example}`"));
    let field = member(&content).map_err(|_| one_field())?;
    if !content.is_empty() {
        return Err(one_field());
    }
    let shown = match quantity {
        Quantity::AtLeast(count) => format!("at_least({count}, {})", text::of(&field)),
        _ => format!("{name}({})", text::of(&field)),
    };
    Ok((quantity, field, shown))
}

/// A name, or the position in a tuple.
fn member(input: ParseStream<'_>) -> syn::Result<Member> {
    input.parse()
}

/// Reads `2,`.
fn at_least(input: ParseStream<'_>, word: &Ident) -> syn::Result<Quantity> {
    let expected = || syn::Error::new(word.span(), "expected a number and a field: `at_least(2, field)`");
    let number: LitInt = input.parse().map_err(|_| expected())?;
    let count: u32 = number.base10_parse().map_err(|_| expected())?;
    if count == 0 {
        return Err(syn::Error::new(number.span(), "`at_least(0, …)` always holds: write 1 or more"));
    }
    input.parse::<Token![,]>().map_err(|_| expected())?;
    Ok(Quantity::AtLeast(count))
}
