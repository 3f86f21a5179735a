//! One policy file: reading it without trusting what stands at its path, and what it says.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use bgtask_core::{AppId, PolicyRule};
use rustix::fs::OFlags;
use serde::Deserialize;
use toml::Spanned;

/// Largest policy file, in bytes.
pub(super) const MAX_FILE_BYTES: usize = 256 * 1024;

/// Most apps that one file names.
pub(super) const MAX_APPS: usize = 4_096;

/// What a file may give an app of the usual budgets, in percent.
const BUDGET_PERCENT: std::ops::RangeInclusive<i64> = 1..=10_000;

/// The mode bit of a file that everybody may write.
const WORLD_WRITABLE: u32 = 0o002;

/// What one file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) default: Option<PolicyRule>,
    pub(super) apps: BTreeMap<AppId, PolicyRule>,
    /// Percent of the usual budgets, for every app that is not named.
    pub(super) default_budget: Option<u32>,
    /// The same for single apps.
    pub(super) budgets: BTreeMap<AppId, u32>,
    /// Whether no app runs without every wall.
    pub(super) walls_required: Option<bool>,
}

/// Reads a file; an error is a sentence that names the file, the line and what to do.
pub(super) fn read(path: &Path) -> Result<Said, String> {
    let cannot = |error: std::io::Error| format!("{} cannot be read: {error}", path.display());
    // Opening a pipe for reading would wait until somebody writes to it.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    if !metadata.is_file() {
        return Err(format!("{} is no regular file: remove it, or give it another ending than .toml", path.display()));
    }
    check_writers(path, &metadata)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(format!("{} is larger than {MAX_FILE_BYTES} bytes: divide it", path.display()));
    }
    parse(&bytes).map_err(|flaw| format!("{}:{}: {}", path.display(), flaw.line, flaw.message))
}

/// Whether only those could have written it who may decide for this user: root and the user.
pub(super) fn check_writers(path: &Path, metadata: &Metadata) -> Result<(), String> {
    let me = rustix::process::geteuid().as_raw();
    let problem = writers(metadata.uid(), metadata.mode(), me);
    problem.map_or(Ok(()), |problem| Err(format!("{} is not trusted, {problem}", path.display())))
}

fn writers(owner: u32, mode: u32, me: u32) -> Option<String> {
    if owner != 0 && owner != me {
        return Some(format!("it belongs to the user {owner}: let root own it (chown root)"));
    }
    (mode & WORLD_WRITABLE != 0).then(|| "everybody may write it: take that away (chmod o-w)".to_owned())
}

/// What is wrong with a file's content.
#[derive(Debug, PartialEq, Eq)]
struct Flaw {
    /// Counted from 1.
    line: usize,
    message: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Content {
    background: Background,
    confinement: Walls,
    budget: Budget,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Background {
    default: Option<Spanned<String>>,
    force_allow: Vec<Spanned<String>>,
    force_deny: Vec<Spanned<String>>,
    user_in_control: Vec<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Walls {
    required: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Budget {
    default: Option<Spanned<i64>>,
    apps: BTreeMap<Spanned<String>, Spanned<i64>>,
}

fn parse(bytes: &[u8]) -> Result<Said, Flaw> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let message = "this is no UTF-8 text: save the file as UTF-8".to_owned();
        Flaw { line: line(bytes, error.valid_up_to()), message }
    })?;
    let content: Content = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        Flaw { line: line(bytes, at), message: error.message().to_owned() }
    })?;
    let background = content.background;
    let default = background.default.map(|word| default_rule(bytes, &word)).transpose()?;
    let lists = [
        (PolicyRule::ForceAllow, background.force_allow),
        (PolicyRule::ForceDeny, background.force_deny),
        (PolicyRule::UserInControl, background.user_in_control),
    ];
    let named = lists.into_iter().flat_map(|(rule, apps)| apps.into_iter().map(move |app| (app, rule)));
    Ok(Said {
        default,
        apps: single(bytes, named)?,
        default_budget: content.budget.default.map(|given| percent(bytes, &given)).transpose()?,
        budgets: budgets(bytes, content.budget.apps)?,
        walls_required: content.confinement.required,
    })
}

fn default_rule(bytes: &[u8], word: &Spanned<String>) -> Result<PolicyRule, Flaw> {
    match word.get_ref().as_str() {
        "user" => Ok(PolicyRule::UserInControl),
        "allow" => Ok(PolicyRule::ForceAllow),
        "deny" => Ok(PolicyRule::ForceDeny),
        other => {
            let message = format!("default is {other:?}: say \"user\", \"allow\" or \"deny\"");
            Err(Flaw { line: line(bytes, word.span().start), message })
        }
    }
}

fn percent(bytes: &[u8], given: &Spanned<i64>) -> Result<u32, Flaw> {
    let value = *given.get_ref();
    u32::try_from(value).ok().filter(|_| BUDGET_PERCENT.contains(&value)).ok_or_else(|| {
        let (least, most) = (BUDGET_PERCENT.start(), BUDGET_PERCENT.end());
        let message = format!("a budget of {value}: it is percent of the usual, from {least} to {most}");
        Flaw { line: line(bytes, given.span().start), message }
    })
}

fn budgets(bytes: &[u8], given: BTreeMap<Spanned<String>, Spanned<i64>>) -> Result<BTreeMap<AppId, u32>, Flaw> {
    if given.len() > MAX_APPS {
        let at = given.keys().map(|name| name.span().start).max().unwrap_or_default();
        return Err(Flaw { line: line(bytes, at), message: too_many_apps() });
    }
    let single = |(name, value): (Spanned<String>, Spanned<i64>)| {
        let flaw = |error: bgtask_core::InvalidId| {
            let line = line(bytes, name.span().start);
            Flaw { line, message: error.to_string() }
        };
        Ok((AppId::new(name.get_ref()).map_err(flaw)?, percent(bytes, &value)?))
    };
    given.into_iter().map(single).collect()
}

fn too_many_apps() -> String {
    format!("more than {MAX_APPS} apps are named: divide the file")
}

/// Every app with its rule. None may be named twice: who reads the file may see only one of the places.
fn single(
    bytes: &[u8],
    named: impl Iterator<Item = (Spanned<String>, PolicyRule)>,
) -> Result<BTreeMap<AppId, PolicyRule>, Flaw> {
    let mut places = BTreeMap::new();
    for (name, rule) in named {
        let at = name.span().start;
        let flaw = |message| Err(Flaw { line: line(bytes, at), message });
        let app = match AppId::new(name.get_ref()) {
            Ok(app) => app,
            Err(error) => return flaw(error.to_string()),
        };
        if let Some((first, _)) = places.get(&app) {
            let first = line(bytes, *first);
            return flaw(format!("{app} is already named in line {first}: name it once, in one list"));
        }
        if places.len() == MAX_APPS {
            return flaw(too_many_apps());
        }
        places.insert(app, (at, rule));
    }
    Ok(places.into_iter().map(|(app, (_, rule))| (app, rule)).collect())
}

fn line(bytes: &[u8], offset: usize) -> usize {
    bytes.iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let flaw = parse(text.as_bytes()).expect_err(text);
        format!("{}: {}", flaw.line, flaw.message)
    }

    #[test]
    fn a_flaw_is_told_with_its_line_and_what_is_right() {
        for (text, expected) in [
            (
                "[background]\ndefualt = \"deny\"",
                "2: unknown field `defualt`, expected one of `default`, `force_allow`",
            ),
            ("\n[backgroud]", "2: unknown field `backgroud`, expected one of `background`, `confinement`, `budget`"),
            ("[budget]\ndefault = 0", "2: a budget of 0: it is percent of the usual, from 1 to 10000"),
            ("[budget.apps]\na = 100\nb = 10001", "3: a budget of 10001: it is percent of the usual, from 1 to 10000"),
            ("[budget.apps]\na = 1\n\"a b\" = 100", "3: \"a b\" is no app id: 1 to 255 letters"),
            ("[budget]\napps = { a = \"400\" }", "2: invalid type: string \"400\", expected i64"),
            ("[background]\n\ndefault = \"no\"", "3: default is \"no\": say \"user\", \"allow\" or \"deny\""),
            ("[background]\ndefault = true", "2: invalid type: boolean `true`, expected a string"),
            ("[background]\nforce_deny = \"a\"", "2: invalid type: string \"a\", expected a sequence"),
            ("[background]\nforce_deny = [\n\"a\",\n\"a b\"]", "4: \"a b\" is no app id: 1 to 255 letters"),
            (
                "[background]\nforce_deny = [\"a\"]\nforce_allow = [\n\"a\"]",
                "2: a is already named in line 4: name it once",
            ),
            ("[background]\nuser_in_control = [\"a\",\n\"a\"]", "3: a is already named in line 2: name it once"),
            ("[background]\nforce_deny = [\"a\"", "2: "),
        ] {
            assert!(problem(text).starts_with(expected), "{}", problem(text));
        }
        let flaw = parse(b"[background]\n# \xff").expect_err("no text");
        assert_eq!((flaw.line, flaw.message.as_str()), (2, "this is no UTF-8 text: save the file as UTF-8"));
    }

    #[test]
    fn a_file_names_so_many_apps_and_no_more() {
        let text = |apps: usize| {
            let named: Vec<_> = (0..apps).map(|number| format!("\"org.example.A{number}\"")).collect();
            format!("[background]\nforce_deny = [{}]", named.join(","))
        };
        assert_eq!(parse(text(MAX_APPS).as_bytes()).map(|said| said.apps.len()), Ok(MAX_APPS));
        assert_eq!(problem(&text(MAX_APPS + 1)), "2: more than 4096 apps are named: divide the file");
        let budgets = |apps: usize| {
            let named: String = (0..apps).map(|number| format!("\"org.example.A{number}\" = 200\n")).collect();
            format!("[budget.apps]\n{named}")
        };
        assert_eq!(parse(budgets(MAX_APPS).as_bytes()).map(|said| said.budgets.len()), Ok(MAX_APPS));
        assert_eq!(problem(&budgets(MAX_APPS + 1)), "4098: more than 4096 apps are named: divide the file");
    }

    #[test]
    fn a_file_is_regular_and_not_too_large() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("50-site.toml");
        let write = |bytes: usize| std::fs::write(&path, "#".repeat(bytes)).expect("a file");
        write(MAX_FILE_BYTES);
        assert_eq!(read(&path), Ok(Said::default()));
        write(MAX_FILE_BYTES + 1);
        assert!(
            read(&path).is_err_and(|problem| problem.ends_with("50-site.toml is larger than 262144 bytes: divide it"))
        );
        assert!(read(folder.path()).is_err_and(|problem| problem.contains("no regular file")));
        let pipe = folder.path().join("pipe.toml");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
        assert!(read(&pipe).is_err_and(|problem| problem.contains("no regular file")), "nobody waits for a writer");
        assert!(
            read(&folder.path().join("gone.toml")).is_err_and(|problem| problem.contains("gone.toml cannot be read"))
        );
    }

    #[test]
    fn only_root_and_the_user_decide() {
        let me = 1000;
        assert_eq!(writers(0, 0o100_644, me), None);
        assert_eq!(writers(me, 0o100_664, me), None, "the owner answers for the group");
        assert!(writers(1001, 0o100_644, me).is_some_and(|problem| problem.contains("the user 1001: let root own it")));
        assert!(writers(0, 0o100_646, me).is_some_and(|problem| problem.contains("chmod o-w")));
    }
}
