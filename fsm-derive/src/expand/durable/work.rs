//! `Task<S>`, the argument of a worker, and `Workers`, with a method for each `work` state.

use std::fmt::Write as _;

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::{
    super::{
        states::{docs, pattern},
        user_code,
    },
    handle::{self, Handle},
};
use crate::{
    each::each,
    model::{Kind, plain, snake_ident},
    normalize::{Cx, local, respan},
    suggest, text,
};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let (task, workers) = (task(cx), workers(cx));
    let states = cx.work_states();
    let methods = each(&states, &|state| methods(cx, *state));
    let checkpoints = each(&states, &|state| checkpoint(cx, *state));
    quote!(#task #(#methods)* #(#checkpoints)* #workers)
}

fn task(cx: &Cx<'_>) -> TokenStream {
    let Cx { runtime, s, e, .. } = cx;
    let (vis, name, path) = (cx.vis(1), cx.machine.name(), text::of(runtime));
    let path = path.trim_start_matches("::");
    let doc = format!(
        "One piece of work on a `{name}` in state `{s}`.\n\nA worker ends with one of the events that its state declares, with \
         [`requeue_after`](Self::requeue_after), or with an error. Through `Deref` it has the methods of \
         [`RawTask`]({path}::RawTask), as `key()` and `cancelled()`, and the \
         fields of its state."
    );
    let handle = Handle {
        name: "Task",
        raw: quote!(#runtime::RawTask),
        attrs: quote! {
            #[doc = #doc]
            #[must_use = "a worker ends with one of its task's methods"]
        },
        methods: quote! {
            /// Keeps the state and runs the worker again after `after`. This does not count as a failed attempt.
            ///
            /// # Errors
            /// Never; the return type is that of a worker.
            #vis fn requeue_after(self, after: ::core::time::Duration) -> #runtime::Outcome<#s> {
                self.raw.requeue_after(after)
            }
            /// Ends the work with an event that its state declares.
            ///
            /// # Errors
            /// If a guard refuses, or the event cannot be stored.
            #vis fn fire<#e: __EventOf<#s>>(self, event: #e) -> #runtime::Outcome<#s> {
                self.raw.fire(event)
            }
        },
        shown: &["attempt"],
    };
    let (task, enum_ty) = (handle.expand(cx), &cx.enum_ty);
    // Only internal transitions change the data under a worker.
    let works = |state: usize| cx.machine.states[state].kind == Kind::Work;
    if !cx.machine.transitions.iter().any(|transition| transition.internal && works(transition.from)) {
        return task;
    }
    quote! {
        #task
        /// For `refresh`, which reads the data that internal transitions have changed.
        #[automatically_derived]
        impl<#s: #runtime::DurableState<Machine = #enum_ty>> ::core::ops::DerefMut for Task<#s> {
            fn deref_mut(&mut self) -> &mut #runtime::RawTask<#s> {
                &mut self.raw
            }
        }
    }
}

/// The type of a state's checkpoints, at the user's tokens, so that rustc reports missing impls there.
fn checkpoint(cx: &Cx<'_>, state: usize) -> Option<TokenStream> {
    let (runtime, ty, checkpoint) = (&cx.runtime, cx.state_ty(state), user_code::checkpoint_type(cx, state)?);
    let checkpoint = respan(quote!(__user_code::#checkpoint), checkpoint.span());
    Some(quote! {
        #[automatically_derived]
        impl #runtime::Checkpointed for #ty {
            type Checkpoint = #checkpoint;
        }
    })
}

fn methods(cx: &Cx<'_>, state: usize) -> TokenStream {
    let (runtime, ty) = (&cx.runtime, cx.state_ty(state));
    let errors = quote! {
        ///
        /// # Errors
        /// If a guard refuses, or the event cannot be stored.
    };
    let methods = handle::events(cx, "Task", state, &|_| true, &errors, &|_| quote!(#runtime::Outcome<#ty>));
    quote! {
        #[automatically_derived]
        impl #runtime::WorkState for #ty {}
        #methods
    }
}

fn workers(cx: &Cx<'_>) -> TokenStream {
    let Cx { runtime, enum_ty, w, .. } = cx;
    let (vis, name, module) = (cx.vis(1), cx.machine.name(), plain(&cx.machine.module));
    let states = each(&cx.work_states(), &|state| &cx.machine.states[*state]);
    let idents = states.iter().map(|state| &state.ident);
    let types = states.iter().map(|state| &state.ty);
    let patterns = states.iter().map(|state| pattern(state));
    let methods = each(&states, &|state| snake_ident(&state.ident));
    let declared = states.iter().zip(&methods).map(|(state, method)| {
        let (ident, ty) = (&state.ident, &state.ty);
        let docs = docs(&state.attrs, &format!("The work of state `{}`.", plain(ident)));
        quote_spanned! {ident.span()=>
            #docs
            fn #method(
                &self,
                task: Task<#ty>,
            ) -> impl ::core::future::Future<Output = #runtime::Outcome<#ty>> + ::core::marker::Send;
        }
    });
    let message = format!("`{{Self}}` does not implement the workers of `{name}`");
    let label = format!("missing `impl {module}::Workers`");
    let note = if states.is_empty() {
        format!("`{name}` has no `work` states: use `()`")
    } else {
        let names = suggest::list(each(&states, &|state| plain(&state.ident)));
        let mut note = format!("the `work` states are {names}: write `impl {module}::Workers for …` with");
        for (state, method) in states.iter().zip(&methods) {
            let ty = format!("{module}::{}", state.ty);
            let _ = write!(note, "\n  async fn {method}(&self, task: {module}::Task<{ty}>) -> Outcome<{ty}>");
        }
        note
    };
    let doc = format!("The async work of `{name}`: one method per `work` state.");
    let for_nothing = states.is_empty().then(|| {
        quote! {
            #[automatically_derived]
            impl Workers for () {}
        }
    });
    let exhausted = super::exhausted(cx);
    let no_work = quote!(::core::result::Result::Err(#runtime::WorkError::permanent(
        ::std::format!("`{}` is not a work state", self.state())
    )));
    let body = if states.is_empty() {
        quote! {
            async fn work(
                self,
                _: &#w,
                _: #runtime::WorkClaim<Self>,
            ) -> ::core::result::Result<#runtime::Finished<Self>, #runtime::WorkError> {
                #no_work
            }
        }
    } else {
        let (workers, lease, task) = (local("workers"), local("lease"), local("task"));
        let otherwise = (states.len() < cx.machine.states.len()).then(|| {
            quote!(other => ::core::result::Result::Err(#runtime::WorkError::permanent(
                ::std::format!("`{}` is not a work state", other.state())
            )),)
        });
        quote! {
            async fn work(
                self,
                #workers: &#w,
                #lease: #runtime::WorkClaim<Self>,
            ) -> ::core::result::Result<#runtime::Finished<Self>, #runtime::WorkError> {
                match self {
                    #(Self::#idents #patterns => {
                        let #task = Task { raw: #runtime::RawTask::__new(#types #patterns, #lease) };
                        #workers.#methods(#task).await.map(#runtime::Done::into_finished)
                    })*
                    #otherwise
                }
            }
        }
    };
    quote! {
        #[doc = #doc]
        #[diagnostic::on_unimplemented(message = #message, label = #label, note = #note)]
        #vis trait Workers: ::core::marker::Send + ::core::marker::Sync + 'static {
            #(#declared)*
        }
        #for_nothing
        #[automatically_derived]
        impl<#w: Workers> #runtime::WorkedBy<#w> for #enum_ty {
            #body
            #exhausted
        }
    }
}
