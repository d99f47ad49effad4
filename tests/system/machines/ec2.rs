//! The states of an EC2 instance.

use fsm_core::{StateMachine, testing::transition_paths};

use super::typed::hold;

/// A virtual server at Amazon.
#[derive(StateMachine, Clone, Copy, Debug, PartialEq)]
#[fsm(initial = Pending, derive(Clone, Copy, Debug, PartialEq))]
pub(crate) enum Ec2InstanceState {
    /// It is being prepared.
    #[state(name = "pending")]
    #[on(ready => Running)]
    #[on(launch_failed => Terminated)]
    Pending,
    /// Ready for use.
    #[state(name = "running")]
    #[on(reboot => Running)]
    #[on(stop => Stopping)]
    #[on(stop_hibernate => Stopping)]
    #[on(terminate => ShuttingDown)]
    Running,
    /// Stopping, or hibernating.
    #[state(name = "stopping")]
    #[on(stopped => Stopped)]
    Stopping,
    /// Shut down; it can be started again.
    #[state(name = "stopped")]
    #[on(start => Pending)]
    #[on(terminate => Terminated)]
    Stopped,
    /// Terminating.
    #[state(name = "shutting-down")]
    #[on(terminated => Terminated)]
    ShuttingDown,
    /// Gone for good.
    #[state(end, name = "terminated")]
    Terminated,
}

hold! {
    Ec2InstanceState in ec2_instance_state;
    states: [Pending, Running, Stopping, Stopped, ShuttingDown, Terminated];
    events: [Ready, LaunchFailed, Reboot, Stop, StopHibernate, Terminate, Stopped, Start, Terminated];
}

#[test]
fn an_instance_is_stopped_started_and_terminated() {
    let instance = ec2_instance_state::Machine::new(ec2_instance_state::Pending)
        .ready()
        .reboot()
        .stop_hibernate()
        .stopped()
        .start()
        .ready()
        .terminate()
        .terminated();
    assert_eq!(Ec2InstanceState::from(instance), Ec2InstanceState::Terminated);
}

#[test]
fn a_real_instance_follows_every_transition() {
    use ec2_instance_state::{EventKind, event};
    for path in transition_paths::<Ec2InstanceState>() {
        let instance = path.follow(Ec2InstanceState::Pending, |step, _| match step.event {
            EventKind::Ready => event::Ready.into(),
            EventKind::LaunchFailed => event::LaunchFailed.into(),
            EventKind::Reboot => event::Reboot.into(),
            EventKind::Stop => event::Stop.into(),
            EventKind::StopHibernate => event::StopHibernate.into(),
            EventKind::Terminate => event::Terminate.into(),
            EventKind::Stopped => event::Stopped.into(),
            EventKind::Start => event::Start.into(),
            EventKind::Terminated => event::Terminated.into(),
        });
        assert_eq!(instance.map(|instance| instance.state()), Ok(path.end()));
    }
}
