//! A fieldless enum of names: `State` and `EventKind`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use crate::{each::each, normalize::Cx};

/// The parts of such an enum.
pub(super) struct Names {
    pub(super) ident: Ident,
    /// What they name, for errors.
    pub(super) of: String,
    pub(super) doc: String,
    pub(super) non_exhaustive: bool,
    /// Identifier, name, docs.
    pub(super) variants: Vec<(Ident, String, TokenStream)>,
    /// Former names that are still read.
    pub(super) was: Vec<(String, Ident)>,
}

impl Names {
    pub(super) fn expand(&self, cx: &Cx<'_>) -> TokenStream {
        let Self { ident, of, doc, .. } = self;
        let (vis, core) = (cx.vis(1), &cx.core);
        let idents = each(&self.variants, &|(ident, ..)| ident);
        let names = self.variants.iter().map(|(_, name, _)| name);
        let docs = self.variants.iter().map(|(.., doc)| doc);
        let non_exhaustive = self.non_exhaustive.then(|| quote!(#[non_exhaustive]));
        let (as_str, index) = if idents.is_empty() {
            (quote!(match self {}), quote!(match self {}))
        } else {
            (quote!(match self { #(Self::#idents => #names,)* }), quote!(self as usize))
        };
        let (was, now): (Vec<_>, Vec<_>) = self.was.iter().map(|(was, now)| (was, now)).unzip();
        let found = quote!(#core::__private::from_name(#of, name));
        let from_name = if was.is_empty() {
            found
        } else {
            quote! {
                match name {
                    #(#was => ::core::result::Result::Ok(Self::#now),)*
                    _ => #found,
                }
            }
        };
        quote! {
            #[doc = #doc]
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            #non_exhaustive
            #vis enum #ident {
                #(#docs #idents,)*
            }
            impl #ident {
                /// All names, in declaration order.
                #vis const ALL: &'static [Self] = <Self as #core::Name>::ALL;
                /// The name, as it is stored and drawn.
                #[must_use]
                #[inline]
                #vis const fn as_str(self) -> &'static str {
                    #as_str
                }
                /// Its place in [`ALL`](Self::ALL).
                #[must_use]
                #[inline]
                #vis const fn index(self) -> usize {
                    #index
                }
            }
            #[automatically_derived]
            impl #core::Name for #ident {
                const ALL: &'static [Self] = &[#(Self::#idents),*];
                #[inline]
                fn as_str(self) -> &'static str {
                    Self::as_str(self)
                }
                #[inline]
                fn index(self) -> usize {
                    Self::index(self)
                }
            }
            #[automatically_derived]
            impl ::core::convert::AsRef<str> for #ident {
                #[inline]
                fn as_ref(&self) -> &str {
                    Self::as_str(*self)
                }
            }
            #[automatically_derived]
            impl ::core::fmt::Display for #ident {
                #[inline]
                fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                    f.pad(Self::as_str(*self))
                }
            }
            #[automatically_derived]
            impl ::core::str::FromStr for #ident {
                type Err = #core::UnknownNameError;
                #[inline]
                fn from_str(name: &str) -> ::core::result::Result<Self, #core::UnknownNameError> {
                    #from_name
                }
            }
        }
    }
}
