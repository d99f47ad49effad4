//! Retrying a decision on an instance.

use super::{Durable, error::TransitionError, machines::Machines};

impl<M: Durable> Machines<M> {
    /// Reads the instance and calls `decide` with it, again after each [`TransitionError::Conflict`], `tries` times at most. The
    /// last conflict is returned.
    ///
    /// ```
    /// # use fsm_runtime::{TransitionError, Machines, prelude::*};
    /// # use serde::{Deserialize, Serialize};
    /// # #[derive(StateMachine)]
    /// # #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
    /// # enum Tab { #[on(add { cents: u64 } => Open, with = add)] #[on(pay => Paid)] Open { cents: u64 }, #[state(end)] Paid }
    /// # fn add(mut open: tab::Open, event: tab::event::Add) -> tab::Open { open.cents += event.cents; open }
    /// # async fn example(tabs: Machines<Tab>) -> Result<(), TransitionError<Tab>> {
    /// let tip = 150;
    /// tabs.retry("table 7", 10, |tab| async move {
    ///     match tab {
    ///         tab::AnyRecord::Open(open) if open.cents > 0 => open.add(tip).await?.pay().await.map(drop),
    ///         _ => Ok(()), // nothing to pay
    ///     }
    /// })
    /// .await
    /// # }
    /// # fn main() {}
    /// ```
    ///
    /// `decide` is called for each attempt, so an `async move` block inside it takes clones of what it needs:
    /// `|tab| { let item = item.clone(); async move { … } }`. An async closure can borrow variables of the caller instead:
    /// `async |tab| … item.clone() …`, without `move`.
    ///
    /// # Errors
    /// The error of `decide`, except a conflict before the last try; [`TransitionError::NotFound`]; [`TransitionError::Store`].
    ///
    /// # Cancel safety
    /// As that of `decide`.
    pub async fn retry<T, F, D>(&self, id: &str, tries: u32, mut decide: D) -> Result<T, TransitionError<M>>
    where
        D: FnMut(M::AnyRecord) -> F,
        F: Future<Output = Result<T, TransitionError<M>>> + Send,
    {
        let mut left = tries;
        loop {
            left = left.saturating_sub(1);
            match decide(self.get(id).await?).await {
                Err(TransitionError::Conflict(_)) if left > 0 => {}
                decided => return decided,
            }
        }
    }
}
