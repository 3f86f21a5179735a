//! Settings shared by several processes, some of which are killed, and settings that somebody broke.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use bgtask::storage::{
    ApplicationDataContainer, DataChanged, MAX_COMPOSITE_BYTES, MAX_KEY_CHARS, MAX_KEYS, MAX_VALUE_BYTES, SettingsError,
};
use bgtask::{MAX_SET_DEPTH, PropertyValue, ValueSet};
use rustix::process::{Pid, Signal, kill_process};

const CHILD_FOLDER: &str = "BGTASK_TEST_FOLDER";
const CHILD_NUMBER: &str = "BGTASK_TEST_NUMBER";
const WRITERS: usize = 4;
const WRITES: usize = 40;
const KILLS: u64 = 40;

fn temporary() -> (tempfile::TempDir, ApplicationDataContainer) {
    let folder = tempfile::tempdir().unwrap();
    let settings = ApplicationDataContainer::open(folder.path()).unwrap();
    (folder, settings)
}

fn files(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder.join("settings/local")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// This test program again, running only `test`.
fn again(test: &str, folder: &Path, number: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.env(CHILD_FOLDER, folder).env(CHILD_NUMBER, number.to_string());
    command
}

/// The container and number given to a child, or `None` in the test proper.
fn child() -> Option<(ApplicationDataContainer, usize)> {
    let folder = std::env::var_os(CHILD_FOLDER)?;
    let number = std::env::var(CHILD_NUMBER).unwrap().parse().unwrap();
    Some((ApplicationDataContainer::open(folder).unwrap(), number))
}

#[test]
fn values_of_every_type_are_kept_for_the_owner_only() {
    let (folder, settings) = temporary();
    settings.set("text", "Completed").unwrap();
    settings.set("number", -5).unwrap();
    settings.set("bytes", vec![0_u8, 255]).unwrap();
    settings.set("ratio", 0.25).unwrap();
    settings.set("flag", true).unwrap();

    let settings = ApplicationDataContainer::open(folder.path()).unwrap();
    assert_eq!(settings.get("text").unwrap(), Some(PropertyValue::Str("Completed".to_owned())));
    assert_eq!(settings.get::<i64>("number").unwrap(), Some(-5));
    assert_eq!(settings.get::<Vec<u8>>("bytes").unwrap(), Some(vec![0_u8, 255]));
    assert_eq!(settings.get::<f64>("ratio").unwrap(), Some(0.25));
    assert_eq!(settings.get::<bool>("flag").unwrap(), Some(true));
    assert_eq!(settings.get::<bool>("other").unwrap(), None);
    assert_eq!(settings.keys().unwrap(), ["bytes", "flag", "number", "ratio", "text"]);

    let error = settings.get::<u64>("number").unwrap_err();
    assert!(error.to_string().contains(r#"setting "number" holds an integer that is no u64"#), "{error}");

    let mode = |name: &str| fs::metadata(folder.path().join("settings/local").join(name)).unwrap().permissions().mode();
    assert_eq!((mode("") & 0o777, mode("text") & 0o777), (0o700, 0o600));
}

#[test]
fn settings_are_removed_one_by_one_and_all_at_once() {
    let (folder, settings) = temporary();
    for key in ["a", "b", "c"] {
        settings.set(key, key).unwrap();
    }
    assert!(settings.remove("a").unwrap());
    assert!(!settings.remove("a").unwrap());
    assert!(!settings.contains("a").unwrap() && settings.contains("b").unwrap());
    settings.clear().unwrap();
    assert_eq!(settings.keys().unwrap(), Vec::<String>::new());
    assert_eq!(files(folder.path()), BTreeSet::from([".lock".to_owned()]));
}

#[test]
fn update_sees_the_old_value_and_may_create_keep_or_remove() {
    let (_folder, settings) = temporary();
    assert_eq!(settings.update("a", |old| old.or(Some(1.into()))).unwrap(), Some(1.into()));
    assert_eq!(settings.update("a", |old| old.or(Some(2.into()))).unwrap(), Some(1.into()));
    assert_eq!(settings.update("a", |_| None).unwrap(), None);
    assert_eq!(settings.update("a", |_| None).unwrap(), None);
    assert!(!settings.contains("a").unwrap());
}

#[test]
fn hostile_keys_are_only_keys() {
    let (folder, settings) = temporary();
    let longest = "名".repeat(MAX_KEY_CHARS);
    let almost = format!("{}x", "名".repeat(MAX_KEY_CHARS - 1));
    let keys = ["../x", ".", "..", ".lock", ".new", "/etc/passwd", "nul\0", "new\nline", "~", "%2E", &longest, &almost];
    for key in keys {
        settings.set(key, key).unwrap();
    }
    for key in keys {
        assert_eq!(settings.get::<String>(key).unwrap().as_deref(), Some(key));
    }
    let mut sorted = keys.map(str::to_owned);
    sorted.sort();
    assert_eq!(settings.keys().unwrap(), sorted);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing beside the folder of settings");
    for key in keys {
        assert!(settings.remove(key).unwrap());
    }
    assert_eq!(files(folder.path()), BTreeSet::from([".lock".to_owned()]));
}

#[test]
fn keys_and_values_beyond_their_bounds_are_refused() {
    let (folder, settings) = temporary();
    let error = settings.set("", 1).unwrap_err();
    assert!(matches!(error, SettingsError::EmptyKey) && error.is_callers_fault());
    let error = settings.set(&"k".repeat(MAX_KEY_CHARS + 1), 1).unwrap_err();
    assert!(matches!(error, SettingsError::KeyTooLong { chars: 256 }), "{error}");
    assert!(settings.get::<i64>(&"k".repeat(1 << 20)).unwrap_err().is_callers_fault());

    settings.set("text", "v".repeat(MAX_VALUE_BYTES)).unwrap();
    settings.set("bytes", vec![0_u8; MAX_VALUE_BYTES]).unwrap();
    for value in
        [PropertyValue::Str("v".repeat(MAX_VALUE_BYTES + 1)), PropertyValue::Bytes(vec![0; MAX_VALUE_BYTES + 1])]
    {
        let error = settings.set("text", value.clone()).unwrap_err();
        assert!(matches!(error, SettingsError::ValueTooLarge { bytes: 8193, .. }), "{error}");
        assert!(settings.update("other", |_| Some(value)).is_err());
    }
    assert_eq!(settings.get::<String>("text").unwrap().unwrap().len(), MAX_VALUE_BYTES);
    assert_eq!(files(folder.path()).len(), 3, "two settings and the lock");
}

#[test]
fn of_two_writers_racing_for_the_last_key_one_is_told_no() {
    let (_folder, settings) = temporary();
    for number in 0..MAX_KEYS - 1 {
        settings.set(&number.to_string(), 0).unwrap();
    }
    let refused = std::thread::scope(|scope| {
        ["left", "right"]
            .map(|key| scope.spawn(|| settings.set(key, 0)))
            .map(|writer| writer.join().unwrap())
            .into_iter()
            .filter_map(Result::err)
            .collect::<Vec<_>>()
    });
    assert!(matches!(&refused[..], [SettingsError::TooManyKeys { .. }]), "{refused:?}");
    assert!(refused[0].is_full());
    settings.set("0", "a key that exists may still change").unwrap();
    settings.remove("0").unwrap();
    settings.set("room again", 0).unwrap();
    assert_eq!(settings.keys().unwrap().len(), MAX_KEYS);
}

#[test]
fn a_damaged_setting_is_named_and_setting_it_again_repairs_it() {
    let (folder, settings) = temporary();
    let file = folder.path().join("settings/local/a");
    for damage in ["", "{", r#"{"key":"a","u64":-1}"#, r#"{"key":"another","u64":1}"#, &" ".repeat(70_000), "\0\0"] {
        fs::write(&file, damage).unwrap();
        let error = settings.get::<u64>("a").unwrap_err();
        assert!(error.is_damaged(), "{error}");
        assert!(error.to_string().contains("settings/local/a: the setting is damaged"), "{error}");
        assert!(settings.update("a", |_| panic!("there is no old value to give")).unwrap_err().is_damaged());
        assert!(settings.contains("a").unwrap());
        assert_eq!(settings.keys().unwrap(), ["a"]);

        settings.set("a", 7).unwrap();
        assert_eq!(settings.get::<u64>("a").unwrap(), Some(7));
    }
}

#[test]
fn processes_writing_at_once_lose_and_tear_nothing() {
    if let Some((settings, number)) = child() {
        for write in 0..WRITES {
            settings.set(&format!("{number}-{write}"), write as u64).unwrap();
            settings.set("shared", number.to_string().repeat(1 + write * 97 % 5000)).unwrap();
            settings.update("count", |old| Some((old.map_or(Ok(0), u64::try_from).unwrap() + 1).into())).unwrap();
        }
        return;
    }
    let (folder, settings) = temporary();
    let writers = (0..WRITERS).map(|number| {
        let mut writer = again("processes_writing_at_once_lose_and_tear_nothing", folder.path(), number);
        writer.stdout(Stdio::null()).spawn().unwrap()
    });
    let mut writers: Vec<_> = writers.collect();
    while writers.iter_mut().any(|writer| writer.try_wait().unwrap().is_none()) {
        let shared: String = settings.get("shared").unwrap().unwrap_or_default();
        assert!(shared.bytes().all(|byte| byte == shared.as_bytes()[0]), "torn: {shared}");
    }
    assert!(writers.into_iter().all(|mut writer| writer.wait().unwrap().success()));
    assert_eq!(settings.get("count").unwrap(), Some((WRITERS * WRITES) as u64));
    for number in 0..WRITERS {
        for write in 0..WRITES {
            assert_eq!(settings.get(&format!("{number}-{write}")).unwrap(), Some(write as u64));
        }
    }
    assert_eq!(settings.keys().unwrap().len(), WRITERS * WRITES + 2);
}

#[test]
fn a_killed_writer_leaves_every_value_whole() {
    if let Some((settings, _)) = child() {
        write_for_ever(&settings);
    }
    let (folder, settings) = temporary();
    for round in 0..KILLS {
        let said = write_until_killed(folder.path(), round);
        let value: String = settings.get("value").unwrap().unwrap_or_default();
        let number = value.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        assert_eq!(value, content(number), "round {round}");
        assert!(number >= said, "round {round}: {said} was acknowledged, {number} found");
        let names = files(folder.path());
        assert!(names.iter().all(|name| ["value", ".new", ".lock"].contains(&name.as_str())), "{names:?}");
    }
    settings.set("value", "the next writer needs no help").unwrap();
    assert!(!files(folder.path()).contains(".new"));
}

/// Returns the last number the writer said was durable, or 0.
fn write_until_killed(folder: &Path, round: u64) -> u64 {
    let mut writer = again("a_killed_writer_leaves_every_value_whole", folder, 0)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut said = said.filter_map(|line| line.parse().ok());
    let last = said.by_ref().take((1 + round * 7 % 11) as usize).last();
    // Scatters the kills over the length of a write; which moment is hit decides nothing but what is tested.
    (0..round * 10_007 % 100_000).for_each(|_| std::hint::spin_loop());
    kill_process(Pid::from_child(&writer), Signal::KILL).unwrap();
    writer.wait().unwrap();
    said.last().or(last).unwrap_or(0)
}

fn write_for_ever(settings: &ApplicationDataContainer) -> ! {
    let mut said = std::io::stdout().lock();
    // The test harness has begun a line of its own.
    said.write_all(b"\n").unwrap();
    let value: String = settings.get("value").unwrap().unwrap_or_default();
    let mut number = value.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
    loop {
        number += 1;
        settings.set("value", content(number)).unwrap();
        said.write_all(format!("{number}\n").as_bytes()).unwrap();
    }
}

fn content(number: u64) -> String {
    if number == 0 { String::new() } else { format!("{number} {}", "x".repeat(number as usize * 997 % 8000)) }
}

/// Another process of the app hears of a setting, whatever its key.
#[tokio::test]
async fn a_change_is_heard_of_without_asking() {
    let (folder, settings) = temporary();
    let mut changes = settings.data_changed().unwrap();
    let setting = |key: &str| DataChanged::Setting(key.to_owned());
    let child = again("a_change_of_another_process", folder.path(), 0).output().unwrap();
    assert!(child.status.success());
    assert_eq!(changes.next().await, setting("Status"));
    assert_eq!(settings.get::<String>("Status").unwrap().as_deref(), Some("Completed"));

    settings.remove("Status").unwrap();
    settings.set("a/b", 1).unwrap();
    settings.set(&"名".repeat(MAX_KEY_CHARS), 1).unwrap();
    let heard = [changes.next().await, changes.next().await, changes.next().await];
    assert_eq!(heard, [setting("Status"), setting("a/b"), DataChanged::Unknown]);
    let more = tokio::time::timeout(std::time::Duration::ZERO, changes.next()).await;
    assert!(more.is_err(), "the lock and the file that is being written are no settings: {more:?}");
}

/// The kernel keeps a bounded number of changes for a reader that does not read, and says when it lost some.
#[tokio::test]
async fn more_changes_than_the_kernel_keeps_are_told_as_unknown() {
    let (folder, settings) = temporary();
    settings.set("a", 1).unwrap();
    let mut changes = settings.data_changed().unwrap();
    let most: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    let [a, b] = ["a", "b"].map(|name| folder.path().join("settings/local").join(name));
    for _ in 0..=most / 2 {
        fs::rename(&a, &b).unwrap();
        fs::rename(&b, &a).unwrap();
    }
    let mut told = 0;
    while changes.next().await != DataChanged::Unknown {
        told += 1;
    }
    assert!(told <= most, "{told} of {most}");
    settings.set("c", 1).unwrap();
    assert_eq!(changes.next().await, DataChanged::Setting("c".to_owned()), "it goes on");
}

#[test]
fn a_change_of_another_process() {
    if let Some((settings, _)) = child() {
        settings.set("Status", "Completed").unwrap();
    }
}

#[test]
fn a_set_may_be_larger_than_other_values_but_not_deeper_than_its_bound() {
    let (_folder, settings) = temporary();
    let set = |bytes| ValueSet::from([("a", vec![0_u8; bytes])]);
    settings.set("set", set(MAX_COMPOSITE_BYTES - 17)).unwrap();
    assert_eq!(settings.get::<ValueSet>("set").unwrap(), Some(set(MAX_COMPOSITE_BYTES - 17)));
    let error = settings.set("set", set(MAX_COMPOSITE_BYTES - 16)).unwrap_err();
    assert!(error.is_callers_fault() && error.to_string().contains("at most 65536"), "{error}");

    let nested = |depth| (1..depth).fold(ValueSet::from([("a", 1)]), |set, _| ValueSet::from([("a", set)]));
    settings.set("set", nested(MAX_SET_DEPTH)).unwrap();
    assert_eq!(settings.get::<ValueSet>("set").unwrap(), Some(nested(MAX_SET_DEPTH)));
    let error = settings.set("set", nested(MAX_SET_DEPTH + 1)).unwrap_err();
    assert!(error.is_callers_fault() && error.to_string().contains("17 deep"), "{error}");
}
