//! What stands in the attributes, word by word; where it is something else, the error says what belongs there.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Attribute, LitStr, Meta, Path, Token, ext::IdentExt as _, parenthesized, parse::ParseStream, punctuated::Punctuated,
};

use crate::{errors::Errors, suggest};

/// Runs `content` over the arguments of `attr`; `None` when they cannot be read, which is reported. `example` is how the
/// attribute is written.
pub(super) fn read<T>(
    attr: &Attribute,
    example: &str,
    errors: &mut Errors,
    content: impl FnOnce(ParseStream<'_>, &mut Errors) -> syn::Result<T>,
) -> Option<T> {
    if !matches!(&attr.meta, Meta::List(list) if !list.tokens.is_empty()) {
        errors.at(&attr.meta, format!("write `{example}`"));
        return None;
    }
    let mut read = None;
    let mut unread = None;
    let sound = errors.none_in(|errors| {
        let all = attr.parse_args_with(|input: ParseStream<'_>| {
            match content(input, errors) {
                Ok(content) => read = Some(content),
                Err(error) => errors.push(error),
            }
            Ok(())
        });
        unread = all.err();
    });
    // After an error inside, what was not read because of it is none of its own.
    if let Some(error) = unread.filter(|_| sound) {
        errors.push(error);
    }
    read
}

/// Reads comma-separated items; after one that is wrong it goes on with the next, so that all of them are reported.
pub(super) fn items(
    input: ParseStream<'_>,
    errors: &mut Errors,
    mut item: impl FnMut(ParseStream<'_>, &mut Errors) -> syn::Result<()>,
) -> syn::Result<()> {
    while !input.is_empty() {
        if let Err(error) = item(input, errors).and_then(|()| end(input)) {
            errors.push(error);
            while !input.is_empty() && !input.peek(Token![,]) {
                input.parse::<TokenTree>()?;
            }
        }
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(())
}

/// An item ends with a comma, or with all.
pub(super) fn end(input: ParseStream<'_>) -> syn::Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        Ok(())
    } else if input.peek(Token![=]) {
        Err(input.error("this word takes no value: remove it"))
    } else {
        Err(input.error("expected `,`"))
    }
}

/// Takes a word, keyword or not.
pub(super) fn word(input: ParseStream<'_>) -> syn::Result<Ident> {
    Ident::parse_any(input)
}

/// The words of a list that were given so far, each of which is given once.
#[derive(Default)]
pub(crate) struct Given(Vec<&'static str>);

impl Given {
    /// Takes a word of those in `known`, or, which is reported, one that is likely meant to be: read as that one it causes no
    /// further errors. `owner` is where it stands.
    pub(super) fn word(
        &mut self,
        input: ParseStream<'_>,
        known: &[&'static str],
        owner: &str,
        errors: &mut Errors,
    ) -> syn::Result<(Ident, &'static str)> {
        let key = word(input)?;
        let name = key.to_string();
        if let Some(known) = known.iter().find(|known| **known == name) {
            if self.0.contains(known) {
                errors.at(&key, format!("`{name}` is given twice: leave one"));
            }
            self.0.push(known);
            return Ok((key, known));
        }
        let hint = suggest::nearest(&name, known.iter().copied());
        let error = syn::Error::new(key.span(), format!("{owner} knows no `{name}`{hint}"));
        let Some(near) = suggest::near(&name, known.iter().copied()) else { return Err(error) };
        errors.push(error);
        Ok((key, near))
    }

    /// A word that may be given again.
    pub(super) fn again(&mut self, word: &str) {
        self.0.retain(|given| *given != word);
    }
}

/// Takes the `=` of a word that has a value; `example` is how one is written, without quotes.
pub(super) fn equals(input: ParseStream<'_>, key: &Ident, example: &str) -> syn::Result<()> {
    let wrong = |span, message: &str| Err(syn::Error::new(span, format!("{message}: `{key} = {example}`")));
    if !input.peek(Token![=]) {
        return wrong(key.span(), &format!("`{key}` takes a value"));
    }
    input.parse::<Token![=]>()?;
    if input.is_empty() {
        return wrong(key.span(), &format!("`{key}` takes a value"));
    }
    if input.peek(LitStr) {
        return wrong(input.span(), "write it without quotes");
    }
    Ok(())
}

/// Takes `= "text"`.
pub(super) fn text(input: ParseStream<'_>, key: &Ident) -> syn::Result<LitStr> {
    let wrong = |span| syn::Error::new(span, format!("`{key}` is a text: `{key} = \"…\"`"));
    if !input.peek(Token![=]) {
        return Err(wrong(key.span()));
    }
    input.parse::<Token![=]>()?;
    let text: LitStr = input.parse().map_err(|error: syn::Error| wrong(error.span()))?;
    if text.value().trim().is_empty() {
        return Err(syn::Error::new(text.span(), "a name cannot be empty"));
    }
    Ok(text)
}

/// Reads what stands in the parentheses after a word; `example` is how they are written.
pub(super) fn inside<T>(
    input: ParseStream<'_>,
    key: &Ident,
    example: &str,
    read: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    if !input.peek(syn::token::Paren) {
        return Err(syn::Error::new(key.span(), format!("`{key}` takes a list: `{key}({example})`")));
    }
    let content;
    parenthesized!(content in input);
    read(&content)
}

/// Takes the name of a state, or of a superstate.
pub(super) fn state(input: ParseStream<'_>) -> syn::Result<Ident> {
    if input.peek(Token![::]) || input.peek2(Token![::]) {
        let path = Path::parse_mod_style(input)?;
        let name = path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        return Err(syn::Error::new_spanned(path, format!("a state is named without a path: `{name}`")));
    }
    if !input.peek(syn::Ident::peek_any) {
        return Err(syn::Error::new(input.span(), "expected the name of a state"));
    }
    input.parse()
}

/// Takes the names of several states.
pub(super) fn states(input: ParseStream<'_>) -> syn::Result<Vec<Ident>> {
    Ok(Punctuated::<Ident, Token![,]>::parse_terminated_with(input, state)?.into_iter().collect())
}

/// Takes `= Name`, a new name for something generated.
pub(super) fn new_name(input: ParseStream<'_>, key: &Ident, example: &str) -> syn::Result<Ident> {
    equals(input, key, example)?;
    let single =
        |at: &dyn ToTokens| syn::Error::new_spanned(at, format!("`{key}` takes a single name: `{key} = {example}`"));
    if input.peek(Token![::]) || input.peek2(Token![::]) {
        return Err(single(&Path::parse_mod_style(input)?));
    }
    if input.peek(syn::Ident) {
        return input.parse();
    }
    let token: TokenTree = input.parse()?;
    Err(match token {
        TokenTree::Ident(keyword) => {
            syn::Error::new(keyword.span(), format!("`{keyword}` is a keyword: choose another name"))
        }
        token => single(&token),
    })
}

/// Takes the name of an event. A keyword has to be raw, as the method that it becomes.
pub(super) fn event(input: ParseStream<'_>) -> syn::Result<Ident> {
    if !input.peek(syn::Ident::peek_any) {
        return Err(syn::Error::new(input.span(), "expected the name of an event"));
    }
    let ident = word(input)?;
    if syn::parse2::<Ident>(ident.to_token_stream()).is_ok() {
        return Ok(ident);
    }
    let name = ident.to_string();
    let message = match syn::parse_str::<Ident>(&format!("r#{name}")) {
        Ok(raw) => format!("`{name}` is a keyword: write `{raw}`"),
        Err(_) => format!("no method can be called `{name}`: call the event otherwise"),
    };
    Err(syn::Error::new(ident.span(), message))
}

/// Takes `= path::of::a_function`.
pub(super) fn function(input: ParseStream<'_>, key: &Ident) -> syn::Result<Path> {
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(key.span(), format!("`{key}` names a function: `{key} = path`")));
    }
    input.parse::<Token![=]>()?;
    if !(input.peek(syn::Ident::peek_any) || input.peek(Token![::])) || input.peek(Token![move]) {
        let error = syn::Error::new(input.span(), "expected the path of a function, as in `checks::has_title`");
        // A closure, as it may be, goes on to the end, and has commas of its own.
        input.parse::<TokenStream>()?;
        return Err(error);
    }
    let path: Path = input.parse()?;
    if input.peek(syn::token::Paren) {
        let name = crate::text::of(&path);
        let message = format!("the function is named here, not called: `{key} = {name}`");
        return Err(syn::Error::new_spanned(path, message));
    }
    Ok(path)
}
