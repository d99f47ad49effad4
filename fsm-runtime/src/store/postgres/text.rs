//! Text that the server cannot store: it has no character NUL.

use crate::store::{Change, Entering, Group, Note, Origin, Timer, Verdict};

/// Replaces NUL in texts that come from errors: a worker's error must not keep its instance from being released.
pub(super) fn replace_nul(group: &mut Group) {
    for change in &mut group.changes {
        if let Change::Release(release) = change {
            for text in [&mut release.error, &mut release.parked].into_iter().flatten() {
                replace(text);
            }
            if let Some(note) = &mut release.note {
                replace(&mut note.text);
            }
        }
    }
}

fn replace(text: &mut String) {
    if text.contains('\0') {
        *text = text.replace('\0', "\u{fffd}");
    }
}

/// The verdict on the first change that the server would refuse for its key or a text of it.
pub(super) fn refused(group: &Group) -> Option<Verdict> {
    group.changes.iter().enumerate().find_map(|(place, change)| {
        let empty = match change {
            Change::Create(create) => create.key.empty_part(),
            _ => None,
        };
        let reason = match empty {
            Some(what) => format!("an instance needs {what} that is not empty"),
            None => format!("the {} contains the character NUL, which PostgreSQL does not store", nul(change)?),
        };
        Some(Verdict::Refused { change: place, reason })
    })
}

/// Which text of the change contains NUL.
fn nul(change: &Change) -> Option<&'static str> {
    let key = change.key();
    let mut texts = vec![("machine's name", Some(&*key.machine)), ("id", Some(&*key.id))];
    match change {
        Change::Create(it) => {
            texts.extend(of_state(&it.into));
            texts.push(("idempotency key", it.idempotency_key.as_deref()));
            texts.extend(of_origin(&it.origin));
        }
        Change::Transition(it) => {
            texts.extend(of_state(&it.into));
            texts.extend([
                ("former state", Some(&*it.from)),
                ("event", Some(&*it.event)),
                ("payload", Some(&*it.payload)),
                ("idempotency key", it.idempotency_key.as_deref()),
            ]);
            texts.extend(of_origin(&it.origin));
        }
        Change::Override(it) => {
            texts.extend(of_state(&it.into));
            texts.extend([("former state", Some(&*it.from)), ("reason", Some(&*it.why))]);
            texts.extend(of_origin(&it.origin));
        }
        Change::Rewrite(it) => {
            texts.extend([("state", Some(&*it.state)), ("data", Some(&*it.data)), ("context", it.context.as_deref())]);
        }
        Change::Claim(it) => texts.push(("owner", Some(&*it.owner))),
        Change::SaveCheckpoint(it) => texts.push(("checkpoint", Some(&*it.checkpoint))),
        Change::Release(it) => {
            texts.push(("owner", it.owner.as_deref()));
            texts.extend(it.note.iter().flat_map(|note| of_origin(&note.origin)));
        }
        Change::Arm(it) => {
            texts.extend(of_timers(&it.timers));
            texts.push(("reason", Some(&*it.reason)));
        }
        Change::Disarm(it) => texts.extend([("event of the timer", Some(&*it.timer)), ("reason", Some(&*it.reason))]),
        Change::SetDesiredState(it) => {
            texts.extend([("former desired state", it.seen.as_deref()), ("desired state", it.desired.as_deref())]);
            texts.push(("actor", it.desired_by.as_deref()));
            texts.extend(it.note.iter().flat_map(of_note));
        }
        Change::Hold(it) => {
            texts.extend([("former hold", it.seen.as_deref()), ("reason", it.hold.as_deref())]);
            texts.extend(it.note.iter().flat_map(of_note));
        }
        Change::Purge(it) => {
            texts.push(("reason", it.why.as_deref()));
            texts.extend(of_origin(&it.origin));
        }
    }
    texts.into_iter().find(|(_, text)| text.is_some_and(|text| text.contains('\0'))).map(|(what, _)| what)
}

fn of_state(into: &Entering) -> impl Iterator<Item = (&'static str, Option<&str>)> {
    let state = [("state", Some(&*into.state)), ("data", Some(&*into.data)), ("context", into.context.as_deref())];
    state.into_iter().chain(of_timers(&into.timers))
}

fn of_timers(timers: &[Timer]) -> impl Iterator<Item = (&'static str, Option<&str>)> {
    timers.iter().map(|timer| ("event of a timer", Some(&*timer.event)))
}

fn of_origin(origin: &Origin) -> [(&'static str, Option<&str>); 2] {
    [("actor", origin.actor.as_deref()), ("trace", origin.trace.as_deref())]
}

fn of_note(note: &Note) -> [(&'static str, Option<&str>); 3] {
    let [actor, trace] = of_origin(&note.origin);
    [("note", Some(&*note.text)), actor, trace]
}
