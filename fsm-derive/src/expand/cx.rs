//! What every part of the expansion needs to name: paths, types with their generics, visibilities.

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{Attribute, GenericParam, Generics, Ident, Path, Visibility};

use super::{
    generics::{self, param_name},
    rewrite::{Move, respan},
    scope::Scope,
};
use crate::{
    check::{DURABLE_TYPES, HIDDEN, TYPES},
    mentions::{mentions, mentions_lifetime},
    model::{Event, Field, Kind, Machine, Member, Transition, plain},
};

/// The machine, and how its parts are named in the generated module (depth 1) and in the modules inside it (depth 2).
pub(super) struct Cx<'m> {
    pub(super) machine: &'m Machine,
    /// Path of `fsm-core`.
    pub(super) core: TokenStream,
    /// Path of `fsm-runtime`.
    pub(super) runtime: TokenStream,
    /// `Server`, or its path where a state has the same name.
    pub(super) enum_path: TokenStream,
    /// `Server<…>`
    pub(super) enum_ty: TokenStream,
    /// All generics of the enum, as they read in the module, with the bounds that its fields imply.
    generics: Generics,
    pub(super) all: Scope,
    /// The type of what every state shares, as it reads in the module.
    pub(super) context: Option<TokenStream>,
    /// A generic parameter for a state, an event, a worker, that the enum has not.
    pub(super) s: Ident,
    pub(super) e: Ident,
    pub(super) w: Ident,
    /// What the module defines at its top.
    taken: HashSet<String>,
    /// What its `event` module defines.
    taken_events: HashSet<String>,
}

/// A variable of ours, whatever the user's fields beside it are called.
pub(super) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

impl<'m> Cx<'m> {
    pub(super) fn new(machine: &'m Machine) -> Self {
        let (core, runtime) = libraries(machine, 1);
        let ident = &machine.ident;
        let (_, args, _) = machine.generics.split_for_impl();
        let enum_path = if imports_enum(machine) { quote!(#ident) } else { quote!(super::#ident) };
        let enum_ty = quote!(#enum_path #args);
        let fresh = |name: &str| {
            let used = |name: &str| machine.generics.params.iter().any(|param| param_name(param) == name);
            let mut candidates = (0..).map(|n| if n == 0 { name.to_owned() } else { format!("{name}{n}") });
            let name = candidates.find(|name| !used(name)).unwrap_or_default();
            Ident::new(&name, Span::call_site())
        };
        let mut taken: HashSet<String> = TYPES.iter().map(ToString::to_string).chain([machine.name()]).collect();
        if machine.durable.is_some() {
            taken.extend(DURABLE_TYPES.iter().map(ToString::to_string));
        }
        taken.extend(machine.states.iter().map(|state| plain(&state.ty)));
        let taken_events = machine.events.iter().map(|event| plain(&event.ty)).collect();
        let mut cx = Self {
            machine,
            core,
            runtime,
            enum_path,
            enum_ty,
            generics: Generics::default(),
            all: Scope::default(),
            context: None,
            s: fresh("S"),
            e: fresh("E"),
            w: fresh("W"),
            taken,
            taken_events,
        };
        cx.generics = generics::of(&cx);
        cx.all = Scope::new(&cx.generics, &|_| true);
        cx.context = machine.context.as_ref().map(|ty| {
            let alias = cx.context_alias();
            alias.map_or_else(
                || cx.moved(1, ty),
                |alias| {
                    let args = cx.scope(&[cx.moved(1, ty)]).args(&[]);
                    respan(quote!(__user_code::#alias #args), alias.span())
                },
            )
        });
        cx
    }

    /// Paths of `fsm-core` and `fsm-runtime`, `depth` modules further in.
    pub(super) fn libraries_at(&self, depth: usize) -> (TokenStream, TokenStream) {
        libraries(self.machine, depth)
    }

    pub(super) fn durable(&self) -> bool {
        self.machine.durable.is_some()
    }

    /// Whether transitions are made from a bare state too: by the run time, and by `apply` where the user's code has a part in
    /// one. What only declares a machine is built faster without.
    pub(super) fn by_state(&self) -> bool {
        self.durable() || self.machine.transitions.iter().any(Transition::is_by_hand)
    }

    /// The visibility of the enum, seen from `depth` modules further in.
    pub(super) fn vis(&self, depth: usize) -> TokenStream {
        let up = vec![quote!(super); depth];
        match &self.machine.vis {
            Visibility::Public(public) => public.to_token_stream(),
            Visibility::Inherited if depth == 1 => quote!(pub(super)),
            Visibility::Inherited => quote!(pub(in #(#up)::*)),
            Visibility::Restricted(restricted) => {
                let path = &restricted.path;
                if path.is_ident("crate") {
                    quote!(pub(crate))
                } else if path.is_ident("self") {
                    if depth == 1 { quote!(pub(super)) } else { quote!(pub(in #(#up)::*)) }
                } else {
                    let path = self.moved(depth, path);
                    quote!(pub(in #path))
                }
            }
        }
    }

    /// The same at a field of the user's: what a derive says of the field, rustc then shows there.
    pub(super) fn vis_at(&self, depth: usize, field: &Field) -> TokenStream {
        let span = match &field.member {
            Member::Named(name) => name.span(),
            Member::Unnamed(index) => index.span,
        };
        respan(self.vis(depth), span)
    }

    /// The user's tokens, as they read `depth` modules further in.
    pub(super) fn moved(&self, depth: usize, tokens: impl ToTokens) -> TokenStream {
        let enum_ty = self.enum_at(depth);
        Move { depth, enum_ty: &enum_ty }.tokens(tokens)
    }

    /// The enum, named `depth` modules further in.
    pub(super) fn enum_at(&self, depth: usize) -> TokenStream {
        let up = vec![quote!(super::); depth.saturating_sub(1)];
        let ty = &self.enum_ty;
        quote!(#(#up)* #ty)
    }

    /// The generics that `tokens` use, with what those need.
    pub(super) fn scope(&self, tokens: &[TokenStream]) -> Scope {
        let used = |param: &GenericParam| {
            let name = param_name(param);
            tokens.iter().any(|tokens| match param {
                GenericParam::Lifetime(_) => mentions_lifetime(tokens, &name),
                _ => mentions(tokens, &|word| word == name),
            })
        };
        Scope::new(&self.generics, &used)
    }

    fn fields_scope<'f>(&self, fields: impl IntoIterator<Item = &'f Field>) -> Scope {
        let generic = !self.machine.generics.params.is_empty();
        let types: Vec<_> = fields.into_iter().filter(|_| generic).map(|field| self.moved(1, &field.ty)).collect();
        self.scope(&types)
    }

    pub(super) fn state_scope(&self, state: usize) -> Scope {
        self.fields_scope(&self.machine.states[state].fields)
    }

    pub(super) fn event_scope(&self, event: usize) -> Scope {
        self.fields_scope(&self.machine.events[event].fields)
    }

    /// The generics of `Event`.
    pub(super) fn events_scope(&self) -> Scope {
        self.fields_scope(self.machine.events.iter().flat_map(|event| &event.fields))
    }

    /// `Creating<…>`
    pub(super) fn state_ty(&self, state: usize) -> TokenStream {
        let (ty, args) = (&self.machine.states[state].ty, self.state_scope(state).args(&[]));
        quote!(#ty #args)
    }

    /// `event::Ready<…>`
    pub(super) fn event_ty(&self, event: usize) -> TokenStream {
        let (ident, args) = (&self.machine.events[event].ty, self.event_scope(event).args(&[]));
        quote!(event::#ident #args)
    }

    /// `Event<…>`
    pub(super) fn events_ty(&self) -> TokenStream {
        let args = self.events_scope().args(&[]);
        quote!(Event #args)
    }

    /// `Machine<…>` in a state.
    pub(super) fn machine_ty(&self, state: impl ToTokens) -> TokenStream {
        let args = self.all.args(&[state.to_token_stream()]);
        quote!(Machine #args)
    }

    /// `Machine { … }` around the state that `state` evaluates to, with the context, where there is one, that the variable
    /// of this name holds.
    pub(super) fn machine_value(&self, state: impl ToTokens) -> TokenStream {
        self.machine_with(state, &quote!(context))
    }

    /// The same with the context's field as it is given.
    pub(super) fn machine_with(&self, state: impl ToTokens, context: &TokenStream) -> TokenStream {
        let state = state.to_token_stream();
        let field = if state.to_string() == "state" { state } else { quote!(state: #state) };
        let context = self.context.as_ref().map(|_| quote!(, #context));
        let of = (!self.all.is_empty()).then(|| quote!(, of: ::core::marker::PhantomData));
        quote!(Machine { #field #context #of })
    }

    /// What a machine keeps its context in: a box, so that a transition moves a pointer however large the context is.
    pub(super) fn boxed(&self) -> TokenStream {
        let core = &self.core;
        quote!(#core::__private::Box)
    }

    /// The type of the context, `()` where there is none.
    pub(super) fn context_or_unit(&self) -> TokenStream {
        self.context.clone().unwrap_or_else(|| quote!(()))
    }

    /// The enum, and with a context the two as a pair: what a machine is restored from.
    pub(super) fn whole_ty(&self) -> TokenStream {
        let enum_ty = &self.enum_ty;
        match &self.context {
            None => enum_ty.clone(),
            Some(context) => quote!((#enum_ty, #context)),
        }
    }

    /// `__EventOf<…>` for a state.
    pub(super) fn event_of(&self, state: impl ToTokens) -> TokenStream {
        let args = self.all.args(&[state.to_token_stream()]);
        quote!(__EventOf #args)
    }

    /// The alias in `__user_code` of a state's field whose type has a name that a generated item takes. The state's number keeps
    /// field `b_c` of `A` apart from field `c` of `A_b`.
    pub(super) fn state_alias(&self, state: usize, field: &Field) -> Option<Ident> {
        let owner = format!("state_{state}_{}", plain(&self.machine.states[state].ident));
        self.alias(&owner, field, false)
    }

    /// The alias in `__user_code` of a payload's field.
    pub(super) fn event_alias(&self, event: &Event, field: &Field) -> Option<Ident> {
        self.alias(&format!("event_{}", plain(&event.ty)), field, true)
    }

    fn is_taken(&self, name: &str) -> bool {
        self.taken.contains(name) || name.starts_with(HIDDEN)
    }

    fn alias(&self, owner: &str, field: &Field, event: bool) -> Option<Ident> {
        let taken = |name: &str| {
            let name = name.strip_prefix("r#").unwrap_or(name);
            self.is_taken(name) || event && self.taken_events.contains(name)
        };
        let clashes = mentions(&field.ty, &taken);
        clashes.then(|| format_ident!("{owner}_{}", field.name(), span = syn::spanned::Spanned::span(&field.ty)))
    }

    /// The alias in `__user_code` of the context, where its type has a name that a generated item takes.
    pub(super) fn context_alias(&self) -> Option<Ident> {
        let ty = self.machine.context.as_ref()?;
        let taken = |name: &str| self.is_taken(name.strip_prefix("r#").unwrap_or(name));
        mentions(ty, &taken).then(|| Ident::new("context_type", syn::spanned::Spanned::span(ty)))
    }

    fn field_ty(&self, alias: Option<Ident>, field: &Field, depth: usize) -> TokenStream {
        match alias {
            None => self.moved(depth, &field.ty),
            Some(alias) => {
                let args = self.fields_scope([field]).args(&[]);
                let up = vec![quote!(super::); depth - 1];
                respan(quote!(#(#up)* __user_code::#alias #args), alias.span())
            }
        }
    }

    /// The type of a state's field, in the module.
    pub(super) fn state_field_ty(&self, state: usize, field: &Field) -> TokenStream {
        self.field_ty(self.state_alias(state, field), field, 1)
    }

    /// The type of a payload's field, `depth` modules further in.
    pub(super) fn event_field_ty(&self, event: &Event, field: &Field, depth: usize) -> TokenStream {
        self.field_ty(self.event_alias(event, field), field, depth)
    }

    /// `#[derive(…)]` as the user asked for it, `depth` modules further in.
    pub(super) fn derives(&self, depth: usize, keep: impl Fn(&str) -> bool) -> Option<TokenStream> {
        let wanted = self
            .machine
            .derives
            .iter()
            .filter(|path| path.segments.last().is_some_and(|last| keep(&last.ident.to_string())));
        let derives: Vec<_> = wanted.map(|path| self.moved(depth, path)).collect();
        (!derives.is_empty()).then(|| quote!(#[derive(#(#derives),*)]))
    }

    /// The attributes of a field that its generated twin can carry: docs, lints, and the helpers of derives that it has too.
    pub(super) fn field_attrs<'f>(
        &self,
        attrs: &'f [Attribute],
    ) -> impl Iterator<Item = &'f Attribute> + use<'f, '_, 'm> {
        const STD: [&str; 11] = [
            "Clone",
            "Copy",
            "Debug",
            "Default",
            "Deserialize",
            "Eq",
            "Hash",
            "Ord",
            "PartialEq",
            "PartialOrd",
            "Serialize",
        ];
        let derived = |name: &str| {
            self.machine.derives.iter().any(|path| path.segments.last().is_some_and(|last| last.ident == name))
        };
        let serde = derived("Serialize") || derived("Deserialize");
        let other = self
            .machine
            .derives
            .iter()
            .any(|path| path.segments.last().is_some_and(|last| !STD.iter().any(|std| last.ident == std)));
        attrs.iter().filter(move |attr| match attr.path().get_ident().map(ToString::to_string).as_deref() {
            Some("doc" | "cfg" | "cfg_attr" | "deprecated" | "allow" | "warn" | "deny" | "forbid" | "expect") => true,
            Some("serde") => serde,
            _ => other,
        })
    }

    pub(super) fn work_states(&self) -> impl Iterator<Item = usize> {
        (0..self.machine.states.len()).filter(|state| self.machine.states[*state].kind == Kind::Work)
    }

    /// What a transition leads to, as a type: the state, or the choice of states.
    pub(super) fn target_ty(&self, transition: &Transition, wrap: impl Fn(TokenStream) -> TokenStream) -> TokenStream {
        let targets: Vec<_> = transition.to.iter().map(|to| wrap(self.state_ty(*to))).collect();
        match &targets[..] {
            [target] => target.clone(),
            targets => {
                let choice = self.machine.choice(transition);
                quote!(choice::#choice<#(#targets),*>)
            }
        }
    }
}

/// Paths of `fsm-core` and, with `durable`, of `fsm-runtime`, `depth` modules further in.
fn libraries(machine: &Machine, depth: usize) -> (TokenStream, TokenStream) {
    let at = |path: &Path| Move { depth, enum_ty: &TokenStream::new() }.tokens(path);
    match (&machine.krate, machine.durable) {
        (Some(krate), Some(_)) => {
            let runtime = at(krate);
            (quote!(#runtime::core), runtime)
        }
        (Some(krate), None) => (at(krate), TokenStream::new()),
        (None, Some(_)) => (quote!(::fsm_runtime::core), quote!(::fsm_runtime)),
        (None, None) => (quote!(::fsm_core), TokenStream::new()),
    }
}

/// Whether the module imports the enum by its name. One import, so that there is one error where rustc cannot find the enum,
/// as in the body of a function.
pub(super) fn imports_enum(machine: &Machine) -> bool {
    let name = machine.name();
    let generated =
        TYPES.contains(&name.as_str()) || DURABLE_TYPES.contains(&name.as_str()) || name.starts_with(HIDDEN);
    !generated && machine.states.iter().all(|state| plain(&state.ty) != name)
}
