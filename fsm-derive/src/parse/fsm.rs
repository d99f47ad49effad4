//! `#[fsm(…)]` on the enum.

use proc_macro2::Span;
use syn::{Ident, LitInt, Path, Token, Type, parenthesized, parse::ParseStream};

use super::{
    On, Saga, on, saga,
    syntax::{self, SeenOptions},
};
use crate::{errors::Errors, text};

/// The options in `#[fsm(…)]`.
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
    pub(crate) saga: Option<Saga>,
    /// Whether `initial` is present, even if it could not be read.
    pub(crate) has_initial: bool,
    /// Whether `initial` or a `group(…)` could not be read completely.
    incomplete: bool,
    seen: SeenOptions,
}

impl Options {
    /// Whether all options that define the graph could be read.
    pub(super) fn complete(&self) -> bool {
        !self.incomplete
    }
}

/// A superstate, with the transitions of all its members.
pub(crate) struct Group {
    pub(crate) ident: Ident,
    /// The index of the superstate that contains it.
    pub(crate) parent: Option<usize>,
    pub(crate) ons: Vec<On>,
}

/// A property of the graph, declared with `require(…)`.
pub(crate) struct Require {
    pub(crate) property: Property,
    pub(crate) first: Ident,
    pub(crate) second: Ident,
}

/// A property that relates two states.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Property {
    /// Every path to the second leads through the first.
    Before,
    /// No path leads from the first to the second.
    Never,
    /// A path leads from the first to the second.
    Reaches,
}

const KNOWN: [&str; 10] =
    ["initial", "derive", "durable", "context", "version", "module", "crate", "group", "require", "saga"];

impl Options {
    pub(super) fn read(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        syntax::items(input, errors, &mut |input, errors| self.item(input, errors))
    }

    fn item(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let (key, option) = self.seen.option(input, &KNOWN, "`#[fsm(…)]`", errors)?;
        match option {
            "initial" => {
                self.has_initial = true;
                let before = std::mem::replace(&mut self.incomplete, true);
                syntax::equals(input, &key, "A | B")?;
                self.initial.extend(syntax::alternatives(input, &syntax::state)?);
                syntax::end(input)?;
                self.incomplete = before;
            }
            "derive" => {
                self.seen.allow_repeat(option);
                let derives =
                    syntax::inside(input, &key, "Clone, Debug", |input| syntax::list(input, &Path::parse_mod_style))?;
                for path in derives {
                    let name = text::of(&path);
                    if self.derives.iter().any(|other| text::of(other) == name) {
                        errors.at(&path, format!("`{name}` is listed twice: remove one"));
                    } else {
                        self.derives.push(path);
                    }
                }
            }
            "durable" => self.durable = Some(key.span()),
            "context" => {
                syntax::equals(input, &key, "Type")?;
                let context = input.parse()?;
                syntax::lifetimes_are_named(&context)?;
                self.context = Some(context);
            }
            "version" => {
                syntax::equals(input, &key, "2")?;
                let number: LitInt = input.parse()?;
                match number.base10_parse() {
                    Ok(0) | Err(_) => errors.at(&number, "invalid version: expected an integer from 1 to 4294967295"),
                    Ok(version) => self.version = Some(version),
                }
            }
            "module" => {
                syntax::equals(input, &key, "name")?;
                self.module = Some(input.parse()?);
            }
            "crate" => {
                syntax::equals(input, &key, "path")?;
                self.krate = Some(input.call(Path::parse_mod_style)?);
            }
            "group" => {
                self.seen.allow_repeat(option);
                let mut read = Ok(());
                let ok = errors.none_in(|errors| {
                    read = syntax::inside(input, &key, "Name, on(event => Target)", |input| {
                        group(input, None, &mut self.groups, errors)
                    });
                });
                self.incomplete |= !ok || read.is_err();
                read?;
            }
            "saga" => {
                let before = std::mem::replace(&mut self.incomplete, true);
                self.saga = Some(saga::saga(input, &key)?);
                self.incomplete = before;
            }
            _ => {
                self.seen.allow_repeat(option);
                syntax::inside(input, &key, "before(A, B)", |input| {
                    syntax::items(input, errors, &mut |input, errors| {
                        self.requires.push(require(input, errors)?);
                        Ok(())
                    })
                })?;
            }
        }
        Ok(())
    }
}

/// `Active, on(suspend => Suspended), group(Inner, …), …`
fn group(
    input: ParseStream<'_>,
    parent: Option<usize>,
    groups: &mut Vec<Group>,
    errors: &mut Errors,
) -> syn::Result<()> {
    let ident = syntax::state(input)?;
    if groups.iter().any(|other| other.ident == ident) {
        let message = format!("superstate `{ident}` is declared twice: merge the two into one `group(…)`");
        return Err(syn::Error::new(ident.span(), message));
    }
    let index = groups.len();
    groups.push(Group { ident: ident.clone(), parent, ons: Vec::new() });
    if let Err(error) = syntax::end(input) {
        errors.push(error);
        return Ok(());
    }
    if !input.is_empty() {
        input.parse::<Token![,]>()?;
    }
    syntax::items(input, errors, &mut |input, errors| {
        let key = syntax::word(input)?;
        if key == "on" {
            let content;
            let delimiters = parenthesized!(content in input);
            let on = on::on(&content, delimiters.span.join(), errors)?;
            groups[index].ons.push(on);
            return Ok(());
        }
        if key == "group" {
            return syntax::inside(input, &key, "Inner, on(event => Target)", |input| {
                group(input, Some(index), groups, errors)
            });
        }
        let message = format!(
            "unknown option `{key}` in `group(…)`: expected `group({ident}, on(event => Target), group(Inner, …))`"
        );
        Err(syn::Error::new(key.span(), message))
    })
}

/// `before(A, B)`
fn require(input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<Require> {
    const PROPERTIES: [&str; 3] = ["before", "never", "reaches"];
    let (key, option) = SeenOptions::default().option(input, &PROPERTIES, "`require(…)`", errors)?;
    let property = match option {
        "before" => Property::Before,
        "never" => Property::Never,
        _ => Property::Reaches,
    };
    let states = syntax::inside(input, &key, "A, B", syntax::states)?;
    let Ok([first, second]) = <[Ident; 2]>::try_from(states) else {
        return Err(syn::Error::new(key.span(), format!("`{key}` takes two states: expected `{key}(A, B)`")));
    };
    Ok(Require { property, first, second })
}
