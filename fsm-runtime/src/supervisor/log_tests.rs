//! Tests of a supervisor's log events.

use super::{Child, Restarts, Supervisor};
use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Keeps each event in a line: its level, its message, and its fields.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// What has been kept since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

#[tokio::test]
async fn s13_failures_and_giving_up_are_logged() {
    let lines = Lines::default();
    let _logged = tracing::subscriber::set_default(lines.clone());
    let child = Child::new("a", |ctx| async move { panic!("run {}", ctx.run()) });
    let restarts = Restarts::Intensity { max: 1, window: Duration::from_mins(1) };
    let supervisor = Supervisor::builder().restarts(restarts).child(child).start().await.unwrap();
    assert!(supervisor.ended().await.is_err());
    assert_eq!(
        *lines.0.lock().unwrap(),
        [
            r#"WARN message=child failed id="a" run=1 failure=panicked: run 1 restart_in=0ns"#,
            r#"ERROR message=child failed too often; supervisor gives up id="a" run=2 failure=panicked: run 2 failures=2"#,
        ]
    );
}
