//! The enum's generics as they read in the generated module. An enum implies bounds that the generated structs must write: a field
//! `&'a T` implies `T: 'a`.

use quote::ToTokens;
use syn::{
    GenericArgument, GenericParam, Generics, Ident, Lifetime, PathArguments, ReturnType, Type, TypeReference,
    WherePredicate, parse::Parse, parse_quote,
};

use super::rewrite::Move;
use crate::{idents::mentions, model::Machine};

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
    let fields = machine.states.iter().flat_map(|state| &state.fields);
    let payloads = machine.events.iter().flat_map(|event| &event.fields);
    let types = fields.chain(payloads).map(|field| &field.ty).chain(&machine.context);
    let implied = outlives(&generics, types);
    if !implied.is_empty() {
        generics.make_where_clause().predicates.extend(implied);
    }
    for param in &mut generics.params {
        moved(into, param);
    }
    for predicate in generics.where_clause.iter_mut().flat_map(|clause| &mut clause.predicates) {
        moved(into, predicate);
    }
    generics
}

/// Moves the paths in `syntax`. If the result does not parse, it stays as it is, and rustc reports why.
fn moved<T: Parse + ToTokens>(into: &Move<'_>, syntax: &mut T) {
    if let Ok(moved) = syn::parse2(into.tokens(&*syntax)) {
        *syntax = moved;
    }
}

/// The outlives bounds that the references in `types` imply for type parameters.
fn outlives<'t>(generics: &Generics, types: impl Iterator<Item = &'t Type>) -> Vec<WherePredicate> {
    let mut references = Vec::new();
    types.for_each(|ty| collect(ty, &mut references));
    let mut pairs: Vec<(&Ident, &Lifetime)> = Vec::new();
    for TypeReference { lifetime, elem, .. } in references {
        let Some(lifetime) = lifetime else { continue };
        for param in generics.type_params() {
            let pair = (&param.ident, lifetime);
            if mentions(elem, &|word| param.ident == word) && !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
    }
    pairs.into_iter().map(|(param, lifetime)| parse_quote!(#param: #lifetime)).collect()
}

fn collect<'t>(ty: &'t Type, out: &mut Vec<&'t TypeReference>) {
    match ty {
        Type::Reference(reference) => {
            out.push(reference);
            collect(&reference.elem, out);
        }
        Type::Array(ty) => collect(&ty.elem, out),
        Type::Group(ty) => collect(&ty.elem, out),
        Type::Paren(ty) => collect(&ty.elem, out),
        Type::Ptr(ty) => collect(&ty.elem, out),
        Type::Slice(ty) => collect(&ty.elem, out),
        Type::Tuple(ty) => ty.elems.iter().for_each(|ty| collect(ty, out)),
        Type::Path(ty) => {
            for segment in &ty.path.segments {
                match &segment.arguments {
                    PathArguments::None => {}
                    PathArguments::AngleBracketed(arguments) => {
                        for argument in &arguments.args {
                            if let GenericArgument::Type(ty) = argument {
                                collect(ty, out);
                            }
                        }
                    }
                    PathArguments::Parenthesized(arguments) => {
                        if let ReturnType::Type(_, ty) = &arguments.output {
                            collect(ty, out);
                        }
                    }
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_to_a_parameter_imply_that_it_lives() {
        let generics: Generics = parse_quote!(<'a, 'b, T, U>);
        let types: Vec<Type> = vec![parse_quote!(Vec<(&'a [T], U)>), parse_quote!(&'b str), parse_quote!(&'a mut T)];
        let predicates = outlives(&generics, types.iter());
        let texts: Vec<_> = predicates.iter().map(|predicate| predicate.to_token_stream().to_string()).collect();
        assert_eq!(texts, ["T : 'a"]);
    }
}
