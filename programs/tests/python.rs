//! The Python client: its own tests, against the broker that was just built, in a virtual environment made for them.

mod harness;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use bgtask::{ApplicationDataContainer, Char16, Point, PropertyValue, Rect, Size, Uuid, ValueSet};
use harness::{has_program, skipped};

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../clients/python");

/// Both languages keep the same settings (PR-6): Rust writes them first, the Python tests read them and write the same, and Rust
/// reads those.
#[test]
fn the_python_client_keeps_its_contract() {
    let Some(python) = environment() else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings = ApplicationDataContainer::open(folder.path()).unwrap();
    for (kind, value) in values() {
        settings.set(&format!("rust {kind}"), value).unwrap();
    }

    let mut tests = run(&python, &["-m", "pytest", "-q", "--durations=5", "-rs"]);
    tests.env("BGTASKD", env!("CARGO_BIN_EXE_bgtaskd")).env("BGTASK_SETTINGS_OF_RUST", folder.path());
    let said = succeeds(&mut tests);
    assert!(!said.contains(" skipped"), "nothing is skipped here: {said}");

    for (kind, value) in values() {
        assert_eq!(settings.get::<PropertyValue>(&format!("python {kind}")).unwrap(), Some(value), "{kind}");
    }
}

#[test]
fn the_python_client_has_the_types_it_says() {
    let Some(python) = environment() else { return };
    let cache = tempfile::tempdir().unwrap();
    let mut check = run(&python, &["-m", "mypy", "src", "tests", "--cache-dir"]);
    succeeds(check.arg(cache.path()));
}

/// One value of each type that both sides agree on, as `clients/python/tests/test_storage.py` has them.
fn values() -> Vec<(String, PropertyValue)> {
    let set = |value: PropertyValue, key: &str| {
        let mut set = ValueSet::new();
        set.insert(key, value);
        set
    };
    let mut nested = set(PropertyValue::Set(set(vec![true].into(), "b")), "in");
    nested.insert("a", 1);
    let moment = UNIX_EPOCH + Duration::from_micros(1_709_209_800_123_456);
    let point = Point { x: 1.0, y: 2.5 };
    let long = "名".repeat(200);
    let inner = PropertyValue::Set(set(1.into(), "b"));
    let values: [(&str, PropertyValue); 22] = [
        ("bool", true.into()),
        ("i32", 5.into()),
        ("i64", (1_i64 << 31).into()),
        ("u64", u64::MAX.into()),
        ("f64", 1.5.into()),
        ("f32", 0.5_f32.into()),
        ("str", "Grüße 👾\n\0".into()),
        ("bytes", vec![0_u8, 255].into()),
        ("char16", Char16(u16::from(b'x')).into()),
        ("guid", Uuid::from_u128(7).into()),
        ("datetime", moment.into()),
        ("timespan", Duration::from_micros(86_400_000_001).into()),
        ("point", point.into()),
        ("size", Size { width: 1.0, height: 2.0 }.into()),
        ("rect", Rect { x: 1.0, y: 2.0, width: 3.0, height: 4.0 }.into()),
        ("i64[]", vec![1, 1_i64 << 40].into()),
        ("u32[]", vec![320_u32, 1280].into()),
        ("str[]", vec!["a".to_owned(), "b".to_owned()].into()),
        ("point[]", vec![Point { x: 1.0, y: 2.0 }].into()),
        ("list", vec![true.into(), "a".into(), inner].into()),
        ("set", nested.into()),
        // A text that is longer than the name of a file may be.
        (&long, "a long key".into()),
    ];
    values.into_iter().map(|(kind, value)| (kind.to_owned(), value)).collect()
}

/// The interpreter of an environment with the client and what tests it: made anew for each run, and once in it.
fn environment() -> Option<PathBuf> {
    static MADE: OnceLock<Option<PathBuf>> = OnceLock::new();
    MADE.get_or_init(make_environment).clone()
}

fn make_environment() -> Option<PathBuf> {
    if !has_program("python3") {
        skipped("python3 is not installed");
        return None;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let python = folder.join("bin/python");
    let client = format!("{CLIENT}[test]");
    let made = install(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        .and_then(|()| install(Command::new(&python).args(["-m", "pip", "install", "-q", "--no-input", &client])));
    match made {
        Ok(()) => Some(python),
        Err(why) => {
            skipped(&format!("the environment of the Python tests cannot be made: {why}"));
            None
        }
    }
}

fn install(command: &mut Command) -> Result<(), String> {
    let output = command.env("PIP_DISABLE_PIP_VERSION_CHECK", "1").output().map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err([output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()),
    }
}

/// A command in the client's folder that leaves nothing there.
fn run(python: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(python);
    command.current_dir(CLIENT).env("PYTHONDONTWRITEBYTECODE", "1").args(arguments);
    command
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{said}");
    println!("{said}");
    said
}
