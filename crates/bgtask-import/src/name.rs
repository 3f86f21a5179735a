//! A name for a task, from what it runs.

use std::collections::BTreeSet;

/// Most characters of a name that is made up.
const MAX_CHARS: usize = 60;

/// Programs that come before what a line is about.
const BEFORE: [&str; 14] =
    ["cd", "test", "[", "[[", "true", ":", "export", ".", "source", "umask", "sleep", "set", "exit", "ulimit"];
/// Programs that run another.
const WRAPPERS: [&str; 15] = [
    "sudo", "nice", "ionice", "nohup", "env", "exec", "time", "timeout", "flock", "command", "chronic", "setsid", "if",
    "then", "!",
];
/// Programs that run a script.
const INTERPRETERS: [&str; 12] =
    ["sh", "bash", "dash", "zsh", "python", "python3", "perl", "php", "node", "ruby", "Rscript", "java"];

/// The name of the program a line of shell is about.
pub(crate) fn of_command(line: &str) -> String {
    let parts = line.split([';', '|', '&', '\n', '(', ')', '{', '}']).map(str::trim).filter(|part| !part.is_empty());
    let mut programs = parts.filter_map(program);
    let first = programs.next();
    let name = [first.clone()].into_iter().flatten().chain(programs).find(|name| !BEFORE.contains(&name.as_str()));
    let name: String = name.or(first).unwrap_or_default().chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect();
    if name.is_empty() { "task".to_owned() } else { name }
}

/// The name, or one beside it that is not taken.
pub(crate) fn unique(name: &str, taken: &BTreeSet<&str>) -> String {
    let others = (2..).map(|number| format!("{name}-{number}"));
    let mut all = std::iter::once(name.to_owned()).chain(others);
    all.find(|name| !taken.contains(name.as_str())).expect("there are more numbers than names")
}

/// The program of one simple command.
fn program(part: &str) -> Option<String> {
    let is_assignment = |word: &&str| word.split_once('=').is_some_and(|(name, _)| !name.contains(['/', '-']));
    let is_name = |word: &str| word.starts_with(|c: char| !c.is_ascii_digit() && !"-<>\"'`$#".contains(c));
    let mut words = part.split_ascii_whitespace().skip_while(is_assignment).peekable();
    let mut program = base(words.next()?);
    while WRAPPERS.contains(&program.as_str()) {
        let mut rest = words.by_ref().skip_while(|word| !is_name(word) || is_assignment(word));
        program = base(rest.next()?);
    }
    if INTERPRETERS.contains(&program.as_str()) {
        return words.find(|word| is_name(word)).map(base).or(Some(program));
    }
    Some(program)
}

/// The last part of a path, without the ending of a script.
fn base(word: &str) -> String {
    let word = word.trim_matches(['"', '\'', '`', '$', '<', '>']);
    let base = word.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let stem = base.rsplit_once('.').filter(|(stem, end)| !stem.is_empty() && ENDINGS.contains(end));
    stem.map_or(base, |(stem, _)| stem).to_owned()
}

const ENDINGS: [&str; 8] = ["sh", "bash", "py", "pl", "rb", "php", "js", "R"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_named_after_what_it_is_about() {
        for (line, name) in [
            ("/usr/local/bin/backup.sh --all", "backup"),
            ("cd ~/notes && git push", "git"),
            ("test -e /run/systemd/system || SERVICE_MODE=1 /sbin/e2scrub_all -A -r", "e2scrub_all"),
            ("nice -n 19 ionice -c3 rsync -a /a /b", "rsync"),
            ("[ -x /usr/sbin/anacron ] || ( cd / && run-parts --report /etc/cron.daily )", "run-parts"),
            ("/usr/bin/python3 -u /home/me/fetch.py > /dev/null 2>&1", "fetch"),
            ("python3 -m http.server", "http.server"),
            ("LANG=C sudo -n /usr/bin/apt-get update", "apt-get"),
            ("cd /tmp", "cd"),
            ("~/bin/日記.sh", "日記"),
            ("", "task"),
            ("\"", "task"),
        ] {
            assert_eq!(of_command(line), name, "{line}");
        }
        assert_eq!(of_command(&"x".repeat(100_000)).chars().count(), MAX_CHARS);
        assert_eq!(unique("a", &BTreeSet::from(["a", "a-2", "b"])), "a-3");
    }
}
