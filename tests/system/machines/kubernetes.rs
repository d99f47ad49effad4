//! The phases of a persistent volume in Kubernetes.

use fsm_core::StateMachine;

use super::typed::hold;

/// A piece of storage in a cluster.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
#[fsm(initial = Pending, derive(Clone, Copy, Debug, PartialEq), module = kubernetes_persistent_volume_phase)]
pub(crate) enum PersistentVolumePhase {
    /// Not available yet.
    #[on(sync_unclaimed => Available)]
    #[on(bind => Bound)]
    Pending,
    /// Not bound to a claim.
    #[on(bind => Bound)]
    #[on(claim_missing => Released)]
    Available,
    /// Bound to a claim.
    #[on(claim_deleted => Released)]
    #[on(unbind => Available)]
    Bound,
    /// Its claim was deleted.
    #[on(recycle_ok => Available)]
    #[on(reclaim_failed => Failed)]
    Released,
    /// It could not be reclaimed.
    #[on(recycle_ok => Available)]
    #[on(reclaim_failed => Failed)]
    Failed,
}

hold! {
    PersistentVolumePhase in kubernetes_persistent_volume_phase;
    states: [Pending, Available, Bound, Released, Failed];
    events: [SyncUnclaimed, Bind, ClaimMissing, ClaimDeleted, Unbind, RecycleOk, ReclaimFailed];
}

#[test]
fn a_released_volume_is_reused() {
    use kubernetes_persistent_volume_phase::{Machine, Pending};
    let released = Machine::new(Pending).bind().claim_deleted();
    let available = released.reclaim_failed().reclaim_failed().recycle_ok();
    assert_eq!(PersistentVolumePhase::from(available.bind().unbind()), PersistentVolumePhase::Available);
}
