//! `#[state(…)]` on a variant.

use proc_macro2::Span;
use syn::{Ident, LitStr, Type, parse::ParseStream};

use super::{
    FiredEvent, Function, Uncertain, Undo, Wait, function, saga,
    syntax::{self, SeenOptions},
    waits,
};
use crate::errors::Errors;

/// The options in `#[state(…)]`.
#[derive(Default)]
pub(crate) struct StateOptions {
    pub(crate) work: Option<Span>,
    pub(crate) end: Option<Span>,
    /// The name of the generated struct.
    pub(crate) ty: Option<Ident>,
    pub(crate) name: Option<LitStr>,
    pub(crate) was: Vec<LitStr>,
    pub(crate) remove: Option<Span>,
    pub(crate) group: Option<Ident>,
    pub(crate) exhausted: Option<FiredEvent>,
    /// The type of the worker's checkpoint.
    pub(crate) checkpoint: Option<Type>,
    /// The function that runs when the state is entered.
    pub(crate) enter: Option<Function>,
    /// What it waits for.
    pub(crate) waits: Vec<Wait>,
    /// The state that undoes it, in a saga.
    pub(crate) undo: Option<Undo>,
    /// Whether it is undone if its outcome is unknown.
    pub(crate) uncertain: Option<Uncertain>,
    seen: SeenOptions,
}

const KNOWN: [&str; 13] = [
    "work",
    "end",
    "type",
    "name",
    "was",
    "remove",
    "in",
    "exhausted",
    "checkpoint",
    "enter",
    "waits",
    "undo",
    "uncertain",
];

impl StateOptions {
    pub(super) fn read(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        syntax::items(input, errors, &mut |input, errors| self.item(input, errors))
    }

    fn item(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let (key, option) = self.seen.option(input, &KNOWN, "`#[state(…)]`", errors)?;
        match option {
            "work" => self.work = Some(key.span()),
            "end" => self.end = Some(key.span()),
            "remove" => self.remove = Some(key.span()),
            "type" => self.ty = Some(syntax::new_name(input, &key, "Name")?),
            "name" => self.name = Some(syntax::text(input, &key)?),
            "was" => {
                self.seen.allow_repeat(option);
                self.was.push(syntax::text(input, &key)?);
            }
            "in" => {
                syntax::equals(input, &key, "Superstate")?;
                self.group = Some(syntax::state(input)?);
            }
            "exhausted" => {
                syntax::equals(input, &key, "event")?;
                self.exhausted = Some(FiredEvent::read(input)?);
            }
            "waits" => {
                self.seen.allow_repeat(option);
                syntax::inside(input, &key, waits::EXAMPLE, |input| waits::read(input, &mut self.waits, errors))?;
            }
            "undo" => self.undo = Some(saga::undo(input, &key)?),
            "uncertain" => self.uncertain = Some(saga::uncertain(input, &key)?),
            "enter" => {
                self.enter = Some(function::function(input, &key)?);
            }
            _ => {
                syntax::equals(input, &key, "Type")?;
                self.checkpoint = Some(input.parse()?);
            }
        }
        Ok(())
    }
}
