//! Bounds that an enum implies and its parts must say: a field `&'a T` means `T: 'a`.

use syn::{
    GenericArgument, Generics, Ident, Lifetime, PathArguments, ReturnType, Type, TypeReference, WherePredicate,
    parse_quote,
};

use super::rewrite::mentions;

/// The outlives bounds that the references in `types` imply for type parameters.
pub(super) fn outlives<'t>(generics: &Generics, types: impl Iterator<Item = &'t Type>) -> Vec<WherePredicate> {
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
    use quote::ToTokens;

    #[test]
    fn references_to_a_parameter_imply_that_it_lives() {
        let generics: Generics = parse_quote!(<'a, 'b, T, U>);
        let types: Vec<Type> = vec![parse_quote!(Vec<(&'a [T], U)>), parse_quote!(&'b str), parse_quote!(&'a mut T)];
        let predicates = outlives(&generics, types.iter());
        let texts: Vec<_> = predicates.iter().map(|predicate| predicate.to_token_stream().to_string()).collect();
        assert_eq!(texts, ["T : 'a"]);
    }
}
