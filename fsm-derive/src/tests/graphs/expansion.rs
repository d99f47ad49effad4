//! Reads an expansion back from its tokens.

use std::{collections::BTreeSet, time::Duration};

use fsm_core::{
    EventInfo, FieldInfo, FiredBy, Graph, GroupInfo, HistoryInfo, StateInfo, StateKind, TimerInfo, TransitionInfo,
    WaitInfo, WaitQuantity,
};
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Expr, ImplItem, Item, ItemImpl, Lit, LitStr};

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
    let attr = module.attrs.iter().find(|attr| text(&attr.meta).starts_with("cfg_attr(doc,"))?;
    let value = attr
        .parse_args_with(|input: syn::parse::ParseStream<'_>| {
            input.parse::<syn::Ident>()?;
            input.parse::<syn::Token![,]>()?;
            let docs = syn::punctuated::Punctuated::<syn::MetaNameValue, syn::Token![,]>::parse_terminated(input)?;
            Ok(docs.first().map(|doc| doc.value.clone()))
        })
        .ok()??;
    let Expr::Macro(call) = value else { return None };
    Some(crate::drawn(call.mac.parse_body().ok()?))
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

    /// The impls of `__CallerEventOf`: the state and the event; `None` without the trait.
    pub(super) fn for_callers(&self) -> Option<BTreeSet<(String, String)>> {
        let declared = self.0.iter().any(|item| matches!(item, Item::Trait(item) if item.ident == "__CallerEventOf"));
        let impls = self.impls().filter_map(|item| Some((item, text(&item.trait_.as_ref()?.0))));
        let found = impls
            .filter_map(|(item, name)| Some((inside(&name, "__CallerEventOf")?.to_owned(), text(&item.self_ty))))
            .collect();
        declared.then_some(found)
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
        // That of the enum, not that of `Any`, which calls it.
        let enums = self.impls().filter(|item| !text(&item.self_ty).starts_with("Any"));
        let apply = enums.flat_map(|item| &item.items).find_map(|item| match item {
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

    /// What `__user_code::name` is: the value of a constant, or the body of a function.
    fn user_code(&self, name: &str) -> Option<String> {
        let name = name.strip_prefix("__user_code::")?;
        let inside = self.0.iter().find_map(|item| match item {
            Item::Mod(module) if module.ident == "__user_code" => module.content.as_ref(),
            _ => None,
        });
        inside?.1.iter().find_map(|item| match item {
            Item::Const(item) if item.ident == name => Some(text(&item.expr)),
            Item::Fn(item) if item.sig.ident == name => Some(text(&item.block)),
            _ => None,
        })
    }

    /// The method of a trait of the runtime, in its implementation for the enum.
    fn method(&self, name: &str) -> Option<&syn::Block> {
        self.impls().filter(|item| item.trait_.is_some()).flat_map(|item| &item.items).find_map(|item| match item {
            ImplItem::Fn(item) if item.sig.ident == name => Some(&item.block),
            _ => None,
        })
    }

    /// The events of waits: the state, the place of the wait and the event, and the fields of its payload.
    pub(super) fn fired_by_waits(&self) -> BTreeSet<Pair> {
        let arms = self.method("wait_event").into_iter().flat_map(arms);
        let fired = arms.filter_map(|arm| {
            let (pattern, body) = (text(&arm.pat), text(&arm.body));
            let (state, place) = pattern.strip_prefix("(State::")?.strip_suffix(')')?.split_once(',')?;
            let (place, function) = (place.trim_end_matches("usize"), body.split_once("Some(")?.1.strip_suffix("())")?);
            let code = self.user_code(function).expect("the event of a wait");
            let event = code.split_once("Event::")?.1;
            let (event, payload) = event.split_once('(')?;
            let fields = payload.split('{').nth(1).unwrap_or_default().split(',');
            let fields: Vec<_> = fields.filter_map(|field| Some(field.split_once(':')?.0.to_owned())).collect();
            Some((state.to_owned(), format!("{place} {event}"), fields.join(" ")))
        });
        fired.collect()
    }

    /// The fields with the ids that each state waits for, in the order of its waits; with `…` for several ids.
    pub(super) fn awaited(&self) -> BTreeSet<(String, String)> {
        let arms = self.method("awaited_ids").into_iter().flat_map(arms);
        let awaited = arms.filter_map(|arm| {
            let (pattern, body) = (text(&arm.pat), text(&arm.body));
            let (state, bound) = pattern.strip_prefix("Self::")?.split_once('{')?;
            let field = |variable: &str| {
                let bound = bound.split(',').filter_map(|bound| bound.split_once(':'));
                bound.into_iter().find(|bound| bound.1 == variable).map(|bound| bound.0.to_owned())
            };
            let ids = body.split("instance_id").skip(1).map(|id| {
                let several = if id.starts_with('s') { "…" } else { "" };
                let variable = id.split_once('(').expect("a call").1.split(')').next().expect("an argument");
                format!("{}{several}", field(variable).expect("a field"))
            });
            Some((state.to_owned(), ids.collect::<Vec<_>>().join(" ")))
        });
        awaited.collect()
    }

    /// The graph constant.
    pub(super) fn graph(&self) -> Graph {
        let graph = self.0.iter().find_map(|item| match item {
            Item::Const(item) if item.ident == "__GRAPH" => Some(&*item.expr),
            _ => None,
        });
        let graph = Built::of(graph.expect("there is a graph"));
        let mut built = Graph::new(string(graph.argument(0)));
        for (method, argument) in &graph.calls {
            built = match &**method {
                "with_doc" => built.with_doc(string(argument)),
                "with_version" => built.with_version(integer(argument)),
                "with_context" => built.with_context(string(argument)),
                "with_states" => built.with_states(list(argument, |it| state(it, self))),
                "with_events" => built.with_events(list(argument, event)),
                "with_transitions" => built.with_transitions(list(argument, transition)),
                "with_groups" => built.with_groups(list(argument, group)),
                other => panic!("unexpected {other}"),
            };
        }
        built
    }
}

/// The arms of a `match` that is the last expression of a block.
fn arms(block: &syn::Block) -> &[syn::Arm] {
    match block.stmts.last() {
        Some(syn::Stmt::Expr(Expr::Match(last), _)) => &last.arms,
        _ => &[],
    }
}

fn state(expr: &Expr, module: &Module) -> StateInfo {
    let state = Built::of(expr);
    let mut built = StateInfo::new(string(state.argument(0)));
    for (method, argument) in &state.calls {
        built = match &**method {
            "with_doc" => built.with_doc(string(argument)),
            "with_kind" => built.with_kind(match text(argument).rsplit("::").next() {
                Some("Work") => StateKind::Work,
                Some("End") => StateKind::End,
                _ => StateKind::Rest,
            }),
            "with_initial" => built.with_initial(boolean(argument)),
            "with_remove" => built.with_remove(boolean(argument)),
            "with_was" => built.with_was(list(argument, string)),
            "with_group" => built.with_group(string(argument)),
            "with_fields" => built.with_fields(list(argument, field)),
            "with_timers" => built.with_timers(list(argument, timer)),
            "with_exhausted" => built.with_exhausted(string(argument)),
            "with_enter" => built.with_enter(string(argument)),
            "with_waits" => built.with_waits(list(argument, |it| wait(it, module))),
            other => panic!("unexpected {other}"),
        };
    }
    built
}

fn wait(expr: &Expr, module: &Module) -> WaitInfo {
    let wait = Built::of(expr);
    let states = module.user_code(&text(wait.argument(2)));
    let states = states.unwrap_or_else(|| panic!("no {}", text(wait.argument(2))));
    let mut built = WaitInfo::new(
        string(wait.argument(0)),
        string(wait.argument(1)),
        named_states(&states),
        string(wait.argument(3)),
    );
    for (method, argument) in &wait.calls {
        built = match (&**method, text(argument).rsplit("::").next()) {
            ("with_missing", _) => built.with_missing(boolean(argument)),
            ("with_quantity", Some("All")) => built.with_quantity(WaitQuantity::All),
            ("with_quantity", Some("Any")) => built.with_quantity(WaitQuantity::Any),
            ("with_quantity", Some("AtLeast(2u32)")) => built.with_quantity(WaitQuantity::AtLeast(2)),
            other => panic!("unexpected {other:?}"),
        };
    }
    built
}

/// The names in `&[<<wait_0_machine_S1as…>::State>::S2.as_str()]`.
fn named_states(states: &str) -> &'static [&'static str] {
    let inner = states.trim_start_matches("&[").trim_end_matches(']');
    let name = |state: &str| {
        let (_, name) = state.rsplit_once("::State>::").expect("a state of the other machine");
        &*String::leak(name.trim_end_matches(".as_str()").to_owned())
    };
    Vec::leak(inner.split(',').filter(|state| !state.is_empty()).map(name).collect())
}

fn timer(expr: &Expr) -> TimerInfo {
    let timer = Built::of(expr);
    let event = string(timer.argument(1));
    match (timer.argument(0), &expr) {
        (Expr::Lit(_), Expr::Call(call)) if text(&call.func).ends_with("at") => {
            TimerInfo::at(string(timer.argument(0)), event)
        }
        (Expr::Lit(_), _) => TimerInfo::computed(string(timer.argument(0)), event),
        _ => TimerInfo::new(Duration::from_hours(1), event),
    }
}

fn event(expr: &Expr) -> EventInfo {
    let event = Built::of(expr);
    let mut built = EventInfo::new(string(event.argument(0)));
    for (method, argument) in &event.calls {
        assert_eq!(method, "with_fields");
        built = built.with_fields(list(argument, field));
    }
    built
}

fn transition(expr: &Expr) -> TransitionInfo {
    let transition = Built::of(expr);
    let [from, event] = [0, 1].map(|index| string(transition.argument(index)));
    let mut built = TransitionInfo::new(from, event, list(transition.argument(2), string));
    for (method, argument) in &transition.calls {
        built = match &**method {
            "with_guarded" => built.with_guarded(boolean(argument)),
            "with_auto" => built.with_auto(boolean(argument)),
            "with_rewinds" => built.with_rewinds(list(argument, string)),
            "with_internal" => built.with_internal(boolean(argument)),
            "with_history" => built.with_history(history(argument)),
            "with_by" => built.with_by(FiredBy::Worker),
            "with_overrides" => built.with_overrides(string(argument)),
            other => panic!("unexpected {other}"),
        };
    }
    built
}

fn history(expr: &Expr) -> HistoryInfo {
    let history = Built::of(expr);
    let mut built = HistoryInfo::new(string(history.argument(0)));
    for (method, argument) in &history.calls {
        built = match &**method {
            "with_deep" => built.with_deep(boolean(argument)),
            other => panic!("unexpected {other}"),
        };
    }
    built
}

fn group(expr: &Expr) -> GroupInfo {
    let group = Built::of(expr);
    let mut built = GroupInfo::new(string(group.argument(0)));
    for (method, argument) in &group.calls {
        built = match &**method {
            "with_parent" => built.with_parent(string(argument)),
            other => panic!("unexpected {other}"),
        };
    }
    built
}

fn field(expr: &Expr) -> FieldInfo {
    let field = Built::of(expr);
    FieldInfo::new(string(field.argument(0)), string(field.argument(1)))
}

/// A value built as `Type::new(arguments).with_one(argument).with_other(argument)`.
struct Built<'e> {
    arguments: Vec<&'e Expr>,
    calls: Vec<(String, &'e Expr)>,
}

impl<'e> Built<'e> {
    fn of(expr: &'e Expr) -> Self {
        match expr {
            Expr::Reference(reference) => Self::of(&reference.expr),
            Expr::MethodCall(call) => {
                let mut built = Self::of(&call.receiver);
                built.calls.push((call.method.to_string(), call.args.first().expect("a setter has an argument")));
                built
            }
            Expr::Call(call) => Self { arguments: call.args.iter().collect(), calls: Vec::new() },
            other => panic!("not built by a constructor: {}", text(other)),
        }
    }

    fn argument(&self, index: usize) -> &'e Expr {
        self.arguments[index]
    }
}

fn list<T>(expr: &Expr, item: impl Fn(&Expr) -> T) -> &'static [T] {
    match expr {
        Expr::Reference(reference) => list(&reference.expr, item),
        Expr::Array(array) => Vec::leak(array.elems.iter().map(item).collect()),
        other => panic!("not a list: {}", text(other)),
    }
}

fn string(expr: &Expr) -> &'static str {
    match expr {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Str(text) => String::leak(text.value()),
            _ => panic!("not a text: {}", text(expr)),
        },
        other => panic!("not a text: {}", text(other)),
    }
}

fn boolean(expr: &Expr) -> bool {
    text(expr) == "true"
}

fn integer(expr: &Expr) -> u32 {
    text(expr).trim_end_matches("u32").parse().expect("a number")
}

/// Tokens without spaces.
pub(super) fn text(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(' ', "")
}

/// The content of the angle brackets after `name`.
fn inside<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.strip_prefix(name)?.strip_prefix('<')?.strip_suffix('>')
}
