//! Hostile ids, names, payloads, keys and actors: returned exactly, or refused with a typed reason.

use fsm_runtime::{
    ReadError, Runtime, TransitionError,
    store::{
        Cause, Change, Create, Entering, Filter, Group, HistoryQuery, Key, MAX_KEY_BYTES, MAX_TEXT_BYTES, Origin,
        Store, Transition, Verdict, sqlite::Sqlite,
    },
};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use uuid::Uuid;

mod letter {
    use fsm_runtime::prelude::*;
    use serde::{Deserialize, Serialize};

    /// A letter.
    #[derive(StateMachine)]
    #[fsm(initial = Open, durable, derive(Serialize, Deserialize))]
    pub(super) enum Letter {
        /// Being written.
        #[on(seal { by: String } => Sealed)]
        Open { text: String },
        /// Written.
        #[state(end)]
        Sealed { text: String, by: String },
    }
}
use letter::{Letter, letter as states};

/// Text that is known to break programs, and combinations of it.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("'"),
        Just("\""),
        Just("`"),
        Just("\\"),
        Just("\0"),
        Just("'; DROP TABLE fsm_instances; --"),
        Just("%_?1"),
        Just("\u{202e}"),
        Just("\u{200f}"),
        Just("\u{301}"),
        Just("e\u{301}"),
        Just("\u{e9}"),
        Just("👩‍👩‍👧"),
        Just("\u{feff}"),
        Just("\r\n\t"),
        Just("\u{1b}[31m"),
        Just("\u{10ffff}"),
        Just("/../"),
        Just("{\"a\":1}"),
        Just(" "),
        Just("NULL"),
    ]
    .prop_map(str::to_owned);
    let text = prop_oneof![4 => piece, 1 => any::<String>()];
    prop_oneof![
        9 => vec(text.clone(), 0..5).prop_map(|texts| texts.concat()),
        1 => (text, 200_usize..600).prop_map(|(text, times)| text.repeat(times)),
    ]
}

/// Nearly as large as a text may be.
fn large() -> String {
    "\u{301}'\0\"👩".repeat(MAX_TEXT_BYTES / 20)
}

fn check<T: std::fmt::Debug>(cases: u32, strategy: impl Strategy<Value = T>, test: impl AsyncFn(T)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&strategy, |value| {
            runtime.block_on(test(value));
            Ok(())
        })
        .unwrap();
}

/// Through the store, whose only rule for keys is that no part is empty. All other text is returned exactly.
async fn stored(store: &Sqlite, [machine, id, text, used, actor]: [String; 5]) {
    // A key is shorter, and twice of it is used, too.
    let used = used[..used.floor_char_boundary(MAX_KEY_BYTES / 2 - 1)].to_owned();
    let key = Key::new(machine.as_str(), id.as_str());
    let origin = Origin { actor: Some(actor.clone()), trace: Some(text.clone()) };
    let entering = |state: &str| Entering {
        state: state.to_owned(),
        data: text.clone(),
        context: Some(text.clone()),
        schema: 1,
        timers: Vec::new(),
        work: false,
        remove: false,
    };
    let incarnation = Uuid::now_v7();
    let create = Create {
        key: key.clone(),
        incarnation,
        into: entering(&text),
        cause: Cause::Caller,
        idempotency_key: Some(used.clone()),
        origin: origin.clone(),
    };
    let fire = Transition {
        key: key.clone(),
        incarnation,
        version: 1,
        fence: None,
        from: text.clone(),
        event: actor.clone(),
        payload: text.clone(),
        into: entering(&used),
        internal: false,
        cause: Cause::Caller,
        not_before: None,
        idempotency_key: Some(format!("{used}{used}'")),
        origin,
    };
    let both: Vec<Group> = vec![Change::Create(create).into(), Change::Transition(fire).into()];
    let now = std::time::SystemTime::now();
    let verdicts = store.commit(both.clone(), now).await.unwrap();
    if key.machine.is_empty() || key.id.is_empty() {
        let Verdict::Refused { change: 0, reason } = &verdicts[0] else { panic!("{verdicts:?}") };
        assert!(reason.ends_with("that is not empty"), "{reason}");
        assert!(matches!(verdicts[1], Verdict::Conflict { current: None, .. }), "{verdicts:?}");
        assert_eq!((store.get(key).await.unwrap(), store.last_sequence().await.unwrap()), (None, 0));
        return;
    }
    assert!(verdicts.iter().all(|verdict| matches!(verdict, Verdict::Committed { .. })), "{verdicts:?}");
    let row = store.get(key.clone()).await.unwrap().unwrap();
    assert_eq!((&row.key, &row.state, &row.data, &row.context), (&key, &used, &text, &Some(text.clone())));
    let query = HistoryQuery { key: Some(key.clone()), by_operators: false, after: 0, newest_first: false, limit: 10 };
    let entries = store.history(query).await.unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(
        (&entries[0].to, &entries[0].idempotency_key, &entries[0].actor),
        (&text, &Some(used.clone()), &Some(actor.clone()))
    );
    assert_eq!(
        (&entries[1].from, &entries[1].event, &entries[1].payload),
        (&Some(text.clone()), &Some(actor), &Some(text))
    );
    assert_eq!(store.find_by_idempotency_key(key.clone(), used).await.unwrap().as_ref(), Some(&entries[0]));
    let again = store.commit(both, now).await.unwrap();
    assert!(again.iter().all(|verdict| matches!(verdict, Verdict::Duplicate { .. })), "{again:?}");
    let page = store.list(Filter { limit: 10, ..Filter::new(machine) }).await.unwrap();
    assert!(page.items.iter().any(|row| row.key == key), "{key:?}");
}

#[test]
fn x7_the_store_returns_hostile_text_exactly() {
    check(48, [hostile(), hostile(), hostile(), hostile(), hostile()], async |texts| {
        stored(&Sqlite::in_memory().unwrap(), texts).await;
    });
}

#[tokio::test]
async fn x7_the_store_returns_the_largest_text_in_every_place() {
    stored(&Sqlite::in_memory().unwrap(), std::array::from_fn(|_| large())).await;
}

#[test]
fn x7_records_return_hostile_text_or_refuse_it() {
    check(48, [hostile(), hostile(), hostile(), hostile()], async |texts| typed(texts).await);
}

#[tokio::test]
async fn x7_a_large_text_is_refused_only_as_an_id_or_a_key() {
    typed([large(), large(), large(), large()]).await;
    typed(["a".to_owned(), large(), large(), large()]).await;
    typed(["a".to_owned(), large(), "k".repeat(MAX_KEY_BYTES), large()]).await;
}

/// Through the typed handles.
async fn typed([id, text, used, actor]: [String; 4]) {
    let runtime = Runtime::builder(Sqlite::in_memory().unwrap()).start().await.unwrap();
    let letters = runtime.machines::<Letter>().with_actor(actor.as_str());
    let made = letters.create_with_key(&id, states::Open { text: text.clone() }, used.as_str()).await;
    let usable = !id.is_empty() && id.len() <= fsm_runtime::MAX_ID_BYTES && !id.contains('\0');
    let open = match made {
        Ok(open) => open,
        Err(TransitionError::InvalidId { why }) => {
            assert!(!usable, "{why}");
            assert!(!why.contains('\0') && why.len() < 2_000, "{why}");
            assert!(matches!(letters.get(&id).await, Err(ReadError::NotFound { .. })));
            return;
        }
        Err(TransitionError::TooLarge { what: "idempotency key", limit: MAX_KEY_BYTES, .. }) => {
            assert!(used.len() > MAX_KEY_BYTES, "{used}");
            return;
        }
        Err(other) => panic!("{other}"),
    };
    assert!(usable && used.len() <= MAX_KEY_BYTES, "{id:?} was accepted");
    assert_eq!((open.id(), &open.text), (id.as_str(), &text));
    let sealed = open.seal(actor.clone()).await.unwrap();
    assert_eq!((&sealed.text, &sealed.by), (&text, &actor));
    let found = letters.get_in::<states::Sealed>(&id).await.unwrap().unwrap();
    assert_eq!((found.id(), &found.text, &found.by), (id.as_str(), &text, &actor));
    let history = letters.history(&id, &HistoryQuery::new().limit(10)).await.unwrap().items;
    assert_eq!(history.len(), 2);
    assert!(history.iter().all(|entry| entry.actor.as_ref() == Some(&actor) && *entry.key.id == *id));
    assert_eq!(history[0].idempotency_key.as_ref(), Some(&used));
    runtime.shutdown(std::time::Duration::from_secs(1)).await;
}
