//! The enum's generics as they read in the generated module. An enum implies bounds that the generated structs must write: a field
//! `&'a T` implies `T: 'a`.

use quote::ToTokens;
use syn::{
    GenericParam, Generics, Lifetime, LifetimeParam, Type, TypeParam, TypeReference, WherePredicate, parse::Parse,
    parse_quote,
};

use super::rewrite::Move;
use crate::{
    each::each,
    idents::{mentions, mentions_lifetime},
    model::Machine,
    references::references,
};

/// The name of a generic parameter, of a lifetime without the quote.
pub(crate) fn param_name(param: &GenericParam) -> String {
    match param {
        GenericParam::Lifetime(param) => param.lifetime.ident.to_string(),
        GenericParam::Type(param) => param.ident.to_string(),
        GenericParam::Const(param) => param.ident.to_string(),
    }
}

/// A name that no generic parameter has: `name`, or the name with a number.
pub(super) fn fresh(generics: &Generics, name: &str) -> String {
    let used = |name: &str| generics.params.iter().any(|param| param_name(param) == name);
    let mut candidates = (0..).map(|n| if n == 0 { name.to_owned() } else { format!("{name}{n}") });
    candidates.find(|name| !used(name)).unwrap_or_default()
}

/// The enum's generics, as they read in the module, with the bounds that its fields imply.
pub(super) fn of(machine: &Machine, into: &Move<'_>) -> Generics {
    let mut generics = machine.generics.clone();
    if generics.params.is_empty() {
        return generics;
    }
    let fields = [machine.state_fields(), machine.payload_fields()].concat();
    let mut types = each(&fields, &|field| &field.ty);
    types.extend(&machine.context);
    let implied = outlives(&generics, &types);
    if !implied.is_empty() {
        generics.make_where_clause().predicates.extend(implied);
    }
    for param in &mut generics.params {
        moved(into, param);
    }
    if let Some(clause) = &mut generics.where_clause {
        for predicate in &mut clause.predicates {
            moved(into, predicate);
        }
    }
    generics
}

/// Moves the paths in `syntax`. If the result does not parse, it stays as it is, and rustc reports why.
fn moved<T: Parse + ToTokens>(into: &Move<'_>, syntax: &mut T) {
    if let Ok(moved) = syn::parse2(into.tokens(syntax)) {
        *syntax = moved;
    }
}

/// The outlives bounds that the references in `types` imply, for type parameters and for lifetimes.
fn outlives(generics: &Generics, types: &[&Type]) -> Vec<WherePredicate> {
    let mut found = Vec::new();
    for ty in types {
        found.extend(references(ty));
    }
    let mut pairs: Vec<(&GenericParam, &Lifetime)> = Vec::new();
    for TypeReference { lifetime, elem, .. } in found {
        let Some(lifetime) = lifetime else { continue };
        for param in &generics.params {
            let lives = match param {
                GenericParam::Lifetime(param) => {
                    param.lifetime != *lifetime && mentions_lifetime(elem, &param.lifetime.ident.to_string())
                }
                GenericParam::Type(param) => mentions(elem, &|word| param.ident == word),
                GenericParam::Const(_) => false,
            };
            if lives && !pairs.iter().any(|(other, at)| std::ptr::eq(*other, param) && *at == lifetime) {
                pairs.push((param, lifetime));
            }
        }
    }
    let bound = |(param, lifetime): (&GenericParam, &Lifetime)| match param {
        GenericParam::Lifetime(LifetimeParam { lifetime: longer, .. }) => Some(parse_quote!(#longer: #lifetime)),
        GenericParam::Type(TypeParam { ident, .. }) => Some(parse_quote!(#ident: #lifetime)),
        GenericParam::Const(_) => None,
    };
    pairs.into_iter().filter_map(bound).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_a_borrow_imply_that_it_lives() {
        let generics: Generics = parse_quote!(<'a, 'b, 'c>);
        let types: Vec<Type> =
            vec![parse_quote!(&'a [Token<'b>]), parse_quote!(Vec<&'b &'c str>), parse_quote!(&'a &'a str)];
        let predicates = outlives(&generics, &each(&types, &|ty| ty));
        let texts: Vec<_> = predicates.iter().map(|predicate| predicate.to_token_stream().to_string()).collect();
        assert_eq!(texts, ["'b : 'a", "'c : 'b"]);
    }

    #[test]
    fn references_to_a_parameter_imply_that_it_lives() {
        let generics: Generics = parse_quote!(<'a, 'b, T, U>);
        let types: Vec<Type> = vec![parse_quote!(Vec<(&'a [T], U)>), parse_quote!(&'b str), parse_quote!(&'a mut T)];
        let predicates = outlives(&generics, &each(&types, &|ty| ty));
        let texts: Vec<_> = predicates.iter().map(|predicate| predicate.to_token_stream().to_string()).collect();
        assert_eq!(texts, ["T : 'a"]);
    }
}
