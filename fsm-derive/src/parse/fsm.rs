//! `#[fsm(…)]` on the enum.

use proc_macro2::Span;
use syn::{Ident, LitInt, Path, Token, parenthesized, parse::ParseStream, punctuated::Punctuated};

use super::{items, word};
use crate::{errors::Errors, hint};

/// What `#[fsm(…)]` says.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) initial: Vec<Ident>,
    pub(crate) derives: Vec<Path>,
    pub(crate) durable: Option<Span>,
    pub(crate) version: Option<u32>,
    pub(crate) module: Option<Ident>,
    pub(crate) krate: Option<Path>,
    seen: Vec<String>,
}

const KNOWN: [&str; 6] = ["initial", "derive", "durable", "version", "module", "crate"];
const LATER: [&str; 3] = ["context", "group", "require"];

impl Options {
    pub(super) fn read(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        items(input, errors, |input, errors| self.item(input, errors))
    }

    fn item(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let key = word(input)?;
        let name = key.to_string();
        if KNOWN.contains(&name.as_str()) && name != "derive" {
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
            later if LATER.contains(&later) => {
                return Err(syn::Error::new(key.span(), format!("`{later}` is not supported yet")));
            }
            other => {
                let hint = hint::nearest(other, KNOWN);
                return Err(syn::Error::new(key.span(), format!("`#[fsm(…)]` knows no `{other}`{hint}")));
            }
        }
        Ok(())
    }
}
