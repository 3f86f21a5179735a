//! Every bound, hit.

use bgtask_store::{
    DATABASE_LARGE_BYTES, DATABASE_MAX_BYTES, HISTORY_KEPT_WHEN_LARGE, HISTORY_MAX_ROWS, HISTORY_PAGE_MAX,
    HISTORY_PRUNE_SLICE, HISTORY_SCAN_MAX, HistoryQuery, HistoryRow, MAX_BATCH_BYTES, MAX_BATCH_ROWS, MAX_DETAIL_BYTES,
    MAX_KEY_BYTES, MAX_KIND_BYTES, MAX_LABEL_BYTES, MAX_VALUE_BYTES, Row, Store,
};

use crate::{delete, event, put, state};

/// A history row whose short texts and detail have these sizes.
fn sized(label: [usize; 5], detail: usize) -> Row {
    let text = |size| "x".repeat(size);
    let [app, task, name, instance, event] = label.map(text);
    Row::History(HistoryRow { wall_us: 0, app, task, name, instance: Some(instance), event, detail: text(detail) })
}

#[test]
fn each_text_may_be_as_long_as_its_bound_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    let kind: &'static str = "k".repeat(MAX_KIND_BYTES + 1).leak();
    let in_kind = |kind| Row::Put { kind, key: "key".to_owned(), value: "1".to_owned() };
    let longest = [
        in_kind(&kind[1..]),
        put(&"k".repeat(MAX_KEY_BYTES), "1"),
        put("value", &"v".repeat(MAX_VALUE_BYTES)),
        sized([MAX_LABEL_BYTES; 5], MAX_DETAIL_BYTES),
    ];
    store.commit(&longest).unwrap();

    let mut too_long = vec![
        (in_kind(kind), "a kind"),
        (put(&"k".repeat(MAX_KEY_BYTES + 1), "1"), "a key"),
        (delete(&"k".repeat(MAX_KEY_BYTES + 1)), "a key"),
        (put("value", &"v".repeat(MAX_VALUE_BYTES + 1)), "a value"),
        (sized([0; 5], MAX_DETAIL_BYTES + 1), "detail"),
    ];
    for (index, label) in ["app", "task", "name", "instance", "event"].into_iter().enumerate() {
        let mut sizes = [0; 5];
        sizes[index] = MAX_LABEL_BYTES + 1;
        too_long.push((sized(sizes, 0), label));
    }
    for (row, named) in too_long {
        let error = store.commit(&[put("innocent", "1"), row]).unwrap_err();
        assert!(error.is_too_large(), "{error}");
        assert!(error.to_string().contains(named), "{error}");
    }
    assert!(!state(&store).contains_key("innocent"));
}

#[test]
fn a_batch_may_have_its_number_of_rows_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    let mut rows = vec![put("a", "1"); MAX_BATCH_ROWS];
    store.commit(&rows).unwrap();
    rows.push(put("a", "2"));
    assert!(store.commit(&rows).unwrap_err().is_too_large());
    assert_eq!(state(&store)["a"], "1");
}

#[test]
fn a_batch_may_have_its_number_of_bytes_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    let value = "v".repeat(MAX_VALUE_BYTES - "testk".len());
    let mut rows = vec![put("k", &value); MAX_BATCH_BYTES / MAX_VALUE_BYTES];
    store.commit(&rows).unwrap();
    rows.push(put("", ""));
    assert!(store.commit(&rows).unwrap_err().is_too_large());
}

#[test]
fn history_is_kept_up_to_its_bound_and_pruned_in_slices() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    let surplus = 2 * HISTORY_PRUNE_SLICE + 500;
    let rows: Vec<Row> = (0..HISTORY_MAX_ROWS + surplus).map(|at| event("a", at as i64, "{}")).collect();
    for batch in rows.chunks(MAX_BATCH_ROWS) {
        store.commit(batch).unwrap();
    }
    let mut slices = Vec::new();
    loop {
        let done = store.maintain().unwrap();
        slices.push(done.pruned);
        if !done.more {
            break;
        }
    }
    assert_eq!(slices, [HISTORY_PRUNE_SLICE, HISTORY_PRUNE_SLICE, 500]);
    assert_eq!(store.statistics().unwrap().history_rows, HISTORY_MAX_ROWS);
    assert_eq!(store.maintain().unwrap().pruned, 0);
    one_query_looks_at_a_bounded_part(&store);

    drop(store);
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(store.statistics().unwrap().history_rows, HISTORY_MAX_ROWS);
    assert_eq!(store.statistics().unwrap().history_next, HISTORY_MAX_ROWS + surplus + 1);
}

fn one_query_looks_at_a_bounded_part(store: &Store) {
    let page = store.history(&HistoryQuery { limit: usize::MAX, ..HistoryQuery::default() }).unwrap();
    assert_eq!(page.entries.len(), HISTORY_PAGE_MAX);
    let page = store.history(&HistoryQuery { limit: 0, ..HistoryQuery::default() }).unwrap();
    assert_eq!(page.entries.len(), 1);

    let newest = page.entries[0].seq;
    let query = HistoryQuery { task: Some("nobody".to_owned()), scan: 10, ..HistoryQuery::default() };
    assert_eq!(store.history(&query).unwrap().next, Some(newest + 1 - 10), "less, where less is wanted");
    let mut query = HistoryQuery { task: Some("nobody".to_owned()), ..HistoryQuery::default() };
    let mut calls = 0;
    loop {
        let page = store.history(&query).unwrap();
        assert!(page.entries.is_empty());
        calls += 1;
        let Some(next) = page.next else { break };
        assert_eq!(next, newest + 1 - calls * HISTORY_SCAN_MAX);
        query.before_seq = Some(next);
    }
    assert_eq!(calls, HISTORY_MAX_ROWS / HISTORY_SCAN_MAX);
}

#[test]
fn a_large_database_sheds_history_and_a_full_one_refuses_growth_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    let value = "v".repeat(MAX_VALUE_BYTES - 100);
    let grow = |store: &mut Store, name: usize| {
        let rows: Vec<Row> = (0..32).map(|row| put(&format!("{name}-{row}"), &value)).collect();
        store.commit(&rows)
    };
    let mut batches = 0;
    while store.statistics().unwrap().content_bytes <= DATABASE_LARGE_BYTES {
        grow(&mut store, batches).unwrap();
        batches += 1;
    }
    store.commit(&vec![event("a", 0, "{}"); HISTORY_KEPT_WHEN_LARGE as usize + 300]).unwrap();
    assert_eq!(store.maintain().unwrap().pruned, 300);
    assert_eq!(store.statistics().unwrap().history_rows, HISTORY_KEPT_WHEN_LARGE);

    let error = loop {
        match grow(&mut store, batches) {
            Ok(()) => batches += 1,
            Err(error) => break error,
        }
        store.maintain().unwrap();
    };
    assert!(error.is_full(), "{error}");
    assert!(error.to_string().contains("256 MiB"), "{error}");
    assert!(std::fs::metadata(store.path()).unwrap().len() <= DATABASE_MAX_BYTES);
    assert_eq!(state(&store).len(), batches * 32, "nothing of the refused batch");

    let room: Vec<Row> = (0..32).map(|row| delete(&format!("0-{row}"))).collect();
    store.commit(&room).unwrap();
    grow(&mut store, batches).unwrap();
}
