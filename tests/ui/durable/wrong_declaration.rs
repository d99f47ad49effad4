//! Code that uses an invalid machine causes no further errors.
use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(StateMachine, Serialize, Deserialize)]
#[fsm(initial = Idle, durable, derive(Serialize))]
pub enum Job<'a> {
    #[on(with_key => Running)]
    Idle { by: &'a str },
    #[state(work)]
    #[on(stop => Record)]
    Running,
    #[state(work)]
    #[on(go => Running)]
    RUNNING,
    #[state(end)]
    Record,
}

#[derive(StateMachine)]
#[fsm(initial = Idle, durable, derive(Serialize, Deserialize))]
pub enum Other {
    #[on(start => Runing)]
    Idle,
    #[state(work)]
    #[on(stop => Idle)]
    Running,
}

mod imports {
    use super::Mine;
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize}; // only generated code would use them

    #[derive(StateMachine)]
    #[fsm(initial = Idle, durable, context = Mine, derive(Clone, serde::Serialize, Serialize, Deserialize))]
    pub enum Third {
        #[on(start => Runing)]
        Idle,
    }
}

struct Mine;

impl other::Workers for Mine {
    async fn running(&self, task: other::Task<other::Running>) -> Outcome<other::Running> {
        println!("{}", task.attempt());
        task.stop()
    }
}

async fn run(store: Sqlite) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = Runtime::builder(store).machine::<Other, _>(Mine).start().await?;
    let others = runtime.machines::<Other>();
    let idle = others.create("a", other::Idle).await?;
    let running = idle.start().await?;
    println!("{}", running.version());
    match others.get("a").await? {
        other::AnyRecord::Idle(idle) => drop(idle.start().await?),
        other => println!("{} {:?}", other.state(), other.accepts()),
    }
    Ok(())
}

fn main() {}
