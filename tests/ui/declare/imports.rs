//! Imports that only the attributes of an invalid declaration use are not reported as unused.
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

use self::rules::{LATE, MINUTE, Made, addressed, begin, build as by_hand, free, names, message};

mod rules {
    pub mod build {}
    pub const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);
    pub fn addressed() {}
    pub fn begin() {}
    pub fn free() {}
    pub const LATE: &str = "late";
    pub fn message(of: &impl ToString) -> String {
        of.to_string()
    }
    pub mod names {
        pub const NOBODY: u8 = 0;
    }
    pub struct Made {
        pub by: u8,
    }
}

#[derive(StateMachine)]
#[fsm(initial = Started, durable, derive(Serialize, Deserialize, Shown), context = Map<u8, Duration>)]
#[on(stop { why: Cow<'static, str> } => Stopped, guard = free)]
pub enum Server {
    #[state(work, checkpoint = Option<Rc<u8>>, exhausted = give_up { why: message(&error), by: names::NOBODY })]
    #[on(ready { addr: IpAddr } => Running, guard = addressed, with = by_hand::running)]
    #[on(anew { before: Box<Self> } => Starting, with = Self::anew)]
    #[on(give_up { why: String, by: u8 } => Stopped)]
    #[after(MINUTE, ready { addr: [0, 0, 0, 0].into() })]
    Starting,
    #[state(enter = begin)]
    #[on(anew => Starting, with = crate::rules::anew)]
    #[on(give_up => Stopped)]
    #[after(2 * MINUTE, give_up { why: [LATE].map(|late| format!("{late}")).concat(), by: Made { by: 1 }.by })]
    Running,
    #[state(end)]
    Stopped,
}

fn main() {}
