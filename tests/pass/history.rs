//! A transition to a history leads back to the state that was left, with its data.

use fsm_core::{HistoryInfo, Slot, StateMachine};

/// A player of songs.
#[derive(StateMachine, Clone, Debug, PartialEq)]
#[fsm(
    initial = Stopped,
    derive(Clone, Debug, PartialEq),
    group(Active, on(interrupt { by: String } => Interrupted), on(stop => Stopped))
)]
pub enum Player {
    /// Silent.
    #[on(play { song: String } => Playing, with = play)]
    Stopped,
    /// A song is heard.
    #[state(in = Active)]
    #[on(pause => Paused)]
    #[on(seek { at: u32 } => Playing)]
    Playing {
        /// Which.
        song: String,
        /// In seconds.
        at: u32,
    },
    /// The song can go on.
    #[state(in = Active)]
    #[on(play => Playing)]
    Paused {
        /// Which.
        song: String,
        /// In seconds.
        at: u32,
    },
    /// Somebody calls.
    #[on(resume => history(Active))]
    #[on(hang_up => Stopped)]
    Interrupted {
        /// The caller.
        by: String,
        /// The state that was left.
        was: player::history::Active,
    },
}

fn play(_: player::Stopped, event: player::event::Play) -> player::Playing {
    player::Playing { song: event.song, at: 0 }
}

#[test]
fn the_state_that_was_left_comes_back_with_its_data() {
    let playing = player::Machine::new(player::Stopped).play("Kashmir".into()).seek(7);
    let interrupted = playing.interrupt("Ada".into());
    assert_eq!((interrupted.by.as_str(), interrupted.was.state()), ("Ada", player::State::Playing));
    match interrupted.resume() {
        player::choice::InterruptedResume::Playing(playing) => {
            assert_eq!(playing.data(), &player::Playing { song: "Kashmir".into(), at: 7 });
        }
        player::choice::InterruptedResume::Paused(_) => panic!("it was playing"),
    }
    let paused = player::Machine::new(player::Stopped).play("Kashmir".into()).pause();
    let resumed = player::Any::from(paused.interrupt("Ada".into()).resume());
    assert_eq!(resumed.state(), player::State::Paused);
}

#[test]
fn the_dynamic_machine_agrees() {
    let paused = Player::Paused { song: "Kashmir".into(), at: 7 };
    let interrupted = paused.clone().apply(player::event::Interrupt { by: "Ada".into() }).unwrap();
    let was = player::history::Active::from(player::Paused { song: "Kashmir".into(), at: 7 });
    assert_eq!(interrupted, Player::Interrupted { by: "Ada".into(), was });
    assert_eq!(interrupted.apply(player::event::Resume).unwrap(), paused);
    let mut slot: Slot<player::Any> = Slot::new(paused.clone());
    slot.apply(player::event::Interrupt { by: "Ada".into() }).unwrap();
    assert_eq!(slot.apply(player::event::Resume).unwrap(), player::State::Paused);
    assert_eq!(Player::from(slot.into_inner().unwrap()), paused);
}

#[test]
fn the_graph_names_the_history() {
    let resume = Player::GRAPH.transition("Interrupted", "resume").unwrap();
    assert_eq!((resume.history, resume.to), (Some(HistoryInfo::new("Active")), &["Playing", "Paused"][..]));
}

/// What the examples of history in the literature do: deep, through nested superstates, generic, with a guard and a function on entry.
mod deep {
    use super::*;

    /// A washing machine.
    #[derive(StateMachine, Clone, Debug, PartialEq)]
    #[fsm(
        initial = Closed,
        derive(Clone, Debug, PartialEq),
        context = u32,
        group(Running, on(cut => Off), group(Washing), group(Drying)),
        require(never(Done, Closed), before(Rinsing, Spinning), reaches(Off, Soaking))
    )]
    pub enum Washer<'a, T: Clone> {
        /// The door is closed.
        #[on(start { program: T, name: &'a str } => Soaking)]
        Closed,
        /// Laundry and water.
        #[state(in = Washing, enter = count)]
        #[on(rinse => Rinsing)]
        Soaking {
            /// Which.
            program: T,
            /// Its name.
            name: &'a str,
        },
        /// Clear water.
        #[state(in = Washing)]
        #[on(spin => Spinning)]
        Rinsing {
            /// Which.
            program: T,
        },
        /// Fast.
        #[state(in = Drying)]
        #[on(open => Done)]
        Spinning,
        /// Without power.
        #[on(restore { volts: u32 } => history(Running, deep), guard = has_power else "no power")]
        #[on(open => Done)]
        Off(washer::history::Running<'a, T>),
        /// Open.
        #[state(end)]
        Done,
    }

    fn count<T: Clone>(_: &mut washer::Soaking<'_, T>, entries: &mut u32) {
        *entries += 1;
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape of a guard")]
    fn has_power<T: Clone>(_: &washer::Off<'_, T>, event: &washer::event::Restore, _: &u32) -> bool {
        event.volts > 200
    }

    #[test]
    fn a_deep_history_leads_into_inner_superstates() {
        let soaking = washer::Machine::new(washer::Closed, 0).start(40_u8, "cotton");
        let off = soaking.cut();
        let refused = off.restore(12).unwrap_err();
        assert_eq!(refused.reason.as_str(), "no power");
        let back = refused.machine.restore(230).unwrap();
        let washer::choice::OffRestore::Soaking(soaking) = back else { panic!("it was soaking") };
        assert_eq!((soaking.program, soaking.name, *soaking.context()), (40, "cotton", 2), "it is entered again");
        let spinning = soaking.rinse().spin();
        assert!(matches!(spinning.cut().restore(230), Ok(washer::choice::OffRestore::Spinning(_))));
    }

    #[test]
    fn the_dynamic_machine_runs_guards_and_functions_on_entry() {
        let (off, mut entries) =
            (Washer::Soaking { program: 1, name: "wool" }.apply(washer::event::Cut, &mut 0).unwrap(), 0);
        let refused = off.apply(washer::event::Restore { volts: 3 }, &mut entries).unwrap_err();
        let back = refused.machine.apply(washer::event::Restore { volts: 230 }, &mut entries).unwrap();
        assert_eq!((back, entries), (Washer::Soaking { program: 1, name: "wool" }, 1));
    }
}

/// With the history, a state holds what else its fields say: from the payload, also under the names of the state that is left.
mod names {
    use super::*;

    /// A task.
    #[derive(StateMachine, Clone, Debug, PartialEq)]
    #[fsm(initial = Open, derive(Clone, Debug, PartialEq), group(Active, on(hold { state: u8, was: u8 } => Held)))]
    pub enum Task {
        /// In the only state that can be left.
        #[state(in = Active, type = OpenTask)]
        #[on(close => Closed)]
        Open {
            /// The name of a variable of generated code.
            state: u8,
            /// The name of the history's field.
            was: u8,
        },
        /// Not an end state, and `Held` keeps what it was.
        #[state(in = Active, name = "CLOSED")]
        #[on(reopen { state: u8, was: u8 } => Open)]
        Closed,
        /// For a while.
        #[on(resume | release => history(Active))]
        #[on(delay { days: u8 } => _, with = delay)]
        #[on(forward => Forwarded)]
        Held {
            /// From the payload, not from the state that is left.
            state: u8,
            /// The state that was left, not the payload.
            was: task::history::Active,
        },
        /// Another state that stores the history, to which it is carried over.
        #[on(resume => history(Active))]
        Forwarded {
            /// The state that was left.
            was: task::history::Active,
        },
    }

    fn delay(held: task::Held, event: task::event::Delay) -> task::Held {
        task::Held { state: held.state + event.days, ..held }
    }

    #[test]
    fn a_payload_with_the_same_names_does_not_change_the_history() {
        let open = task::OpenTask { state: 1, was: 2 };
        let held = task::Machine::new(open.clone()).hold(3, 4).delay(5);
        assert_eq!((held.data().state, held.was.clone()), (8, open.clone().into()));
        let applied = Task::Open { state: 1, was: 2 }.apply(task::event::Hold { state: 3, was: 4 }).unwrap();
        assert_eq!(applied, Task::Held { state: 3, was: open.clone().into() });
        let task::choice::ForwardedResume::Open(back) = held.forward().resume() else { panic!("it was open") };
        assert_eq!(back.data(), &open);
        let held = back.close().hold(0, 0);
        assert!(matches!(held.release(), task::choice::HeldResume::Closed(_)), "both events have one choice");
    }
}
