//! Readers for the parts of an attribute: options, values, names and paths. Each error says what is expected instead.

use proc_macro2::{Ident, TokenTree};
use quote::ToTokens;
use syn::{Attribute, LitStr, Meta, Path, Token, Type, ext::IdentExt as _, parenthesized, parse::ParseStream};

use super::dialects;
use crate::{errors::Errors, references::elided, suggest, text};

/// Reads the arguments of `attr` with `content`. If they cannot be read, reports an error and returns `None`. `example` shows
/// how the attribute is written.
pub(super) fn read<T>(
    attr: &Attribute,
    example: &str,
    errors: &mut Errors,
    content: &mut dyn FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<T>,
) -> Option<T> {
    if !matches!(&attr.meta, Meta::List(list) if !list.tokens.is_empty()) {
        errors.at(&attr.meta, format!("missing arguments: expected `{example}`"));
        return None;
    }
    let mut read = None;
    let mut unread = None;
    let ok = errors.none_in(|errors| {
        let all = arguments(attr, &mut |input| match content(input, errors) {
            Ok(content) => read = Some(content),
            Err(error) => errors.push(error),
        });
        unread = all.err();
    });
    // Unread tokens after an error are a consequence of it.
    if let Some(error) = unread.filter(|_| ok) {
        errors.push(error);
    }
    read
}

/// Reads the arguments of `attr`, and reports those that `content` leaves unread.
fn arguments(attr: &Attribute, content: &mut dyn FnMut(ParseStream<'_>)) -> syn::Result<()> {
    attr.parse_args_with(|input: ParseStream<'_>| {
        content(input);
        Ok(())
    })
}

/// Reads comma-separated items. After an error it continues with the next item, so that all errors are reported.
pub(super) fn items(
    input: ParseStream<'_>,
    errors: &mut Errors,
    item: &mut dyn FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) -> syn::Result<()> {
    while !input.is_empty() {
        let key = input.fork();
        let key_name = key.call(Ident::parse_any);
        if let Err(error) = item(input, errors).and_then(|()| match &key_name {
            Ok(name) if input.peek(Token![=]) && input.cursor() == key.cursor() => {
                Err(input.error(format!("`{name}` takes no value: remove `= …`")))
            }
            _ => end(input),
        }) {
            errors.push(error);
            while !input.is_empty() && !input.peek(Token![,]) {
                input.parse::<TokenTree>()?;
            }
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(())
}

/// Checks that an item ends here: with a comma, or with the input.
pub(super) fn end(input: ParseStream<'_>) -> syn::Result<()> {
    if input.is_empty() || input.peek(Token![,]) { Ok(()) } else { Err(input.error("expected `,`")) }
}

/// Reads an identifier or a keyword.
pub(super) fn word(input: ParseStream<'_>) -> syn::Result<Ident> {
    Ident::parse_any(input)
}

/// The options of a list that were read so far, to report duplicates.
#[derive(Default)]
pub(crate) struct SeenOptions(Vec<&'static str>);

impl SeenOptions {
    /// Reads an option, one of `known`. A misspelled one is reported and read as the option that it resembles, so that it
    /// causes no further errors. `owner` is the enclosing attribute.
    pub(super) fn option(
        &mut self,
        input: ParseStream<'_>,
        known: &[&'static str],
        owner: &str,
        errors: &mut Errors,
    ) -> syn::Result<(Ident, &'static str)> {
        let key = word(input)?;
        let name = key.to_string();
        if let Some(known) = known.iter().find(|known| **known == name) {
            if self.0.contains(known) {
                errors.at(&key, format!("`{name}` is specified twice: remove one"));
            }
            self.0.push(known);
            return Ok((key, known));
        }
        if let Some(advice) = dialects::option(owner, &name) {
            let error = syn::Error::new(key.span(), format!("unknown option `{name}` in {owner}: {}", advice.help));
            let Some(option) = advice.option else { return Err(error) };
            errors.push(error);
            return Ok((key, option));
        }
        let hint = suggest::nearest(&name, known.iter().copied());
        let error = syn::Error::new(key.span(), format!("unknown option `{name}` in {owner}{hint}"));
        let Some(near) = suggest::near(&name, known.iter().copied()) else { return Err(error) };
        errors.push(error);
        Ok((key, near))
    }

    /// Allows an option to be repeated.
    pub(super) fn allow_repeat(&mut self, option: &str) {
        self.0.retain(|seen| *seen != option);
    }
}

/// Reads the `=` of an option with a value. `example` shows a value.
pub(super) fn equals(input: ParseStream<'_>, key: &Ident, example: &str) -> syn::Result<()> {
    let missing = || syn::Error::new(key.span(), format!("missing value: expected `{key} = {example}`"));
    if !input.peek(Token![=]) {
        return Err(missing());
    }
    input.parse::<Token![=]>()?;
    if input.is_empty() {
        return Err(missing());
    }
    if input.peek(LitStr) {
        return Err(input.error(format!("unexpected string literal: write `{key} = {example}`, without quotes")));
    }
    Ok(())
}

/// Reads `= "text"`.
pub(super) fn text(input: ParseStream<'_>, key: &Ident) -> syn::Result<LitStr> {
    let invalid = |span| syn::Error::new(span, format!("expected a string literal: `{key} = \"…\"`"));
    if !input.peek(Token![=]) {
        return Err(invalid(key.span()));
    }
    input.parse::<Token![=]>()?;
    let text: LitStr = input.parse().map_err(|error: syn::Error| invalid(error.span()))?;
    if text.value().trim().is_empty() {
        return Err(syn::Error::new(text.span(), format!("`{key}` cannot be empty: write a name, or remove it")));
    }
    Ok(text)
}

/// Reads the parentheses after an option. `example` shows their content.
pub(super) fn inside<T>(
    input: ParseStream<'_>,
    key: &Ident,
    example: &str,
    read: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(key.span(), format!("expected a list in parentheses: `{key}({example})`")));
    }
    let content;
    parenthesized!(content in input);
    read(&content)
}

/// Reads the name of a state or a superstate.
pub(super) fn state(input: ParseStream<'_>) -> syn::Result<Ident> {
    if input.peek(Token![::]) || input.peek2(Token![::]) {
        let path = Path::parse_mod_style(input)?;
        let name = path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        return Err(syn::Error::new_spanned(path, format!("expected the name of a state, not a path: write `{name}`")));
    }
    if !input.peek(syn::Ident::peek_any) {
        return Err(syn::Error::new(input.span(), "expected the name of a state"));
    }
    input.parse()
}

/// Reads comma-separated items up to the end, where another comma can be. Unlike syn's `Punctuated`, it keeps no commas, and is
/// little code for each type.
pub(super) fn list<T>(input: ParseStream<'_>, item: &dyn Fn(ParseStream<'_>) -> syn::Result<T>) -> syn::Result<Vec<T>> {
    let mut items = Vec::new();
    while !input.is_empty() {
        items.push(item(input)?);
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(items)
}

/// Reads at least one item; `|` separates them.
pub(super) fn alternatives<T>(
    input: ParseStream<'_>,
    item: &dyn Fn(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<Vec<T>> {
    let mut items = vec![item(input)?];
    while input.peek(Token![|]) {
        input.parse::<Token![|]>()?;
        items.push(item(input)?);
    }
    Ok(items)
}

/// Reads a list of states.
pub(super) fn states(input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    list(input, &state)
}

/// Reads `= Name`, a name for a generated item.
pub(super) fn new_name(input: ParseStream<'_>, key: &Ident, example: &str) -> syn::Result<Ident> {
    equals(input, key, example)?;
    let single =
        |at: &dyn ToTokens| syn::Error::new_spanned(at, format!("expected a single name: `{key} = {example}`"));
    if input.peek(Token![::]) || input.peek2(Token![::]) {
        return Err(single(&Path::parse_mod_style(input)?));
    }
    if input.peek(syn::Ident) {
        return input.parse();
    }
    let token: TokenTree = input.parse()?;
    Err(match token {
        TokenTree::Ident(keyword) => {
            syn::Error::new(keyword.span(), format!("`{keyword}` is a keyword: choose another name"))
        }
        token => single(&token),
    })
}

/// Reads the name of an event. A keyword must be raw, like the generated method.
pub(super) fn event(input: ParseStream<'_>) -> syn::Result<Ident> {
    if !input.peek(syn::Ident::peek_any) {
        return Err(syn::Error::new(input.span(), "expected the name of an event"));
    }
    let ident = word(input)?;
    if syn::parse2::<Ident>(ident.to_token_stream()).is_ok() {
        return Ok(ident);
    }
    let name = ident.to_string();
    let message = match syn::parse_str::<Ident>(&format!("r#{name}")) {
        Ok(raw) => format!("`{name}` is a keyword: write `{raw}`"),
        Err(_) => format!("`{name}` cannot be used as a method name: choose another name for this event"),
    };
    Err(syn::Error::new(ident.span(), message))
}

/// A type that borrows names the lifetime: rustc's help for one that does not is for a struct, and is no syntax of an attribute.
pub(super) fn lifetimes_are_named(ty: &Type) -> syn::Result<()> {
    let Some((at, instead)) = elided(ty) else {
        return Ok(());
    };
    let message = format!(
        "`{}` needs a named lifetime: write `{instead}`, declare `'a` on the enum, and use it in a state",
        text::of(&at)
    );
    Err(syn::Error::new_spanned(at, message))
}
