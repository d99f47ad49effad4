//! `#[fsm(…)]` on the enum.

use proc_macro2::Span;
use syn::{Ident, LitInt, Path, Token, Type, parenthesized, parse::ParseStream, punctuated::Punctuated};

use super::{On, items, on, word};
use crate::{errors::Errors, hint};

/// What `#[fsm(…)]` says.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) initial: Vec<Ident>,
    pub(crate) derives: Vec<Path>,
    pub(crate) durable: Option<Span>,
    pub(crate) context: Option<Type>,
    pub(crate) version: Option<u32>,
    pub(crate) module: Option<Ident>,
    pub(crate) krate: Option<Path>,
    pub(crate) groups: Vec<Group>,
    pub(crate) requires: Vec<Require>,
    seen: Vec<String>,
}

impl Options {
    /// `initial` is given, whether or not it could be read.
    pub(crate) fn says_initial(&self) -> bool {
        self.seen.iter().any(|name| name == "initial")
    }
}

/// A superstate, with the transitions of all its members.
pub(crate) struct Group {
    pub(crate) ident: Ident,
    pub(crate) ons: Vec<On>,
}

/// A property that shall hold.
pub(crate) struct Require {
    pub(crate) property: Property,
    pub(crate) first: Ident,
    pub(crate) second: Ident,
}

/// What shall hold of two states.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Property {
    /// Every way to the second passes the first.
    Before,
    /// No way leads from the first to the second.
    Never,
    /// A way leads from the first to the second.
    Reaches,
}

const KNOWN: [&str; 9] = ["initial", "derive", "durable", "context", "version", "module", "crate", "group", "require"];
/// What may be given several times.
const REPEATED: [&str; 3] = ["derive", "group", "require"];

impl Options {
    pub(super) fn read(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        items(input, errors, |input, errors| self.item(input, errors))
    }

    fn item(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let key = word(input)?;
        let name = key.to_string();
        if KNOWN.contains(&name.as_str()) && !REPEATED.contains(&name.as_str()) {
            if self.seen.contains(&name) {
                errors.at(&key, format!("`{name}` is given twice: leave one"));
            }
            self.seen.push(name.clone());
        }
        match name.as_str() {
            "initial" => {
                input.parse::<Token![=]>()?;
                self.initial.extend(Punctuated::<Ident, Token![|]>::parse_separated_nonempty(input)?);
            }
            "derive" => {
                let content;
                parenthesized!(content in input);
                self.derives
                    .extend(Punctuated::<Path, Token![,]>::parse_terminated_with(&content, Path::parse_mod_style)?);
            }
            "durable" => self.durable = Some(key.span()),
            "context" => {
                input.parse::<Token![=]>()?;
                self.context = Some(input.parse()?);
            }
            "version" => {
                input.parse::<Token![=]>()?;
                let number: LitInt = input.parse()?;
                match number.base10_parse() {
                    Ok(0) | Err(_) => errors.at(&number, "a version is a whole number from 1 to 4294967295"),
                    Ok(version) => self.version = Some(version),
                }
            }
            "module" => {
                input.parse::<Token![=]>()?;
                self.module = Some(input.parse()?);
            }
            "crate" => {
                input.parse::<Token![=]>()?;
                self.krate = Some(input.call(Path::parse_mod_style)?);
            }
            "group" => {
                let content;
                parenthesized!(content in input);
                let group = group(&content, errors)?;
                if self.groups.iter().any(|other| other.ident == group.ident) {
                    let message = format!("`{}` is declared twice: put both into one `group(…)`", group.ident);
                    return Err(syn::Error::new(group.ident.span(), message));
                }
                self.groups.push(group);
            }
            "require" => {
                let content;
                parenthesized!(content in input);
                items(&content, errors, |input, _| {
                    self.requires.push(require(input)?);
                    Ok(())
                })?;
            }
            other => {
                let hint = hint::nearest(other, KNOWN);
                return Err(syn::Error::new(key.span(), format!("`#[fsm(…)]` knows no `{other}`{hint}")));
            }
        }
        Ok(())
    }
}

/// `Active, on(suspend => Suspended), …`
fn group(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Group> {
    let mut group = Group { ident: input.parse()?, ons: Vec::new() };
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    items(input, errors, |input, errors| {
        let key = word(input)?;
        if key != "on" {
            let message = format!("a superstate knows no `{key}`: write `group({}, on(event => Target))`", group.ident);
            return Err(syn::Error::new(key.span(), message));
        }
        let content;
        let parens = parenthesized!(content in input);
        group.ons.push(on::on(&content, parens.span.join(), errors)?);
        Ok(())
    })?;
    Ok(group)
}

/// `before(A, B)`
fn require(input: ParseStream<'_>) -> syn::Result<Require> {
    const PROPERTIES: [&str; 3] = ["before", "never", "reaches"];
    let key = word(input)?;
    let property = match key.to_string().as_str() {
        "before" => Property::Before,
        "never" => Property::Never,
        "reaches" => Property::Reaches,
        other => {
            let hint = hint::nearest(other, PROPERTIES);
            return Err(syn::Error::new(key.span(), format!("`require(…)` knows no `{other}`{hint}")));
        }
    };
    let content;
    parenthesized!(content in input);
    let states: Vec<Ident> = Punctuated::<Ident, Token![,]>::parse_terminated(&content)?.into_iter().collect();
    let Ok([first, second]) = <[Ident; 2]>::try_from(states) else {
        return Err(syn::Error::new(key.span(), format!("`{key}` is about two states: `{key}(A, B)`")));
    };
    Ok(Require { property, first, second })
}
