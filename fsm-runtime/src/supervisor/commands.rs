//! Command handling, with OTP's semantics.

use super::{
    builder::Strategy,
    child::Child,
    child_state::{ChildEntry, Phase, Rest, Stage, Starter, Then},
    error::ChildError,
    handle::{Answer, Command, Supervisor},
    report::{ChildState, Counts},
    task::{Goal, SupervisorTask},
};

impl SupervisorTask {
    pub(super) fn on_command(&mut self, command: Command) {
        // The receiver of a result may be gone; the command is carried out anyway.
        match command {
            Command::Start(child, answer) => self.start_child(child, answer),
            Command::Terminate(id, answer) => self.terminate(id, answer),
            Command::Restart(id, answer) => self.restart(id, answer),
            Command::Remove(id, answer) => {
                let _ = answer.send(self.remove(id));
            }
            Command::Children(answer) => {
                let now = self.now();
                let _ = answer.send(Ok(self.entries.values().map(|entry| entry.info(now)).collect()));
            }
            Command::Counts(answer) => {
                let _ = answer.send(Ok(self.counts()));
            }
            Command::Supervisor(id, answer) => {
                let _ = answer.send(self.supervisor(id));
            }
            Command::Shutdown(deadline) => {
                let deadline = self.now().saturating_add(deadline);
                self.end(Goal::Shutdown, Some(deadline));
            }
        }
    }

    fn start_child(&mut self, child: Child, answer: Answer<()>) {
        if let Err(refused) = self.can_add(&child) {
            let _ = answer.send(Err(refused));
            return;
        }
        let key = self.add(child, true, Some(Starter { answer, is_new: true }));
        // A group restart in progress starts it in its turn.
        if self.sequence.is_none() || self.strategy == Strategy::OneForOne {
            self.start(key);
        }
    }

    fn can_add(&self, child: &Child) -> Result<(), ChildError> {
        if self.ending.is_some() {
            return Err(ChildError::Ended);
        }
        child.check()?;
        let id = child.id.to_string();
        match self.ids.get(&child.id).and_then(|key| self.entries.get(key)).map(|entry| entry.phase) {
            None => Ok(()),
            Some(Phase::Idle(_)) => Err(ChildError::AlreadyPresent(id)),
            Some(_) => Err(ChildError::AlreadyStarted(id)),
        }
    }

    fn terminate(&mut self, id: String, answer: Answer<()>) {
        let (key, entry) = match self.find(&id) {
            Ok(found) => found,
            Err(error) => {
                let _ = answer.send(Err(error));
                return;
            }
        };
        let then = entry.stopped();
        entry.answer_starter(Err(ChildError::Stopping(id.clone())));
        match entry.phase {
            Phase::Starting | Phase::Running => {
                entry.stoppers.push(answer);
                self.stop(key, then);
            }
            Phase::Leaving(stage, _) => {
                entry.phase = Phase::Leaving(stage, then);
                if stage == Stage::Leaked {
                    let _ = answer.send(Err(ChildError::Leaked(id)));
                } else {
                    entry.stoppers.push(answer);
                }
            }
            Phase::Idle(_) | Phase::Waiting => {
                entry.phase = Phase::Idle(Rest::Terminated);
                let _ = answer.send(Ok(()));
                self.set_timer(key, None);
                if then == Then::Forget {
                    self.forget(key);
                }
            }
        }
    }

    fn restart(&mut self, id: String, answer: Answer<()>) {
        // A group start in progress skips children that were stopped manually; do not interfere with it.
        let in_round = self.sequence.is_some() && self.strategy != Strategy::OneForOne;
        let refused = match self.find(&id) {
            Err(error) => error,
            Ok((_, entry)) if !matches!(entry.phase, Phase::Idle(_)) => busy(entry, id),
            Ok(_) if in_round => ChildError::Restarting(id),
            Ok((key, entry)) => {
                entry.starter = Some(Starter { answer, is_new: false });
                entry.in_a_row = 0;
                self.start(key);
                return;
            }
        };
        let _ = answer.send(Err(refused));
    }

    fn remove(&mut self, id: String) -> Result<(), ChildError> {
        let (key, entry) = self.find(&id)?;
        if !matches!(entry.phase, Phase::Idle(_)) {
            return Err(busy(entry, id));
        }
        self.forget(key);
        Ok(())
    }

    fn supervisor(&mut self, id: String) -> Result<Supervisor, ChildError> {
        let (_, entry) = self.find(&id)?;
        if !entry.spec.is_supervisor {
            return Err(ChildError::NotASupervisor(id));
        }
        let running = matches!(entry.phase, Phase::Starting | Phase::Running).then_some(()).and(entry.live.as_ref());
        let handle =
            running.and_then(|live| live.run.descendants.as_ref()).and_then(|descendants| descendants.handle.get());
        handle.cloned().ok_or_else(|| match entry.state() {
            ChildState::Starting | ChildState::Running | ChildState::Restarting => ChildError::Restarting(id),
            _ => ChildError::Stopping(id),
        })
    }

    fn find(&mut self, id: &str) -> Result<(u64, &mut ChildEntry), ChildError> {
        if self.ending.is_some() {
            return Err(ChildError::Ended);
        }
        let missing = || ChildError::NotFound(id.to_owned());
        let key = *self.ids.get(id).ok_or_else(missing)?;
        self.entries.get_mut(&key).map(|entry| (key, entry)).ok_or_else(missing)
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts { specs: self.entries.len(), ..Counts::default() };
        for entry in self.entries.values() {
            counts.active += usize::from(entry.live.is_some());
            counts.supervisors += usize::from(entry.spec.is_supervisor);
            counts.restarting += usize::from(entry.state() == ChildState::Restarting);
            counts.leaked += usize::from(entry.state() == ChildState::Leaked);
        }
        counts.workers = counts.specs - counts.supervisors;
        counts
    }
}

/// The error for restarting or removing a child that is not stopped.
fn busy(entry: &ChildEntry, id: String) -> ChildError {
    match entry.phase {
        Phase::Waiting | Phase::Leaving(Stage::Told | Stage::Aborted, Then::Restart) => ChildError::Restarting(id),
        Phase::Leaving(Stage::Leaked, _) => ChildError::Leaked(id),
        Phase::Leaving(..) => ChildError::Stopping(id),
        // A retried start is still a restart.
        Phase::Starting if entry.restarts > 0 && entry.starter.is_none() => ChildError::Restarting(id),
        Phase::Idle(_) | Phase::Starting | Phase::Running => ChildError::Running(id),
    }
}
