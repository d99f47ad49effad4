//! `#[state(…)]` on a variant.

use proc_macro2::Span;
use syn::{LitStr, Token, parse::ParseStream};

use super::{items, word};
use crate::{errors::Errors, hint};

/// What `#[state(…)]` says.
#[derive(Default)]
pub(crate) struct StateOptions {
    pub(crate) work: Option<Span>,
    pub(crate) end: Option<Span>,
    pub(crate) name: Option<LitStr>,
    pub(crate) was: Vec<LitStr>,
}

const KNOWN: [&str; 4] = ["work", "end", "name", "was"];
const LATER: [&str; 4] = ["exhausted", "progress", "remove", "in"];

impl StateOptions {
    pub(super) fn read(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        items(input, errors, |input, errors| self.item(input, errors))
    }

    fn item(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let key = word(input)?;
        match key.to_string().as_str() {
            "work" => self.work = Some(key.span()),
            "end" => self.end = Some(key.span()),
            "name" => {
                let name = text(input)?;
                if self.name.replace(name).is_some() {
                    errors.at(&key, "`name` is given twice: a state is stored and drawn under one name");
                }
            }
            "was" => self.was.push(text(input)?),
            later if LATER.contains(&later) => {
                return Err(syn::Error::new(key.span(), format!("`{later}` is not supported yet")));
            }
            other => {
                let hint = hint::nearest(other, KNOWN);
                return Err(syn::Error::new(key.span(), format!("`#[state(…)]` knows no `{other}`{hint}")));
            }
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
