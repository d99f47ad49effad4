//! The generics of a generated item: a part of the enum's, in each form in which Rust code writes them.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{
    GenericArgument, GenericParam, Generics, PathArguments, Token, TypeParamBound, WherePredicate,
    punctuated::Punctuated,
};

use super::{generics::param_name, rewrite::Move};
use crate::idents::{mentions, mentions_lifetime};

/// Some of the enum's generics, with the bounds between them.
#[derive(Clone, Default)]
pub(crate) struct Scope {
    params: Vec<GenericParam>,
    predicates: Vec<WherePredicate>,
}

impl Scope {
    /// The parameters for which `used` is true, with the bounds that mention no others: a type cannot declare a parameter that only a
    /// bound uses.
    pub(super) fn new(generics: &Generics, used: &dyn Fn(&GenericParam) -> bool) -> Self {
        if generics.params.is_empty() {
            return Self::default();
        }
        let generics = generics.clone();
        let (mut params, dropped): (Vec<_>, Vec<_>) = generics.params.into_iter().partition(used);
        let kept = |tokens: &dyn ToTokens| !dropped.iter().any(|param| names(tokens, param));
        for param in &mut params {
            match param {
                GenericParam::Type(param) => param.bounds = weakened(&param.bounds, &kept),
                GenericParam::Lifetime(param) => param.bounds = filtered(&param.bounds, &kept),
                GenericParam::Const(_) => {}
            }
        }
        let mut predicates = Vec::new();
        for mut predicate in generics.where_clause.map(|clause| clause.predicates).unwrap_or_default() {
            let is_kept = match &mut predicate {
                WherePredicate::Type(of) => {
                    of.bounds = weakened(&of.bounds, &kept);
                    kept(&of.bounded_ty) && !of.bounds.is_empty()
                }
                WherePredicate::Lifetime(of) => {
                    of.bounds = filtered(&of.bounds, &kept);
                    kept(&of.lifetime) && !of.bounds.is_empty()
                }
                _ => kept(&predicate),
            };
            if is_kept {
                predicates.push(predicate);
            }
        }
        Self { params, predicates }
    }

    /// The parameters that `tokens` use.
    pub(super) fn of(generics: &Generics, tokens: &[TokenStream]) -> Self {
        Self::new(generics, &|param| tokens.iter().any(|tokens| names(tokens, param)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.params.is_empty()
    }

    /// `<'a, S, T: Clone>` for an `impl` or a function, with `own` parameters between lifetimes and types.
    pub(crate) fn params(&self, own: &[TokenStream]) -> TokenStream {
        self.list(own, &|param| {
            let mut param = param.clone();
            match &mut param {
                GenericParam::Type(param) => param.default = None,
                GenericParam::Const(param) => param.default = None,
                GenericParam::Lifetime(_) => {}
            }
            quote!(#param)
        })
    }

    /// `<'a, S, T: Clone = u8>` for a type.
    pub(crate) fn declared(&self, own: &[TokenStream]) -> TokenStream {
        self.list(own, &|param| quote!(#param))
    }

    /// `<'a, S, T>`
    pub(crate) fn args(&self, own: &[TokenStream]) -> TokenStream {
        self.list(own, &|param| match param {
            GenericParam::Lifetime(param) => {
                let lifetime = &param.lifetime;
                quote!(#lifetime)
            }
            GenericParam::Type(param) => {
                let ident = &param.ident;
                quote!(#ident)
            }
            GenericParam::Const(param) => {
                let ident = &param.ident;
                quote!(#ident)
            }
        })
    }

    /// `where …`, with `own` predicates.
    pub(crate) fn clause(&self, own: &[TokenStream]) -> Option<TokenStream> {
        let predicates = &self.predicates;
        let any = !(predicates.is_empty() && own.is_empty());
        any.then(|| quote!(where #(#own,)* #(#predicates),*))
    }

    /// [`declared`](Self::declared), one module further in than the bounds already are.
    pub(crate) fn declared_deeper(&self) -> TokenStream {
        deeper(&self.declared(&[]))
    }

    /// [`params`](Self::params), one module further in.
    pub(crate) fn params_deeper(&self) -> TokenStream {
        deeper(&self.params(&[]))
    }

    /// [`clause`](Self::clause), one module further in.
    pub(crate) fn clause_deeper(&self) -> Option<TokenStream> {
        self.clause(&[]).map(|clause| deeper(&clause))
    }

    fn list(&self, own: &[TokenStream], print: &dyn Fn(&GenericParam) -> TokenStream) -> TokenStream {
        let (mut lifetimes, mut types) = (Vec::new(), Vec::new());
        for param in &self.params {
            let list = if matches!(param, GenericParam::Lifetime(_)) { &mut lifetimes } else { &mut types };
            list.push(print(param));
        }
        let all = [&lifetimes, own, &types].concat();
        if all.is_empty() { TokenStream::new() } else { quote!(<#(#all),*>) }
    }
}

fn deeper(tokens: &TokenStream) -> TokenStream {
    Move { depth: 1, enum_ty: &TokenStream::new() }.tokens(tokens)
}

fn filtered<T: ToTokens + Clone>(
    bounds: &Punctuated<T, Token![+]>,
    kept: &dyn Fn(&dyn ToTokens) -> bool,
) -> Punctuated<T, Token![+]> {
    bounds.iter().filter(|bound| kept(bound)).cloned().collect()
}

/// The same for bounds of types. Without `'a`, `Iterator<Item = &'a u8>` stays as `Iterator`, since `T::Item` needs the bound.
fn weakened(
    bounds: &Punctuated<TypeParamBound, Token![+]>,
    kept: &dyn Fn(&dyn ToTokens) -> bool,
) -> Punctuated<TypeParamBound, Token![+]> {
    let mut bounds = bounds.clone();
    for bound in &mut bounds {
        if let TypeParamBound::Trait(bound) = bound
            && let Some(last) = bound.path.segments.last_mut()
            && let PathArguments::AngleBracketed(arguments) = &mut last.arguments
        {
            let known = |argument: &&GenericArgument| {
                kept(argument) || matches!(argument, GenericArgument::Type(_) | GenericArgument::Lifetime(_))
            };
            arguments.args = arguments.args.iter().filter(known).cloned().collect();
        }
    }
    filtered(&bounds, kept)
}

/// Whether `tokens` use `param`.
fn names(tokens: &dyn ToTokens, param: &GenericParam) -> bool {
    let name = param_name(param);
    match param {
        GenericParam::Lifetime(_) => mentions_lifetime(tokens, &name),
        _ => mentions(tokens, &|word| word == name),
    }
}
