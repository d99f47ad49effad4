//! The references in a type.

use quote::ToTokens;
use syn::{GenericArgument, Lifetime, PathArguments, ReturnType, Type, TypeReference};

use crate::text;

/// All references in a type, outermost first, except those in the arguments of functions, which have lifetimes of their own.
pub(crate) fn references(ty: &Type) -> Vec<&TypeReference> {
    let mut found = Found::default();
    found.add(ty);
    found.references
}

/// What in a type borrows without the name of a lifetime, and what to write instead: `&str` and `&'a str`.
pub(crate) fn elided(ty: &Type) -> Option<(&dyn ToTokens, String)> {
    let mut found = Found::default();
    found.add(ty);
    let reference = found.references.into_iter().find(|reference| reference.lifetime.as_ref().is_none_or(is_elided));
    if let Some(reference) = reference {
        let TypeReference { mutability, elem, .. } = reference;
        let mutable = if mutability.is_some() { "mut " } else { "" };
        return Some((reference, format!("&'a {mutable}{}", text::of(elem))));
    }
    let lifetime = found.lifetimes.into_iter().find(|lifetime| is_elided(lifetime))?;
    Some((lifetime, "'a".to_owned()))
}

fn is_elided(lifetime: &Lifetime) -> bool {
    lifetime.ident == "_"
}

#[derive(Default)]
struct Found<'t> {
    references: Vec<&'t TypeReference>,
    /// The lifetimes among the arguments of paths.
    lifetimes: Vec<&'t Lifetime>,
}

impl<'t> Found<'t> {
    fn add(&mut self, ty: &'t Type) {
        match ty {
            Type::Reference(reference) => {
                self.references.push(reference);
                self.add(&reference.elem);
            }
            Type::Array(ty) => self.add(&ty.elem),
            Type::Group(ty) => self.add(&ty.elem),
            Type::Paren(ty) => self.add(&ty.elem),
            Type::Ptr(ty) => self.add(&ty.elem),
            Type::Slice(ty) => self.add(&ty.elem),
            Type::Tuple(ty) => ty.elems.iter().for_each(|ty| self.add(ty)),
            Type::Path(ty) => ty.path.segments.iter().for_each(|segment| self.add_arguments(&segment.arguments)),
            _ => {}
        }
    }

    fn add_arguments(&mut self, arguments: &'t PathArguments) {
        match arguments {
            PathArguments::None => {}
            PathArguments::AngleBracketed(arguments) => {
                for argument in &arguments.args {
                    match argument {
                        GenericArgument::Type(ty) => self.add(ty),
                        GenericArgument::Lifetime(lifetime) => self.lifetimes.push(lifetime),
                        _ => {}
                    }
                }
            }
            PathArguments::Parenthesized(arguments) => {
                if let ReturnType::Type(_, ty) = &arguments.output {
                    self.add(ty);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn what_borrows_without_a_lifetime_is_found() {
        let elided = |ty: Type| elided(&ty).map(|(at, instead)| (text::of(&at), instead));
        assert_eq!(elided(parse_quote!(Vec<(u8, &[u8])>)), Some(("&[u8]".into(), "&'a [u8]".into())));
        assert_eq!(elided(parse_quote!(&'_ mut str)), Some(("&'_ mut str".into(), "&'a mut str".into())));
        assert_eq!(elided(parse_quote!(std::borrow::Cow<'_, str>)), Some(("'_".into(), "'a".into())));
        assert_eq!(elided(parse_quote!((&'a str, fn(&str) -> &str, Box<dyn Fn(&str)>))), None);
    }
}
