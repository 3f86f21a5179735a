//! What rows do when nothing goes wrong.

use std::collections::BTreeMap;

use bgtask_store::{HistoryQuery, Row, StateRow, Store, StoreError};
use proptest::prelude::*;

use crate::{delete, event, put, state};

#[test]
fn put_replaces_and_delete_removes_in_the_order_given() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    store.commit(&[put("a", "1"), put("b", "1"), put("a", "2"), delete("b"), delete("never was")]).unwrap();
    assert_eq!(state(&store), BTreeMap::from([("a".to_owned(), "2".to_owned())]));
}

#[test]
fn kinds_are_apart_and_load_is_ordered() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    let row = |kind, key: &str| Row::Put { kind, key: key.to_owned(), value: format!("{kind} {key}") };
    store.commit(&[row("z", "1"), row("a", "2"), row("a", "1")]).unwrap();
    let mut seen = Vec::new();
    store
        .load(|StateRow { kind, key, value }| {
            seen.push((kind.to_owned(), key.to_owned()));
            assert_eq!(value, format!("{kind} {key}"));
            Ok::<(), StoreError>(())
        })
        .unwrap();
    assert_eq!(seen, [("a", "1"), ("a", "2"), ("z", "1")].map(|(kind, key)| (kind.to_owned(), key.to_owned())));
}

#[test]
fn load_stops_at_the_readers_first_error() {
    #[derive(Debug)]
    enum Mine {
        Unreadable,
        Store,
    }
    impl From<StoreError> for Mine {
        fn from(_: StoreError) -> Self {
            Self::Store
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    store.commit(&[put("a", "1"), put("b", "1")]).unwrap();
    let mut calls = 0;
    let result = store.load(|_| {
        calls += 1;
        Err(Mine::Unreadable)
    });
    assert!(matches!(result, Err(Mine::Unreadable)), "{result:?}");
    assert_eq!(calls, 1);
}

#[test]
fn an_empty_batch_is_no_commit() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    store.commit(&[]).unwrap();
    assert_eq!(store.statistics().unwrap().commits, 0);
}

#[test]
fn history_is_filtered_and_comes_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    let mut with_instance = event("b", 40, "4");
    if let Row::History(row) = &mut with_instance {
        row.instance = Some("run".to_owned());
    }
    store.commit(&[event("a", 10, "1"), event("b", 20, "2"), event("a", 30, "3"), with_instance]).unwrap();

    let details = |query: HistoryQuery| -> Vec<String> {
        store.history(&query).unwrap().entries.into_iter().map(|entry| entry.row.detail).collect()
    };
    let all = HistoryQuery::default;
    assert_eq!(details(all()), ["4", "3", "2", "1"]);
    assert_eq!(details(HistoryQuery { task: Some("a".into()), ..all() }), ["3", "1"]);
    assert_eq!(details(HistoryQuery { name: Some("name of b".into()), ..all() }), ["4", "2"]);
    assert_eq!(details(HistoryQuery { app: Some("org.example.App".into()), ..all() }).len(), 4);
    assert_eq!(details(HistoryQuery { app: Some("another".into()), ..all() }).len(), 0);
    assert_eq!(details(HistoryQuery { instance: Some("run".into()), ..all() }), ["4"]);
    assert_eq!(details(HistoryQuery { since: Some(20), until: Some(40), ..all() }), ["3", "2"]);
}

#[test]
fn history_pages_join_without_gap_or_overlap() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    let rows: Vec<Row> = (0..10).map(|at| event("a", at, "{}")).collect();
    store.commit(&rows).unwrap();
    let mut seen = Vec::new();
    let mut query = HistoryQuery { limit: 3, ..HistoryQuery::default() };
    loop {
        let page = store.history(&query).unwrap();
        seen.extend(page.entries.iter().map(|entry| entry.seq));
        query.before_seq = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=10).rev().collect::<Vec<u64>>());
}

#[test]
fn a_reopened_store_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    for round in 1..=3 {
        let mut store = Store::open(folder.path()).unwrap();
        assert_eq!(store.statistics().unwrap().history_next, round);
        store.commit(&[put("round", &round.to_string()), event("a", 0, "{}")]).unwrap();
    }
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(state(&store)["round"], "3");
    store.check().unwrap();
}

#[test]
fn the_log_is_moved_when_it_has_grown_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    store.commit(&[put("a", "1")]).unwrap();
    assert!(!store.maintain().unwrap().log_moved);
    let value = "x".repeat(200 << 10);
    store.commit(&[put("a", &value), put("b", &value), put("c", &value)]).unwrap();
    assert!(store.maintain().unwrap().log_moved);
    assert!(!store.maintain().unwrap().log_moved);
    assert_eq!(state(&store).len(), 3);
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Vec<Row>),
    Maintain,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let key = || prop_oneof![any::<String>(), "[a-c]"];
    let row = prop_oneof![
        3 => (key(), any::<String>()).prop_map(|(key, value)| put(&key, &value)),
        1 => key().prop_map(|key| delete(&key)),
        1 => any::<String>().prop_map(|detail| event("a", 0, &detail)),
    ];
    prop_oneof![
        8 => prop::collection::vec(row, 0..12).prop_map(Step::Commit),
        1 => Just(Step::Maintain),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_batches_reads_back_as_written(steps in prop::collection::vec(step(), 0..20)) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let mut expected = BTreeMap::new();
        let mut details = Vec::new();
        for step in steps {
            match step {
                Step::Commit(rows) => {
                    store.commit(&rows).unwrap();
                    for row in rows {
                        match row {
                            Row::Put { key, value, .. } => { expected.insert(key, value); }
                            Row::Delete { key, .. } => { expected.remove(&key); }
                            Row::History(row) => details.insert(0, row.detail),
                        }
                    }
                }
                Step::Maintain => { store.maintain().unwrap(); }
                Step::Reopen => {
                    drop(store);
                    store = Store::open(folder.path()).unwrap();
                }
            }
        }
        prop_assert_eq!(state(&store), expected);
        let page = store.history(&HistoryQuery { limit: usize::MAX, ..HistoryQuery::default() }).unwrap();
        prop_assert_eq!(page.entries.into_iter().map(|entry| entry.row.detail).collect::<Vec<_>>(), details);
    }
}
