//! `Task<S>`, what a worker is given, and `Workers`, one method per `work` state.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::{
    super::{
        cx::{Cx, local},
        outside,
        rewrite::respan,
        states::{docs, pattern},
    },
    handle::{self, Handle},
};
use crate::{
    hint,
    model::{plain, snake_ident},
};

pub(super) fn expand(cx: &Cx<'_>) -> TokenStream {
    let (task, workers) = (task(cx), workers(cx));
    let methods = cx.work_states().map(|state| methods(cx, state));
    let progress = cx.work_states().filter_map(|state| progress(cx, state));
    quote!(#task #(#methods)* #(#progress)* #workers)
}

fn task(cx: &Cx<'_>) -> TokenStream {
    let Cx { runtime, s, e, .. } = cx;
    let (vis, name) = (cx.vis(1), cx.machine.name());
    let doc = format!(
        "One piece of work on a `{name}` in state `{s}`.\n\nA worker ends with one of the events that its state declares, with \
         [`again`](Self::again), or with an error. The data of the state are its fields, through `Deref`."
    );
    let future = quote!(impl ::core::future::Future<Output = ()> + ::core::marker::Send + 'static);
    let handle = Handle {
        name: "Task",
        raw: quote!(#runtime::RawTask),
        attrs: quote! {
            #[doc = #doc]
            #[must_use = "a worker ends with one of its task's methods"]
        },
        methods: quote! {
            /// Which attempt this is at this stay in the state, from 1.
            #[must_use]
            #vis fn attempt(&self) -> u32 {
                self.raw.attempt()
            }
            /// Grows with every claim in the store: for systems that check fences.
            #[must_use]
            #vis fn fence(&self) -> u64 {
                self.raw.fence()
            }
            /// The same for every attempt at this stay in the state, and for no other: an idempotency key.
            #[must_use]
            #vis fn key(&self) -> ::std::string::String {
                self.raw.key()
            }
            /// The same for the instance's whole life, and for no other.
            #[must_use]
            #vis fn instance_key(&self) -> ::std::string::String {
                self.raw.instance_key()
            }
            /// Ends when the result is not wanted any more: clean up and return then.
            #vis fn cancelled(&self) -> #future {
                self.raw.cancelled()
            }
            /// Whether [`cancelled`](Self::cancelled) has ended.
            #[must_use]
            #vis fn is_cancelled(&self) -> bool {
                self.raw.is_cancelled()
            }
            /// Ends when the process wants to stop.
            #vis fn draining(&self) -> #future {
                self.raw.draining()
            }
            /// Shows that the worker is alive, where its state's policy asks for that.
            #vis fn heartbeat(&self) {
                self.raw.heartbeat();
            }
            /// The same signals apart from the task, for code that runs elsewhere: in `spawn_blocking`, say.
            #[must_use]
            #vis fn signals(&self) -> #runtime::Signals {
                self.raw.signals()
            }
            /// Ends after `duration`, by the runtime's clock.
            #vis fn sleep(&self, duration: ::core::time::Duration) -> #future {
                self.raw.sleep(duration)
            }
            /// Not yet: keeps the state and runs the worker again after `after`. This is no failure.
            ///
            /// # Errors
            /// None; the return type is that of a worker.
            #vis fn again(self, after: ::core::time::Duration) -> #runtime::Outcome<#s> {
                self.raw.again(after)
            }
            /// Ends the work with an event that its state declares.
            ///
            /// # Errors
            /// When a guard refuses, or the event cannot be stored.
            #vis fn fire<#e: EventOf<#s>>(self, event: #e) -> #runtime::Outcome<#s> {
                self.raw.fire(event)
            }
        },
        shown: &["attempt"],
    };
    handle.expand(cx)
}

/// What a state's worker keeps, at the user's own tokens: what its type lacks is reported there.
fn progress(cx: &Cx<'_>, state: usize) -> Option<TokenStream> {
    let (runtime, ty, progress) = (&cx.runtime, cx.state_ty(state), outside::checkpoint_type(cx, state)?);
    let progress = respan(quote!(outside::#progress), progress.span());
    let (vis, error) = (cx.vis(1), quote!(#runtime::WorkError));
    Some(quote! {
        #[automatically_derived]
        impl #runtime::KeepsProgress for #ty {
            type Progress = #progress;
        }
        #[automatically_derived]
        impl Task<#ty> {
            /// Keeps how far the worker is, durably, for the next attempt at this stay in the state.
            ///
            /// # Errors
            /// When the instance has moved on, or the claim is somebody else's: end the worker with `?` then.
            #vis fn checkpoint(
                &self,
                progress: &#progress,
            ) -> impl ::core::future::Future<Output = ::core::result::Result<(), #error>> + ::core::marker::Send + 'static {
                self.raw.checkpoint(progress)
            }
            /// What the attempts before this one kept at this stay in the state.
            ///
            /// # Errors
            /// When what is stored is not of the declared type any more.
            #vis fn progress(&self) -> ::core::result::Result<::core::option::Option<#progress>, #error> {
                self.raw.progress()
            }
        }
    })
}

fn methods(cx: &Cx<'_>, state: usize) -> TokenStream {
    let (runtime, ty) = (&cx.runtime, cx.state_ty(state));
    let errors = quote! {
        ///
        /// # Errors
        /// When a guard refuses, or the event cannot be stored.
    };
    let methods = handle::events(cx, "Task", state, &errors, |_| quote!(#runtime::Outcome<#ty>));
    quote! {
        #[automatically_derived]
        impl #runtime::WorkState for #ty {}
        #methods
    }
}

fn workers(cx: &Cx<'_>) -> TokenStream {
    let Cx { runtime, enum_ty, w, .. } = cx;
    let (vis, name, module) = (cx.vis(1), cx.machine.name(), plain(&cx.machine.module));
    let states: Vec<_> = cx.work_states().map(|state| &cx.machine.states[state]).collect();
    let idents: Vec<_> = states.iter().map(|state| &state.ident).collect();
    let patterns = states.iter().map(|state| pattern(state));
    let methods: Vec<_> = states.iter().map(|state| snake_ident(&state.ident)).collect();
    let declared = states.iter().zip(&methods).map(|(state, method)| {
        let ident = &state.ident;
        let docs = docs(&state.attrs, &format!("The work of state `{}`.", plain(ident)));
        quote_spanned! {ident.span()=>
            #docs
            fn #method(
                &self,
                task: Task<#ident>,
            ) -> impl ::core::future::Future<Output = #runtime::Outcome<#ident>> + ::core::marker::Send;
        }
    });
    let message = format!("`{{Self}}` does not implement the workers of `{name}`");
    let label = format!("missing `impl {module}::Workers`");
    let note = if states.is_empty() {
        format!("`{name}` has no `work` states: use `()`")
    } else {
        let names = hint::list(states.iter().map(|state| plain(&state.ident)));
        let methods = states.iter().zip(&methods).map(|(state, method)| {
            let (state, module) = (&state.ident, &cx.machine.module);
            format!(
                "\n  async fn {method}(&self, task: {module}::Task<{module}::{state}>) -> Outcome<{module}::{state}>"
            )
        });
        format!(
            "the `work` states are {names}: write `impl {module}::Workers for …` with{}",
            methods.collect::<String>()
        )
    };
    let doc = format!("The async work of `{name}`: one method per `work` state.");
    let for_nothing = states.is_empty().then(|| {
        quote! {
            #[automatically_derived]
            impl Workers for () {}
        }
    });
    let no_work = quote!(::core::result::Result::Err(#runtime::WorkError::permanent(
        ::std::format!("`{}` is not a work state", self.state())
    )));
    let body = if states.is_empty() {
        quote! {
            async fn work(
                self,
                _: &#w,
                _: #runtime::Lease<Self>,
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
                #lease: #runtime::Lease<Self>,
            ) -> ::core::result::Result<#runtime::Finished<Self>, #runtime::WorkError> {
                match self {
                    #(Self::#idents #patterns => {
                        let #task = Task { raw: #runtime::RawTask::new(#idents #patterns, #lease) };
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
        }
    }
}
