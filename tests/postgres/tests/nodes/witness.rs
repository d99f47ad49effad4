//! Checks from outside what processes did: by the server's tables, by the files of their visible effects, and by the answers that their
//! callers got.

use super::process::{Errand, Node, now};
use std::collections::{BTreeMap, HashMap, HashSet};
use tests_postgres::Server;
use tokio_postgres::Client;

/// What was done to processes.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Which processes were killed, and when.
    pub(crate) kills: Vec<(u32, u64)>,
    /// When a process was stopped, and continued.
    pub(crate) stops: HashMap<u32, Vec<(u64, u64)>>,
    /// Stretches in which leases may have lapsed, because their server was down.
    pub(crate) outages: Vec<(u64, u64)>,
}

impl Faults {
    /// When process `pid` was killed, if it was there at `at`. In a long run, a later process may have its id.
    pub(crate) fn killed(&self, pid: u32, at: u64) -> Option<u64> {
        self.kills.iter().filter(|(killed, when)| *killed == pid && *when >= at).map(|(_, when)| *when).min()
    }
}

pub(crate) struct Witness {
    client: Client,
    node: Node,
}

/// An entry of the history.
#[derive(Debug)]
struct Entry {
    version: i64,
    from: Option<String>,
    event: Option<String>,
    to: String,
    cause: String,
    payload: Option<String>,
    fence: i64,
}

/// The visible effect of one claim.
#[derive(Debug)]
struct Effect {
    version: i64,
    fence: i64,
    pid: u32,
    began: u64,
    /// Whether the worker returned.
    is_done: bool,
    ended: Option<u64>,
}

/// What was found, for a line of output.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) instances: usize,
    pub(crate) answers: usize,
    pub(crate) results: usize,
    pub(crate) effects: usize,
}

impl Witness {
    pub(crate) async fn new(server: &Server, node: &Node) -> Self {
        Self { client: server.connect().await, node: node.clone() }
    }

    async fn numbers(&self, query: &str) -> i64 {
        let query = query.replace("{schema}", &self.node.schema);
        self.client.query_one(&query, &[]).await.expect("the server answers").get(0)
    }

    /// How many instances have not ended.
    pub(crate) async fn under_way(&self) -> i64 {
        self.numbers("SELECT count(*) FROM {schema}.instances WHERE state NOT IN ('Done', 'Undone')").await
    }

    /// How many transactions of lanes are open and wait for their client.
    pub(crate) async fn waiting_transactions(&self) -> i64 {
        self.numbers(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fsm lane' AND state LIKE 'idle in tr%'",
        )
        .await
    }

    fn lines(&self, file: &str) -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(self.node.folder.join(file)).unwrap_or_default();
        text.lines().map(|line| line.splitn(6, ' ').map(str::to_owned).collect()).collect()
    }

    /// The process of each effect that has begun on `id`, in order.
    pub(crate) fn began(&self, id: &str) -> Vec<u32> {
        let lines = self.lines("effects");
        let began = lines.iter().filter(|line| line[0] == "begin" && line[1] == id);
        began.map(|line| line[4].parse().expect("a process")).collect()
    }

    /// How many answers the callers of `node` got.
    pub(crate) fn answers_of(&self, node: &str) -> usize {
        let prefix = format!("{node}-");
        self.lines("answers").iter().filter(|line| line[0] != "error" && line[1].starts_with(&prefix)).count()
    }

    /// Checks everything.
    ///
    /// # Panics
    /// If a change that was acknowledged is not there, if the history is not an unbroken legal chain that ends in the row, if a result was
    /// not stored under the claim of its effect, if two effects of one instance overlap under live leases, or if a caller got an error.
    pub(crate) async fn check(&self, faults: &Faults) -> Summary {
        let (histories, effects) = (self.histories().await, self.effects(faults));
        let mut summary = Summary { instances: histories.len(), ..Summary::default() };
        for (id, history) in &histories {
            let of_instance = effects.get(id).map_or(&[][..], |effects| &effects[..]);
            summary.results += chain(id, history, of_instance);
            overlaps(id, of_instance, faults);
            summary.effects += of_instance.len();
        }
        self.rows(&histories).await;
        let mut fences = HashSet::new();
        for effect in effects.values().flatten() {
            assert!(fences.insert(effect.fence), "fence {} was given twice", effect.fence);
        }
        for line in self.lines("answers") {
            let version: i64 = line[2].parse().expect("a version");
            assert_ne!(line[0], "error", "{line:?}");
            let entries =
                histories.get(&line[1]).unwrap_or_else(|| panic!("{line:?} was acknowledged, and is not there"));
            let entry = entries.iter().find(|entry| entry.version == version);
            let entry = entry.unwrap_or_else(|| panic!("{line:?} was acknowledged, and has no entry in {entries:?}"));
            assert_eq!(entry.event.as_deref().unwrap_or("create"), line[0], "{entry:?}");
            summary.answers += 1;
        }
        summary
    }

    async fn histories(&self) -> BTreeMap<String, Vec<Entry>> {
        let query = format!(
            "SELECT id, version, from_state, event, to_state, cause, payload, fence FROM {}.history
             WHERE machine = 'Errand' AND kind <> 'note' ORDER BY sequence",
            self.node.schema
        );
        let mut histories: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for row in self.client.query(&query, &[]).await.expect("the server answers") {
            histories.entry(row.get(0)).or_default().push(Entry {
                version: row.get(1),
                from: row.get(2),
                event: row.get(3),
                to: row.get(4),
                cause: row.get(5),
                payload: row.get(6),
                fence: row.get(7),
            });
        }
        histories
    }

    /// Each row is where its history ends.
    async fn rows(&self, histories: &BTreeMap<String, Vec<Entry>>) {
        let query = format!("SELECT id, version, state FROM {}.instances WHERE machine = 'Errand'", self.node.schema);
        let rows = self.client.query(&query, &[]).await.expect("the server answers");
        assert_eq!(rows.len(), histories.len());
        for row in rows {
            let (id, version, state): (String, i64, String) = (row.get(0), row.get(1), row.get(2));
            let last = histories[&id].last().expect("a creation");
            assert_eq!((last.version, &last.to), (version, &state), "{id}");
        }
    }

    /// By instance, in the order of their starts.
    fn effects(&self, faults: &Faults) -> BTreeMap<String, Vec<Effect>> {
        let mut all: BTreeMap<String, Vec<Effect>> = BTreeMap::new();
        for line in self.lines("effects") {
            let number = |place: usize| line[place].parse::<u64>().expect("a number");
            let (fence, pid) =
                (i64::try_from(number(3)).expect("a fence"), u32::try_from(number(4)).expect("a process"));
            let of_instance = all.entry(line[1].clone()).or_default();
            if line[0] == "begin" {
                let version = i64::try_from(number(2)).expect("a version");
                of_instance.push(Effect { version, fence, pid, began: number(5), is_done: false, ended: None });
                continue;
            }
            let effect = of_instance.iter_mut().find(|effect| effect.fence == fence).expect("what ends has begun");
            match &*line[0] {
                "done" => effect.is_done = true,
                _ => effect.ended = Some(number(5)),
            }
        }
        for effect in all.values_mut().flatten() {
            effect.ended = effect.ended.or_else(|| faults.killed(effect.pid, effect.began));
        }
        all
    }
}

/// The history is an unbroken legal chain to the end, and each result was stored under the claim of its effect. Returns the results.
fn chain(id: &str, history: &[Entry], effects: &[Effect]) -> usize {
    let (mut results, mut fence) = (0, 0);
    for (place, entry) in (0..).zip(history) {
        assert_eq!(entry.version, place + 1, "{id}: {history:?}");
        let before = history.iter().rev().find(|before| before.version == entry.version - 1);
        assert_eq!(entry.from.as_ref(), before.map(|before| &before.to), "{id}: {entry:?}");
        assert!(entry.fence >= fence, "{id}: an older claim came after a newer one: {entry:?}");
        fence = entry.fence;
        let Some(event) = entry.event.as_deref() else { continue };
        let declared = Errand::GRAPH.transition(entry.from.as_deref().unwrap_or_default(), event);
        assert!(declared.is_some_and(|declared| declared.to.contains(&&*entry.to)), "{id}: {entry:?}");
        if entry.cause == "worker" {
            results += 1;
            let payload: serde_json::Value =
                serde_json::from_str(entry.payload.as_deref().unwrap_or("null")).expect("JSON");
            assert_eq!(payload["fence"].as_i64(), Some(entry.fence), "{id}: a result under another claim: {entry:?}");
            let effect = effects.iter().find(|effect| effect.fence == entry.fence);
            let effect = effect.unwrap_or_else(|| panic!("{id}: a result without an effect: {entry:?}"));
            assert_eq!((effect.version + 1, effect.is_done), (entry.version, true), "{id}: {entry:?}");
        }
    }
    let last = &history.last().expect("a creation").to;
    assert!(matches!(&**last, "Done" | "Undone"), "{id} ended in {last}");
    results
}

/// No effects of one instance overlap, unless the lease of the first one may have lapsed meanwhile.
fn overlaps(id: &str, effects: &[Effect], faults: &Faults) {
    let may_have_lapsed = |effect: &Effect, ended: u64| {
        let stops = faults.stops.get(&effect.pid).into_iter().flatten();
        stops.chain(&faults.outages).any(|(from, to)| *from < ended && effect.began < *to)
    };
    for (place, one) in effects.iter().enumerate() {
        let ended = one.ended.unwrap_or_else(now);
        for other in effects[place + 1..].iter().filter(|other| other.began < ended) {
            assert!(may_have_lapsed(one, ended), "{id}: {other:?} began while another was at it: {one:?}");
        }
    }
}
