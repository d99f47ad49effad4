//! Random changes of a store, drawn from earlier sights of its rows, so that some of them are stale.

use fsm_runtime::store::{
    Arm, Attempts, Cause, Change, Checkpoint, Claim, Create, Disarm, Entering, Group, Hold, Key, Note, Origin,
    Override, Purge, Release, Rewrite, Row, SetDesiredState, Transition, Verdict,
};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, time::Duration};
use uuid::Uuid;

/// The machines; instances of both are changed.
pub const MACHINES: [&str; 2] = ["Door", "Gate"];
/// Resting, with work, with a timer, ended, removed on entry.
pub const STATES: [&str; 5] = ["Rest", "Work", "Timed", "Ended", "Removed"];
pub const ENDED: &str = "Ended";
pub const OWNERS: [&str; 2] = ["p0", "p1"];

/// A random draw in small numbers, which [`Seen`] turns into a change.
#[derive(Clone, Copy, Debug)]
pub struct Pick {
    pub instance: u8,
    pub kind: Kind,
    /// How many of the newest sights of the row are skipped.
    pub stale: u8,
    pub idempotency_key: Option<u8>,
    pub into: u8,
    /// Decides the rest of the change.
    pub dice: u8,
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Create,
    Transition,
    WorkersTransition,
    Override,
    Wish,
    Hold,
    Claim,
    Checkpoint,
    Release,
    Arm,
    Disarm,
    Purge,
    Rewrite,
}

/// A change in a form that can be written to a log and read back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Op {
    pub instance: u8,
    incarnation: (u64, u64),
    version: u64,
    idempotency_key: Option<u8>,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum What {
    Create { into: u8, schema: u32 },
    Transition { fence: Option<u64>, from: String, event: u8, into: u8, schema: u32 },
    Override { from: String, into: u8, schema: u32 },
    Wish { seen: Option<String>, dice: u8 },
    Hold { seen: Option<String>, dice: u8 },
    Claim { fence: u64, owner: u8 },
    Checkpoint { fence: u64, dice: u8 },
    Release { fence: u64, owner: Option<String>, dice: u8 },
    Arm { dice: u8 },
    Disarm,
    Purge,
    Rewrite { state: u8, schema: u32 },
}

pub fn key(instance: u8) -> Key {
    Key::new(MACHINES[usize::from(instance) % 2], format!("i{}", instance / 2))
}

impl Op {
    pub fn key(&self) -> Key {
        key(self.instance)
    }

    pub fn incarnation(&self) -> Uuid {
        Uuid::from_u64_pair(self.incarnation.0, self.incarnation.1)
    }

    /// Whether the store answers it with a new fence.
    pub fn claims(&self) -> bool {
        matches!(self.what, What::Claim { .. })
    }

    /// The version after it, if it writes a transition to the history.
    pub fn writes(&self) -> Option<u64> {
        match self.what {
            What::Create { .. } => Some(1),
            What::Transition { .. } | What::Override { .. } => Some(self.version + 1),
            _ => None,
        }
    }

    pub fn change(&self) -> Change {
        let (key, incarnation, version) = (self.key(), self.incarnation(), self.version);
        let idempotency_key = self.idempotency_key.map(|key| format!("k{key}"));
        let origin = Origin { actor: idempotency_key.clone(), trace: None };
        match &self.what {
            What::Create { into, schema } => Change::Create(Create {
                key,
                incarnation,
                into: entering(*into, *schema),
                cause: Cause::Caller,
                idempotency_key,
                origin,
            }),
            What::Transition { fence, from, event, into, schema } => Change::Transition(Transition {
                key,
                incarnation,
                version,
                fence: *fence,
                from: from.clone(),
                event: format!("e{event}"),
                payload: format!("[{into}]"),
                into: entering(*into, *schema),
                cause: if fence.is_some() { Cause::Worker } else { Cause::Caller },
                not_before: None,
                idempotency_key,
                origin,
            }),
            What::Override { from, into, schema } => Change::Override(Override {
                key,
                incarnation,
                version,
                from: from.clone(),
                into: entering(*into, *schema),
                why: "stuck".to_owned(),
                origin,
            }),
            What::Wish { seen, dice } => wish((key, incarnation, version), seen.as_ref(), *dice, origin),
            What::Hold { seen, dice } => hold((key, incarnation, version), seen.as_ref(), *dice, origin),
            What::Claim { fence, owner } => Change::Claim(Claim {
                key,
                incarnation,
                version,
                fence: *fence,
                owner: OWNERS[usize::from(*owner)].to_owned(),
            }),
            What::Checkpoint { fence, dice } => Change::Checkpoint(Checkpoint {
                key,
                incarnation,
                version,
                fence: *fence,
                checkpoint: dice.to_string(),
            }),
            What::Release { fence, owner, dice } => Change::Release(Release {
                key,
                incarnation,
                version,
                fence: *fence,
                owner: owner.clone(),
                retry: (dice & 1 == 0).then_some(Duration::from_micros(u64::from(*dice))),
                attempts: [Attempts::Keep, Attempts::GiveBack, Attempts::Reset][usize::from(*dice) % 3],
                error: (dice & 2 == 0).then(|| format!("failed {dice}")),
                parked: (dice & 0b1100 == 0).then(|| "too often".to_owned()),
                note: (dice & 4 == 0).then(|| Note {
                    about: "noted",
                    text: dice.to_string(),
                    cause: Cause::Operator,
                    origin,
                }),
            }),
            What::Arm { dice } => Change::Arm(Arm {
                key,
                incarnation,
                version,
                work: dice & 1 == 0,
                timer: (dice & 2 == 0).then_some(Duration::from_micros(u64::from(*dice))),
                reason: "declared since".to_owned(),
            }),
            What::Disarm => {
                Change::Disarm(Disarm { key, incarnation, version, not_before: None, reason: "no more".to_owned() })
            }
            What::Purge => Change::Purge(Purge { key, incarnation, version, origin, why: None }),
            What::Rewrite { state, schema } => Change::Rewrite(Rewrite {
                key,
                incarnation,
                version,
                state: STATES[usize::from(*state)].to_owned(),
                data: format!("{{\"schema\":{schema}}}"),
                context: (schema % 2 == 0).then(|| schema.to_string()),
                schema: *schema,
            }),
        }
    }
}

/// The row that a change was read from.
type ReadAs = (Key, Uuid, u64);

fn wish((key, incarnation, version): ReadAs, seen: Option<&String>, dice: u8, origin: Origin) -> Change {
    Change::SetDesiredState(SetDesiredState {
        key,
        incarnation,
        version,
        seen: seen.cloned(),
        desired: (dice & 3 != 0).then(|| format!("w{}", dice & 3)),
        desired_by: (dice & 16 == 0).then(|| format!("a{}", dice & 3)),
        due: (dice & 4 == 0).then_some(Duration::from_micros(u64::from(dice))),
        note: note("wished", dice, Cause::Converge, origin),
    })
}

fn hold((key, incarnation, version): ReadAs, seen: Option<&String>, dice: u8, origin: Origin) -> Change {
    let hold = dice.is_multiple_of(4).then(|| format!("h{}", dice & 4));
    let note = note("held", dice, Cause::Operator, origin);
    Change::Hold(Hold { key, incarnation, version, seen: seen.cloned(), hold, note })
}

fn note(about: &'static str, dice: u8, cause: Cause, origin: Origin) -> Option<Note> {
    (dice & 8 == 0).then(|| Note { about, text: dice.to_string(), cause, origin })
}

fn entering(into: u8, schema: u32) -> Entering {
    let state = STATES[usize::from(into) % STATES.len()];
    Entering {
        state: state.to_owned(),
        data: format!("{{\"n\":{into}}}"),
        context: (into.is_multiple_of(3)).then(|| into.to_string()),
        schema,
        timer: (state == "Timed").then_some(Duration::from_micros(u64::from(into) * 3)),
        work: state == "Work",
        remove: state == "Removed",
    }
}

pub fn group(ops: &[Op]) -> Group {
    Group { changes: ops.iter().map(Op::change).collect() }
}

/// The sights of each instance, the newest last.
#[derive(Clone, Default, Debug)]
pub struct Seen(HashMap<u8, Vec<Sight>>);

#[derive(Clone, Debug)]
struct Sight {
    incarnation: (u64, u64),
    version: u64,
    fence: u64,
    owner: Option<String>,
    desired: Option<String>,
    hold: Option<String>,
    state: String,
    schema: u32,
}

impl Seen {
    pub fn see(&mut self, instance: u8, row: &Row) {
        self.0.entry(instance).or_default().push(Sight {
            incarnation: row.incarnation.as_u64_pair(),
            version: row.version,
            fence: row.fence,
            owner: row.owner.clone(),
            desired: row.desired.clone(),
            hold: row.hold.clone(),
            state: row.state.clone(),
            schema: row.schema,
        });
    }

    pub fn see_verdict(&mut self, ops: &[Op], verdict: &Verdict) {
        match verdict {
            Verdict::Committed { rows } => {
                for (op, row) in ops.iter().zip(rows) {
                    self.see(op.instance, row);
                }
            }
            Verdict::Conflict { change, current: Some(row) } | Verdict::Fenced { change, current: row } => {
                self.see(ops[*change].instance, row);
            }
            _ => {}
        }
    }

    /// The changes of one group, each drawn as if the ones before it were committed.
    pub fn group(&self, picks: &[Pick]) -> Vec<Op> {
        let mut seen = self.clone();
        let ops = picks.iter().map(|pick| {
            let op = seen.op(*pick);
            if let What::Transition { into, .. } = op.what
                && let Some(sight) = seen.0.get(&op.instance).and_then(|sights| sights.last()).cloned()
            {
                let state = STATES[usize::from(into) % STATES.len()].to_owned();
                let next = Sight { version: op.version + 1, state, ..sight };
                seen.0.entry(op.instance).or_default().push(next);
            }
            op
        });
        ops.collect()
    }

    fn op(&self, pick: Pick) -> Op {
        let Pick { instance, kind, stale, idempotency_key, into, dice } = pick;
        let sights = self.0.get(&instance).map_or(&[][..], |sights| sights);
        let sight = sights.iter().rev().nth(usize::from(stale)).or(sights.first()).cloned();
        let new = Uuid::now_v7().as_u64_pair();
        let unseen = Sight {
            incarnation: new,
            version: 1,
            fence: 0,
            owner: None,
            desired: None,
            hold: None,
            state: STATES[0].to_owned(),
            schema: 1,
        };
        let Sight { incarnation, version, fence, owner, desired, hold, state, schema } = sight.unwrap_or(unseen);
        // Sometimes by code that is older than the row.
        let writes = schema - u32::from(dice < 4 && schema > 1);
        let transition = |fence, from| What::Transition { fence, from, event: dice % 2, into, schema: writes };
        let what = match kind {
            Kind::Create => What::Create { into, schema: 1 },
            Kind::Transition => transition(None, state),
            Kind::WorkersTransition => transition(Some(fence), state),
            Kind::Override => What::Override { from: state, into, schema: writes },
            Kind::Wish => What::Wish { seen: desired, dice },
            Kind::Hold => What::Hold { seen: hold, dice },
            Kind::Claim => What::Claim { fence, owner: dice % 2 },
            Kind::Checkpoint => What::Checkpoint { fence, dice },
            Kind::Release => What::Release { fence, owner, dice },
            Kind::Arm => What::Arm { dice },
            Kind::Disarm => What::Disarm,
            Kind::Purge => What::Purge,
            Kind::Rewrite => What::Rewrite { state: dice % 2, schema: schema + u32::from(dice % 2) },
        };
        let incarnation = if matches!(what, What::Create { .. }) { new } else { incarnation };
        let idempotency_key = idempotency_key.filter(|_| matches!(what, What::Create { .. } | What::Transition { .. }));
        Op { instance, incarnation, version, idempotency_key, what }
    }
}
