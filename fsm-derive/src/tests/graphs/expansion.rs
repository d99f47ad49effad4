//! Reads an expansion back from its tokens.

use std::{collections::BTreeSet, time::Duration};

use fsm_core::{EventInfo, FieldInfo, Graph, GroupInfo, StateInfo, StateKind, TimerInfo, TransitionInfo};
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Expr, ExprStruct, ImplItem, Item, ItemImpl, Lit, LitStr, Member};

/// The messages of all `compile_error!`s.
pub(in crate::tests) fn errors(tokens: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    let mut named = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) if named => {
                found.extend(syn::parse2::<LitStr>(group.stream()).map(|message| message.value()));
                named = false;
            }
            TokenTree::Group(group) => found.extend(errors(group.stream())),
            TokenTree::Ident(ident) => named = ident == "compile_error",
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found
}

/// The diagram in the module's documentation.
pub(super) fn diagram(expansion: TokenStream) -> Option<String> {
    let file: syn::File = syn::parse2(expansion).ok()?;
    let module =
        file.items.into_iter().find_map(|item| if let Item::Mod(module) = item { Some(module) } else { None })?;
    let attr = module.attrs.iter().find(|attr| attr.path().is_ident("cfg_attr"))?;
    attr.parse_args_with(|input: syn::parse::ParseStream<'_>| {
        input.parse::<syn::Ident>()?;
        input.parse::<syn::Token![,]>()?;
        let docs = syn::punctuated::Punctuated::<syn::MetaNameValue, syn::Token![,]>::parse_terminated(input)?;
        Ok(docs.first().map(|doc| string(&doc.value).to_owned()))
    })
    .ok()?
}

/// The items of the generated module.
pub(super) struct Module(Vec<Item>);

/// A state, an event and a target.
pub(super) type Pair = (String, String, String);

impl Module {
    pub(super) fn of(expansion: TokenStream) -> Self {
        let file: syn::File = syn::parse2(expansion).expect("valid Rust");
        let module =
            file.items.into_iter().find_map(|item| if let Item::Mod(module) = item { module.content } else { None });
        Self(module.expect("a module is generated").1)
    }

    fn impls(&self) -> impl Iterator<Item = &ItemImpl> {
        self.0.iter().filter_map(|item| if let Item::Impl(item) = item { Some(item) } else { None })
    }

    /// The impls of `__EventOf`.
    pub(super) fn declared(&self) -> BTreeSet<Pair> {
        let impls = self.impls().filter_map(|item| Some((item, text(&item.trait_.as_ref()?.0))));
        let impls = impls.filter_map(|(item, name)| Some((item, inside(&name, "__EventOf")?.to_owned())));
        impls
            .map(|(item, state)| {
                let target = item.items.iter().find_map(|item| match item {
                    ImplItem::Type(ty) if ty.ident == "Next" => Some(text(&ty.ty)),
                    _ => None,
                });
                (state, text(&item.self_ty), target.expect("it has a target"))
            })
            .collect()
    }

    /// The methods of `Machine<S>`, `Record<S>` or `Task<S>`: the state, the method and its return type.
    pub(super) fn methods(&self, of: &str) -> BTreeSet<Pair> {
        let mut found = BTreeSet::new();
        for item in self.impls().filter(|item| item.trait_.is_none() && item.generics.params.is_empty()) {
            let ty = text(&item.self_ty);
            let Some(state) = inside(&ty, of) else { continue };
            for item in &item.items {
                if let ImplItem::Fn(item) = item {
                    found.insert((state.to_owned(), item.sig.ident.to_string(), text(&item.sig.output)));
                }
            }
        }
        found
    }

    /// The body of a function, such as `State::accepts`.
    pub(super) fn function(&self, of: &str, name: &str) -> String {
        let own = self.impls().filter(|item| item.trait_.is_none() && text(&item.self_ty) == of);
        let mut items = own.flat_map(|item| &item.items);
        let found = items.find_map(|item| match item {
            ImplItem::Fn(item) if item.sig.ident == name => Some(text(&item.block)),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("`{of}` has no `{name}`"))
    }

    /// The table of `apply`, in a machine without data.
    pub(super) fn table(&self) -> Option<String> {
        self.0.iter().find_map(|item| match item {
            Item::Static(item) if item.ident == "__NEXT" => Some(text(&item.expr)),
            _ => None,
        })
    }

    /// The arms of the `match` in `apply`, if there is one: the state, the event and the target.
    pub(super) fn arms(&self) -> BTreeSet<Pair> {
        let apply = self.impls().flat_map(|item| &item.items).find_map(|item| match item {
            ImplItem::Fn(item) if item.sig.ident == "apply" => item.block.stmts.last(),
            _ => None,
        });
        let Some(syn::Stmt::Expr(Expr::Match(apply), _)) = apply else { return BTreeSet::new() };
        let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        let arm = |arm: &syn::Arm| {
            let (pattern, body) = (text(&arm.pat), text(&arm.body));
            let (state, event) = pattern.strip_prefix("(Self::")?.split_once(",Event::")?;
            let target = body.split_once("Ok(Self::").map_or_else(|| name(&body), |(_, target)| name(target));
            Some((name(state), name(event), target))
        };
        apply.arms.iter().filter_map(arm).collect()
    }

    /// The graph constant.
    pub(super) fn graph(&self) -> Graph {
        let graph = self.0.iter().find_map(|item| match item {
            Item::Const(item) if item.ident == "__GRAPH" => Some(&*item.expr),
            _ => None,
        });
        let graph = fields_of(graph.expect("there is a graph"));
        Graph {
            machine: string(graph.get("machine")),
            doc: string(graph.get("doc")),
            version: integer(graph.get("version")),
            context: optional(graph.get("context")).map(string),
            states: list(graph.get("states"), state),
            events: list(graph.get("events"), |event| {
                let event = fields_of(event);
                EventInfo { name: string(event.get("name")), fields: list(event.get("fields"), field) }
            }),
            transitions: list(graph.get("transitions"), |transition| {
                let transition = fields_of(transition);
                TransitionInfo {
                    from: string(transition.get("from")),
                    event: string(transition.get("event")),
                    to: list(transition.get("to"), string),
                    guarded: boolean(transition.get("guarded")),
                    auto: boolean(transition.get("auto")),
                    doc: string(transition.get("doc")),
                }
            }),
            groups: list(graph.get("groups"), |group| {
                let group = fields_of(group);
                GroupInfo { name: string(group.get("name")), doc: string(group.get("doc")) }
            }),
        }
    }
}

fn state(state: &Expr) -> StateInfo {
    let state = fields_of(state);
    let timer = optional(state.get("timer")).map(|timer| {
        let timer = fields_of(timer);
        TimerInfo { after: Duration::from_hours(1), event: string(timer.get("event")) }
    });
    StateInfo {
        name: string(state.get("name")),
        doc: string(state.get("doc")),
        kind: match text(state.get("kind")).rsplit("::").next() {
            Some("Work") => StateKind::Work,
            Some("End") => StateKind::End,
            _ => StateKind::Rest,
        },
        initial: boolean(state.get("initial")),
        remove: boolean(state.get("remove")),
        was: list(state.get("was"), string),
        group: optional(state.get("group")).map(string),
        fields: list(state.get("fields"), field),
        timer,
        exhausted: optional(state.get("exhausted")).map(string),
    }
}

fn field(field: &Expr) -> FieldInfo {
    let field = fields_of(field);
    FieldInfo { name: string(field.get("name")), ty: string(field.get("ty")) }
}

/// The fields of a struct expression.
struct Fields<'e>(&'e ExprStruct);

fn fields_of(expr: &Expr) -> Fields<'_> {
    match expr {
        Expr::Reference(reference) => fields_of(&reference.expr),
        Expr::Struct(value) => Fields(value),
        other => panic!("not a struct: {}", text(other)),
    }
}

impl<'e> Fields<'e> {
    fn get(&self, name: &str) -> &'e Expr {
        let named = |member: &Member| matches!(member, Member::Named(ident) if ident == name);
        let field = self.0.fields.iter().find(|field| named(&field.member));
        &field.unwrap_or_else(|| panic!("no `{name}`")).expr
    }
}

fn list<T>(expr: &Expr, item: impl Fn(&Expr) -> T) -> &'static [T] {
    match expr {
        Expr::Reference(reference) => list(&reference.expr, item),
        Expr::Array(array) => Vec::leak(array.elems.iter().map(item).collect()),
        other => panic!("not a list: {}", text(other)),
    }
}

fn optional(expr: &Expr) -> Option<&Expr> {
    if let Expr::Call(call) = expr { call.args.first() } else { None }
}

fn string(expr: &Expr) -> &'static str {
    match expr {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Str(text) => String::leak(text.value()),
            _ => panic!("not a string: {}", text(expr)),
        },
        other => panic!("not a string: {}", text(other)),
    }
}

fn boolean(expr: &Expr) -> bool {
    text(expr) == "true"
}

fn integer(expr: &Expr) -> u32 {
    text(expr).trim_end_matches("u32").parse().expect("it is a number")
}

/// Tokens without spaces.
pub(super) fn text(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(' ', "")
}

/// The content of the angle brackets after `name`.
fn inside<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.strip_prefix(name)?.strip_prefix('<')?.strip_suffix('>')
}
