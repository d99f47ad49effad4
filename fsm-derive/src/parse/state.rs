//! `#[state(…)]` on a variant.

use proc_macro2::Span;
use syn::{Ident, LitStr, Token, Type, parse::ParseStream};

use super::{Fires, items, word};
use crate::{errors::Errors, hint};

/// What `#[state(…)]` says.
#[derive(Default)]
pub(crate) struct StateOptions {
    pub(crate) work: Option<Span>,
    pub(crate) end: Option<Span>,
    pub(crate) name: Option<LitStr>,
    pub(crate) was: Vec<LitStr>,
    pub(crate) remove: Option<Span>,
    pub(crate) group: Option<Ident>,
    pub(crate) exhausted: Option<Fires>,
    /// The type of what the worker keeps for its next attempt.
    pub(crate) progress: Option<Type>,
}

const KNOWN: [&str; 8] = ["work", "end", "name", "was", "remove", "in", "exhausted", "progress"];

impl StateOptions {
    pub(super) fn read(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        items(input, errors, |input, errors| self.item(input, errors))
    }

    fn item(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let key = word(input)?;
        let twice = match key.to_string().as_str() {
            "work" => self.work.replace(key.span()).is_some(),
            "end" => self.end.replace(key.span()).is_some(),
            "remove" => self.remove.replace(key.span()).is_some(),
            "name" => self.name.replace(text(input)?).is_some(),
            "was" => {
                self.was.push(text(input)?);
                false
            }
            "in" => {
                input.parse::<Token![=]>()?;
                self.group.replace(input.parse()?).is_some()
            }
            "exhausted" => {
                input.parse::<Token![=]>()?;
                self.exhausted.replace(Fires::read(input)?).is_some()
            }
            "progress" => {
                input.parse::<Token![=]>()?;
                self.progress.replace(input.parse()?).is_some()
            }
            other => {
                let hint = hint::nearest(other, KNOWN);
                return Err(syn::Error::new(key.span(), format!("`#[state(…)]` knows no `{other}`{hint}")));
            }
        };
        if twice {
            errors.at(&key, format!("`{key}` is given twice: leave one"));
        }
        Ok(())
    }
}

fn text(input: ParseStream<'_>) -> syn::Result<LitStr> {
    input.parse::<Token![=]>()?;
    let text: LitStr = input.parse()?;
    if text.value().trim().is_empty() {
        return Err(syn::Error::new(text.span(), "a name cannot be empty"));
    }
    Ok(text)
}
