//! The timers of a row, and their stored form.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

/// A timer that starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// The event that it fires, which identifies it within its state.
    pub event: String,
    /// When it fires.
    pub due: TimerDue,
}

/// When a timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerDue {
    /// This long after the change, by the clock that the store counts by.
    After(Duration),
    /// At this time, which may have passed: then it is due at once.
    At(SystemTime),
    /// Never: it does not run, also if it did before.
    Never,
}

impl From<Option<Duration>> for TimerDue {
    fn from(delay: Option<Duration>) -> Self {
        delay.map_or(Self::Never, Self::After)
    }
}

impl From<Option<SystemTime>> for TimerDue {
    fn from(time: Option<SystemTime>) -> Self {
        time.map_or(Self::Never, Self::At)
    }
}

/// The stored form of timers: a JSON object with the due time of each event, in microseconds since 1970. `micros` gives the due time of a
/// timer. One that never fires is `null`, as in a JSON merge patch (RFC 7396).
#[must_use]
pub fn timers_json(timers: &[Timer], micros: impl Fn(TimerDue) -> Option<i64>) -> String {
    let due: BTreeMap<&str, Option<i64>> =
        timers.iter().map(|timer| (timer.event.as_str(), micros(timer.due))).collect();
    // A map of texts and numbers is always JSON.
    serde_json::to_string(&due).unwrap_or_default()
}

/// The timers of a row from their stored form.
///
/// # Errors
/// If it is not what [`timers_json`] writes, or a time is outside the calendar.
pub fn timers_from_json(stored: &str) -> Result<BTreeMap<String, SystemTime>, String> {
    let due: BTreeMap<String, i64> = serde_json::from_str(stored).map_err(|error| error.to_string())?;
    let time = |micros: i64| {
        let distance = Duration::from_micros(micros.unsigned_abs());
        let epoch = SystemTime::UNIX_EPOCH;
        if micros < 0 { epoch.checked_sub(distance) } else { epoch.checked_add(distance) }
    };
    let read = |(event, micros)| Some((event, time(micros)?));
    due.into_iter().map(|it| read(it).ok_or_else(|| "a time outside the calendar".to_owned())).collect()
}
