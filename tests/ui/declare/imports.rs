//! What is imported for the attributes of a wrong declaration is no unused import.
#![deny(unused)]
use std::{
    borrow::Cow,
    collections::BTreeMap as Map,
    fmt::Debug as Shown,
    net::IpAddr,
    rc::Rc,
    time::Duration,
};

use fsm_runtime::prelude::*;
use serde::{Deserialize, Serialize};

use self::rules::{MINUTE, addressed, build as by_hand, free};

mod rules {
    pub mod build {}
    pub const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);
    pub fn addressed() {}
    pub fn free() {}
}

#[derive(StateMachine)]
#[fsm(initial = Started, durable, derive(Serialize, Deserialize, Shown), context = Map<u8, Duration>)]
#[on(stop { why: Cow<'static, str> } => Stopped, guard = free)]
pub enum Server {
    #[state(work, progress = Option<Rc<u8>>)]
    #[on(ready { addr: IpAddr } => Running, guard = addressed, with = by_hand::running)]
    #[on(anew { before: Box<Self> } => Starting, with = Self::anew)]
    #[after(MINUTE, ready { addr: [0, 0, 0, 0].into() })]
    Starting,
    #[on(anew => Starting, with = crate::rules::anew)]
    Running,
    #[state(end)]
    Stopped,
}

fn main() {}
