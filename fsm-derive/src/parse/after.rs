//! `#[after("15m", event { field: value })]` and `#[at(|state| state.until, event)]` on a variant.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Ident, LitInt, LitStr, Token, parse::ParseStream};

use super::{
    FiredEvent, Function,
    expr::expr,
    function::{self, begins_closure},
    span, syntax,
};
use crate::errors::Errors;

/// A timer of a state.
pub(crate) struct After {
    /// The span of the whole attribute.
    pub(crate) span: Span,
    pub(crate) delay: Delay,
    pub(crate) fires: FiredEvent,
}

/// How long a timer runs.
pub(crate) enum Delay {
    /// A literal, as in `"15m"`.
    Known(Duration),
    /// A constant expression of type `Duration`.
    Const(TokenStream),
    /// A closure that computes the duration from the state's data.
    Computed(Function),
    /// A closure that computes the time at which the timer fires.
    At(Function),
}

/// How a timer is written.
const AFTER: &str = "#[after(\"15m\", event)]";
const AT: &str = "#[at(|state| state.until, event)]";

pub(super) fn read(attr: &Attribute, errors: &mut Errors) -> Option<After> {
    syntax::read(attr, AFTER, errors, &mut |input, _| {
        let delay = delay(input)?;
        timer(input, span(attr), delay, AFTER)
    })
}

/// Reads an `#[at(…)]`.
pub(super) fn read_at(attr: &Attribute, errors: &mut Errors) -> Option<After> {
    syntax::read(attr, AT, errors, &mut |input, _| {
        if !(begins_closure(input) || input.peek(Token![async])) {
            let message = format!("expected a closure that returns the time: `{AT}`");
            let error = syn::Error::new(input.span(), message);
            input.parse::<TokenStream>()?;
            return Err(error);
        }
        let delay = Delay::At(function::value(input, &Ident::new("at", input.span()))?);
        timer(input, span(attr), delay, AT)
    })
}

fn delay(input: ParseStream<'_>) -> syn::Result<Delay> {
    if begins_closure(input) || input.peek(Token![async]) && !input.peek2(syn::token::Brace) {
        return Ok(Delay::Computed(function::value(input, &Ident::new("after", input.span()))?));
    }
    Ok(if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        Delay::Known(duration(&text.value()).map_err(|why| syn::Error::new(text.span(), why))?)
    } else {
        let number = input.fork();
        if let Ok(number) = number.parse::<LitInt>()
            && !number.suffix().is_empty()
            && duration(&number.to_string()).is_ok()
        {
            let message = format!("a duration is a string: write `\"{number}\"`");
            input.parse::<TokenStream>()?;
            return Err(syn::Error::new(number.span(), message));
        }
        Delay::Const(expr(input)?)
    })
}

/// Reads the event after the delay. `example` shows the whole attribute.
fn timer(input: ParseStream<'_>, span: Span, delay: Delay, example: &str) -> syn::Result<After> {
    if input.is_empty() {
        return Err(syn::Error::new(span, format!("missing event: expected `{example}`")));
    }
    syntax::end(input)?;
    input.parse::<Token![,]>()?;
    let fires = FiredEvent::read(input)?;
    syntax::end(input)?;
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    if !input.is_empty() {
        return Err(input.error(format!("unexpected token after the event: expected `{example}`")));
    }
    Ok(After { span, delay, fires })
}

/// Parses `15m`, `1h 30m` or `250ms`. Written by hand: there are few forms, and every declaration would pay for a date crate.
fn duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("invalid duration `{text}`: expected `15m`, `1h30m` or `250ms` (units: ms, s, m, h, d)");
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
        let count: u64 = rest[..digits].parse().map_err(|_| invalid())?;
        let unit = rest[digits..].trim_start();
        let end = unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len());
        let millis: u64 = match &unit[..end] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(invalid()),
        };
        let part = count.checked_mul(millis).map(Duration::from_millis);
        total = part
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| format!("duration `{text}` is too long: write a shorter one"))?;
        rest = unit[end..].trim_start();
    }
    if total.is_zero() {
        return Err("the duration of a timer cannot be zero: write at least `1ms`".to_owned());
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_durations() {
        assert_eq!(duration("15m"), Ok(Duration::from_mins(15)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_mins(90)));
        assert_eq!(duration("2d1ms"), Ok(Duration::from_millis(172_800_001)));
    }

    #[test]
    fn rejects_invalid_durations() {
        for text in ["", "m", "15", "15 minutes", "-3s", "1.5h", "0s", "99999999999999999999s", "9999999999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
