//! A misspelled option is one error: it is read as the option that it resembles.
use fsm_core::StateMachine;

#[derive(StateMachine)]
#[fsm(inital = Connecting, groop(Active, on(suspend => Suspended)), requires(reechs(Connecting, Ended)))]
enum Session {
    #[state(inn = Active)]
    #[on(connected => Online, gaurd = is_fine)]
    Connecting,
    #[state(in = Active, wokr)]
    #[on(lost => Connecting)]
    Online,
    #[on(forget => Ended)]
    Suspended,
    #[state(ned)]
    Ended,
}

fn is_fine(_: &session::Connecting, _: &session::event::Connected) -> Result<(), &'static str> {
    Ok(())
}

mod stored {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    #[derive(StateMachine)]
    #[fsm(initial = Open, durble, derives(Serialize, Deserialize))]
    enum Ticket {
        #[state(work, exhausted = close)]
        #[on(close => Closed)]
        Open,
        #[state(end)]
        Closed,
    }

    impl ticket::Workers for () {
        async fn open(&self, task: ticket::Task<ticket::Open>) -> Outcome<ticket::Open> {
            task.close()
        }
    }
}

fn main() {}
