//! `guard = …`, `with = …` and the delays of timers: a path to a function, or a closure; a guard can also be a list.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Ident, Path, Token, TypePath, bracketed, ext::IdentExt as _, parse::ParseStream, token};

use super::expr::{expr, until};

/// A function: a path, or a closure.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) code: TokenStream,
    pub(crate) is_closure: bool,
}

impl Function {
    /// The body of a closure for graphs, if it is short: fields and calls, such as `state.patience`. Otherwise `closure`.
    pub(crate) fn text(&self) -> String {
        const MAX: usize = 40;
        let mut bars = 0;
        let is_bar = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '|');
        let mut body = TokenStream::new();
        for token in self.code.clone() {
            if bars == 2 {
                token.to_tokens(&mut body);
            } else {
                bars += usize::from(is_bar(&token));
            }
        }
        let text = crate::text::of(&body);
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '(' | ')' | '&' | ':' | '?');
        if !text.is_empty() && text.len() <= MAX && text.chars().all(plain) { text } else { "closure".to_owned() }
    }

    /// The path, for graphs; a closure has no name.
    pub(crate) fn name(&self) -> String {
        if self.is_closure { "closure".to_owned() } else { crate::text::of(&self.code) }
    }
}

impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.code.to_tokens(tokens);
    }
}

/// A guard: one or several checks, in order.
#[derive(Clone)]
pub(crate) struct Guard(pub(crate) Vec<Check>);

/// A check of a guard.
#[derive(Clone)]
pub(crate) struct Check {
    pub(crate) function: Function,
    /// The reason after `else`: the function returns `bool`.
    pub(crate) reason: Option<TokenStream>,
}

impl ToTokens for Check {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.function.to_tokens(tokens);
        self.reason.to_tokens(tokens);
    }
}

/// Reads `= path::of::a_function`, or a closure.
pub(super) fn function(input: ParseStream<'_>, key: &Ident) -> syn::Result<Function> {
    equals(input, key)?;
    value(input, key)
}

/// Reads `= check`, or `= [check, check]`. A check is a function, with `else reason` if it returns `bool`.
pub(super) fn guard(input: ParseStream<'_>, key: &Ident) -> syn::Result<Guard> {
    equals(input, key)?;
    if !input.peek(token::Bracket) {
        return Ok(Guard(vec![check(input, key)?]));
    }
    let content;
    let bracket = bracketed!(content in input);
    let mut checks = Vec::new();
    while !content.is_empty() {
        checks.push(check(&content, key)?);
        if !content.is_empty() {
            content.parse::<Token![,]>()?;
        }
    }
    if checks.is_empty() {
        let message = format!("the list of guards is empty: write `{key} = [first, second]`, or remove it");
        return Err(syn::Error::new(bracket.span.join(), message));
    }
    Ok(Guard(checks))
}

fn equals(input: ParseStream<'_>, key: &Ident) -> syn::Result<()> {
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(key.span(), format!("missing function: expected `{key} = path`")));
    }
    input.parse::<Token![=]>().map(|_| ())
}

fn check(input: ParseStream<'_>, key: &Ident) -> syn::Result<Check> {
    let function = value(input, key)?;
    if !input.peek(Token![else]) {
        return Ok(Check { function, reason: None });
    }
    let otherwise: Token![else] = input.parse()?;
    let reason = expr(input)?;
    if reason.is_empty() {
        return Err(syn::Error::new(otherwise.span, "missing reason: expected `else \"reason\"`"));
    }
    Ok(Check { function, reason: Some(reason) })
}

pub(super) fn value(input: ParseStream<'_>, key: &Ident) -> syn::Result<Function> {
    if input.peek(Token![async]) {
        let start = input.span();
        // The parameters of a closure contain commas.
        input.parse::<Token![async]>()?;
        if begins_closure(input) {
            closure(input)?;
        }
        let message = format!(
            "`{key}` cannot be async: a transition is one atomic step; look the value up before the event and pass it in the \
             payload, or do it in a `work` state"
        );
        return Err(syn::Error::new(start, message));
    }
    if begins_closure(input) {
        return Ok(Function { code: closure(input)?, is_closure: true });
    }
    if input.peek(Token![<]) {
        let path: TypePath = input.parse()?;
        return Ok(Function { code: not_a_call(input, key, &path)?, is_closure: false });
    }
    if !(input.peek(Ident::peek_any) || input.peek(Token![::])) {
        let error =
            syn::Error::new(input.span(), "expected a path to a function, such as `checks::has_title`, or a closure");
        while !input.is_empty() && !input.peek(Token![,]) {
            input.parse::<TokenTree>()?;
        }
        return Err(error);
    }
    let path: Path = input.parse()?;
    Ok(Function { code: not_a_call(input, key, &path)?, is_closure: false })
}

pub(super) fn begins_closure(input: ParseStream<'_>) -> bool {
    input.peek(Token![|]) || input.peek(Token![||]) || input.peek(Token![move])
}

/// Reads a closure up to a comma or to `else reason`.
fn closure(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let mut code = TokenStream::new();
    if input.peek(Token![move]) {
        code.extend([input.parse::<TokenTree>()?]);
    }
    if !(input.peek(Token![|]) || input.peek(Token![||])) {
        return Err(syn::Error::new(input.span(), "expected the parameters of a closure: `|state, event| …`"));
    }
    code.extend([input.parse::<TokenTree>()?]);
    let mut parameters_end = false;
    while !parameters_end {
        if input.is_empty() {
            return Err(syn::Error::new(input.span(), "expected `|` after the parameters of the closure"));
        }
        parameters_end = input.peek(Token![|]) || input.peek(Token![||]);
        code.extend([input.parse::<TokenTree>()?]);
    }
    // `else` with a block or an `if` belongs to the body.
    let reason =
        |input: ParseStream<'_>| input.peek(Token![else]) && !(input.peek2(token::Brace) || input.peek2(Token![if]));
    let body = until(input, reason)?;
    if body.is_empty() {
        return Err(syn::Error::new(input.span(), "expected the body of the closure"));
    }
    code.extend(body);
    Ok(code)
}

/// The tokens of a path, which no call may follow.
fn not_a_call(input: ParseStream<'_>, key: &Ident, path: &dyn ToTokens) -> syn::Result<TokenStream> {
    if input.peek(token::Paren) {
        let name = crate::text::of(&path);
        let message = format!("expected a path, not a call: write `{key} = {name}`");
        return Err(syn::Error::new_spanned(path, message));
    }
    Ok(path.to_token_stream())
}
