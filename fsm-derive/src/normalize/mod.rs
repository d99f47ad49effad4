//! Prepares a checked machine for its expansion: paths, types with their generics and visibilities, in the form in which generated code
//! writes them. The expansion only prints.

mod generics;
mod paths;
mod rewrite;
mod scope;
mod taken;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{Attribute, Generics, Ident, Path};

use crate::{
    each::{each, indices},
    model::{Event, Field, Kind, Machine, Member, Transition, plain},
};
use rewrite::Move;
use scope::Scope;
use taken::Taken;

pub(crate) use generics::param_name;
pub(crate) use rewrite::respan;

/// A machine, and how its parts are named in the generated module (depth 1) and in the modules inside it (depth 2).
pub(crate) struct Cx<'m> {
    pub(crate) machine: &'m Machine,
    /// Path of `fsm-core`.
    pub(crate) core: TokenStream,
    /// Path of `fsm-runtime`.
    pub(crate) runtime: TokenStream,
    /// Whether the module imports the enum.
    pub(crate) imports_enum: bool,
    /// `Server`, or its path where a state's type has the same name.
    pub(crate) enum_path: TokenStream,
    /// `Server<…>`
    pub(crate) enum_ty: TokenStream,
    /// All generics of the enum, as they read in the module, with the bounds that its fields imply.
    generics: Generics,
    pub(crate) all: Scope,
    /// The generics of each state's type.
    states: Vec<Scope>,
    /// The generics of each event's type.
    events: Vec<Scope>,
    /// The generics of `Event`.
    pub(crate) events_scope: Scope,
    /// The type of the context, as it reads in the module.
    pub(crate) context: Option<TokenStream>,
    /// Generic parameters for a state, an event and a worker, with names that the enum's generics do not have.
    pub(crate) s: Ident,
    pub(crate) e: Ident,
    pub(crate) w: Ident,
    taken: Taken,
}

/// A hygienic variable: no field of the user's shadows it.
pub(crate) fn local(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

/// The span for the body of what a transition becomes: the user's line, in one hygiene scope. In a macro of the user's, tokens have
/// different scopes, which generated code must not mix. The header has the raw span, so that rustc shows the line without a note about an
/// expansion.
pub(crate) fn place(transition: &Transition) -> Span {
    Span::call_site().located_at(transition.span)
}

impl<'m> Cx<'m> {
    pub(crate) fn new(machine: &'m Machine) -> Self {
        let (core, runtime) = paths::libraries(machine, 1);
        let ident = &machine.ident;
        let (_, args, _) = machine.generics.split_for_impl();
        let imports_enum = taken::imports_enum(machine);
        let enum_path = if imports_enum { quote!(#ident) } else { quote!(super::#ident) };
        let enum_ty = quote!(#enum_path #args);
        let generics = generics::of(machine, &Move { depth: 1, enum_ty: &enum_ty });
        let fresh = |name: &str| Ident::new(&generics::fresh(&machine.generics, name), Span::call_site());
        let mut cx = Self {
            machine,
            core,
            runtime,
            imports_enum,
            enum_path,
            enum_ty,
            all: Scope::new(&generics, &|_| true),
            generics,
            states: Vec::new(),
            events: Vec::new(),
            events_scope: Scope::default(),
            context: None,
            s: fresh("S"),
            e: fresh("E"),
            w: fresh("W"),
            taken: Taken::new(machine),
        };
        cx.states = each(&machine.states, &|state| cx.fields_scope(&each(&state.fields, &|field| field)));
        cx.events = each(&machine.events, &|event| cx.fields_scope(&each(&event.fields, &|field| field)));
        cx.events_scope = cx.fields_scope(&machine.payload_fields());
        cx.context = machine.context.as_ref().map(|ty| match cx.context_alias() {
            None => cx.moved(1, ty),
            Some(alias) => {
                let args = cx.scope(&[cx.moved(1, ty)]).args(&[]);
                respan(quote!(__user_code::#alias #args), alias.span())
            }
        });
        cx
    }

    /// Paths of `fsm-core` and `fsm-runtime`, `depth` modules further in.
    pub(crate) fn libraries_at(&self, depth: usize) -> (TokenStream, TokenStream) {
        paths::libraries(self.machine, depth)
    }

    pub(crate) fn durable(&self) -> bool {
        self.machine.durable.is_some()
    }

    /// Whether transitions are also generated for a bare state: the runtime needs them, and `apply` for guards and `with`. A machine
    /// without either builds faster.
    pub(crate) fn by_state(&self) -> bool {
        self.durable() || self.machine.transitions.iter().any(|transition| self.machine.runs_code(transition))
    }

    /// The visibility of the enum, seen from `depth` modules further in.
    pub(crate) fn vis(&self, depth: usize) -> TokenStream {
        paths::visibility(&self.machine.vis, depth)
    }

    /// The same with the span of a field, where rustc then shows the errors of derives.
    pub(crate) fn vis_at(&self, depth: usize, field: &Field) -> TokenStream {
        let span = match &field.member {
            Member::Named(name) => name.span(),
            Member::Unnamed(index) => index.span,
        };
        respan(self.vis(depth), span)
    }

    /// The user's tokens, as they read `depth` modules further in.
    pub(crate) fn moved(&self, depth: usize, tokens: &dyn ToTokens) -> TokenStream {
        let enum_ty = self.enum_at(depth);
        Move { depth, enum_ty: &enum_ty }.tokens(tokens)
    }

    /// The enum, named `depth` modules further in.
    pub(crate) fn enum_at(&self, depth: usize) -> TokenStream {
        let up = vec![quote!(super::); depth.saturating_sub(1)];
        let ty = &self.enum_ty;
        quote!(#(#up)* #ty)
    }

    /// The generics that `tokens` use, with their bounds.
    pub(crate) fn scope(&self, tokens: &[TokenStream]) -> Scope {
        Scope::of(&self.generics, tokens)
    }

    fn fields_scope(&self, fields: &[&Field]) -> Scope {
        if self.machine.generics.params.is_empty() {
            return Scope::default();
        }
        self.scope(&each(fields, &|field| self.moved(1, &field.ty)))
    }

    /// The generics of a state's type.
    pub(crate) fn state_scope(&self, state: usize) -> &Scope {
        &self.states[state]
    }

    /// The generics of an event's type.
    pub(crate) fn event_scope(&self, event: usize) -> &Scope {
        &self.events[event]
    }

    /// `Creating<…>`
    pub(crate) fn state_ty(&self, state: usize) -> TokenStream {
        let (ty, args) = (&self.machine.states[state].ty, self.state_scope(state).args(&[]));
        quote!(#ty #args)
    }

    /// `event::Ready<…>`
    pub(crate) fn event_ty(&self, event: usize) -> TokenStream {
        let (ident, args) = (&self.machine.events[event].ty, self.event_scope(event).args(&[]));
        quote!(event::#ident #args)
    }

    /// `Event<…>`
    pub(crate) fn events_ty(&self) -> TokenStream {
        let args = self.events_scope.args(&[]);
        quote!(Event #args)
    }

    /// `Machine<…>` in a state.
    pub(crate) fn machine_ty(&self, state: impl ToTokens) -> TokenStream {
        let args = self.all.args(&[state.to_token_stream()]);
        quote!(Machine #args)
    }

    /// `Machine { … }` around the expression `state`, with the variable `context` if there is a context.
    pub(crate) fn machine_value(&self, state: impl ToTokens) -> TokenStream {
        self.machine_with(state, &quote!(context))
    }

    /// The same with `context` as the context's field.
    pub(crate) fn machine_with(&self, state: impl ToTokens, context: &TokenStream) -> TokenStream {
        let state = state.to_token_stream();
        let field = if state.to_string() == "state" { state } else { quote!(state: #state) };
        let context = self.context.as_ref().map(|_| quote!(, #context));
        let of = (!self.all.is_empty()).then(|| quote!(, of: ::core::marker::PhantomData));
        quote!(Machine { #field #context #of })
    }

    /// A machine keeps its context in a box, so that a transition moves a pointer and not the context.
    pub(crate) fn boxed(&self) -> TokenStream {
        let core = &self.core;
        quote!(#core::__private::Box)
    }

    /// The type of the context, `()` without one.
    pub(crate) fn context_or_unit(&self) -> TokenStream {
        self.context.clone().unwrap_or_else(|| quote!(()))
    }

    /// What a machine is restored from: the enum, or with a context the pair of both.
    pub(crate) fn whole_ty(&self) -> TokenStream {
        let enum_ty = &self.enum_ty;
        match &self.context {
            None => enum_ty.clone(),
            Some(context) => quote!((#enum_ty, #context)),
        }
    }

    /// `__EventOf<…>` for a state.
    pub(crate) fn event_of(&self, state: impl ToTokens) -> TokenStream {
        let args = self.all.args(&[state.to_token_stream()]);
        quote!(__EventOf #args)
    }

    /// The alias in `__user_code` of the type of a state's field, if a generated item has a name in it. The state's number keeps field `b_c`
    /// of `A` apart from field `c` of `A_b`.
    pub(crate) fn state_alias(&self, state: usize, field: &Field) -> Option<Ident> {
        let owner = format!("state_{state}_{}", plain(&self.machine.states[state].ident));
        self.alias(&owner, field, false)
    }

    /// The alias in `__user_code` of a payload's field.
    pub(crate) fn event_alias(&self, event: &Event, field: &Field) -> Option<Ident> {
        self.alias(&format!("event_{}", plain(&event.ty)), field, true)
    }

    fn alias(&self, owner: &str, field: &Field, event: bool) -> Option<Ident> {
        let taken = if event { self.taken.in_events(&field.ty) } else { self.taken.in_module(&field.ty) };
        taken.then(|| format_ident!("{owner}_{}", field.name(), span = syn::spanned::Spanned::span(&field.ty)))
    }

    /// The alias in `__user_code` of the context, if a generated item has a name in its type.
    pub(crate) fn context_alias(&self) -> Option<Ident> {
        let ty = self.machine.context.as_ref()?;
        self.taken.in_module(ty).then(|| Ident::new("context_type", syn::spanned::Spanned::span(ty)))
    }

    fn field_ty(&self, alias: Option<Ident>, field: &Field, depth: usize) -> TokenStream {
        match alias {
            None => self.moved(depth, &field.ty),
            Some(alias) => {
                let args = self.fields_scope(&[field]).args(&[]);
                let up = vec![quote!(super::); depth - 1];
                respan(quote!(#(#up)* __user_code::#alias #args), alias.span())
            }
        }
    }

    /// The type of a state's field, in the module.
    pub(crate) fn state_field_ty(&self, state: usize, field: &Field) -> TokenStream {
        self.field_ty(self.state_alias(state, field), field, 1)
    }

    /// The type of a payload's field, `depth` modules further in.
    pub(crate) fn event_field_ty(&self, event: &Event, field: &Field, depth: usize) -> TokenStream {
        self.field_ty(self.event_alias(event, field), field, depth)
    }

    /// `#[derive(…)]` as the user asked for it, `depth` modules further in.
    pub(crate) fn derives(&self, depth: usize, keep: &dyn Fn(&str) -> bool) -> Option<TokenStream> {
        self.derives_of(depth, &|path| path.segments.last().is_some_and(|last| keep(&last.ident.to_string())))
    }

    /// The same, where the whole path decides.
    pub(crate) fn derives_of(&self, depth: usize, keep: &dyn Fn(&Path) -> bool) -> Option<TokenStream> {
        let mut derives = Vec::new();
        for path in self.machine.derives.iter().filter(|path| keep(path)) {
            derives.push(self.moved(depth, path));
        }
        (!derives.is_empty()).then(|| quote!(#[derive(#(#derives),*)]))
    }

    /// The attributes of a field that the generated field has, too: docs, lints, and the helpers of derives in `derive(…)`.
    pub(crate) fn field_attrs<'f>(&self, attrs: &'f [Attribute]) -> Vec<&'f Attribute> {
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
        let mut kept = Vec::new();
        for attr in attrs {
            let is_kept = match attr.path().get_ident().map(ToString::to_string).as_deref() {
                Some("doc" | "cfg" | "cfg_attr" | "deprecated" | "allow" | "warn" | "deny" | "forbid" | "expect") => {
                    true
                }
                Some("serde") => serde,
                _ => other,
            };
            if is_kept {
                kept.push(attr);
            }
        }
        kept
    }

    pub(crate) fn initial_states(&self) -> Vec<usize> {
        indices(self.machine.states.len(), &|state| self.machine.states[state].initial)
    }

    pub(crate) fn work_states(&self) -> Vec<usize> {
        indices(self.machine.states.len(), &|state| self.machine.states[state].kind == Kind::Work)
    }

    /// The type of a transition's target: the state, or the choice of states.
    pub(crate) fn target_ty(&self, transition: &Transition, wrap: &dyn Fn(TokenStream) -> TokenStream) -> TokenStream {
        let targets = each(&transition.to, &|to| wrap(self.state_ty(*to)));
        match &targets[..] {
            [target] => target.clone(),
            targets => {
                let choice = self.machine.choice(transition);
                quote!(choice::#choice<#(#targets),*>)
            }
        }
    }
}
