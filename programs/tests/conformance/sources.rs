//! Finds the tests of the repository: functions that are marked as tests and written out, not made by macros.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::scope::Rule;

/// A test as it stands in a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) name: String,
    /// The rules that its name begins with, or that the comments right at it name.
    pub(crate) cites: BTreeSet<Rule>,
}

/// The tests of every crate of the repository, by the name of its folder.
pub(crate) fn tests_of_repository(root: &Path) -> BTreeMap<String, Vec<Test>> {
    let mut folders: Vec<_> =
        children(&root.join("crates")).filter(|folder| folder.join("Cargo.toml").is_file()).collect();
    folders.push(root.join("programs"));
    let mut tests = BTreeMap::new();
    for folder in folders {
        let name = folder.file_name().expect("it has one").to_string_lossy().into_owned();
        let files = ["src", "tests"].map(|part| rust_files(&folder.join(part))).concat();
        let text =
            |file: PathBuf| fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        tests.insert(name, files.into_iter().flat_map(|file| tests_in(&text(file))).collect());
    }
    tests
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    children(folder)
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// What is in a folder, in order; nothing where there is none.
fn children(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let mut paths: Vec<_> =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("it is readable").path()).collect();
    paths.sort();
    paths.into_iter()
}

/// The tests written in a source file, without those that are ignored.
pub(crate) fn tests_in(source: &str) -> Vec<Test> {
    let code = without_macro_calls(&without_texts(source));
    let code: Vec<_> = code.lines().map(str::trim).collect();
    let raw: Vec<_> = source.lines().map(str::trim).collect();
    let marks = |line: &str| line == "#[test]" || line.starts_with("#[tokio::test");
    let at_test = |line: usize| code[line].is_empty() && raw[line].starts_with("//") || code[line].starts_with("#[");
    let found = (0..code.len()).filter(|line| marks(code[*line])).filter_map(|mark| {
        let first = (0..mark).rev().take_while(|line| at_test(*line)).last().unwrap_or(mark);
        let signature = (mark..code.len()).find(|line| !at_test(*line))?;
        if (first..signature).any(|line| code[line].starts_with("#[ignore")) {
            return None;
        }
        let name = function_name(code[signature])?.to_owned();
        let comments = (first..signature).filter(|line| raw[*line].starts_with("//")).map(|line| raw[line]);
        let cites = rules_of_name(&name).into_iter().chain(comments.flat_map(rules_of_comment)).collect();
        Some(Test { name, cites })
    });
    found.collect()
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let words =
        before.split_whitespace().all(|word| word.starts_with("pub") || ["async", "const", "unsafe"].contains(&word));
    let end = after.find(|it: char| !it.is_alphanumeric() && it != '_')?;
    (words && end > 0).then(|| &after[..end])
}

/// `lc_7_d1_firings_collapse` begins with LC-7 and D1, `s16_3_an_update` with scenario 3 of the samples.
pub(crate) fn rules_of_name(name: &str) -> Vec<Rule> {
    let words: Vec<_> = name.split('_').collect();
    let mut rest = words.as_slice();
    let mut rules = Vec::new();
    while let Some((rule, words)) = first_rule(rest) {
        rules.push(rule);
        rest = &rest[words..];
    }
    rules
}

/// The rule that the words of a name begin with, and how many of them it takes.
fn first_rule(words: &[&str]) -> Option<(Rule, usize)> {
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u32>().ok());
    let word = *words.first()?;
    if let Some(decision) = word.strip_prefix('d').and_then(|it| it.parse().ok()) {
        return Some((Rule::new("D", decision), 1));
    }
    if word == "s16" {
        let family = format!("S16.{}", number(1)?);
        return Some(number(2).map_or((Rule::new(&family, 0), 2), |step| (Rule::new(&family, step), 3)));
    }
    let letters = (1..=3).contains(&word.len()) && word.bytes().all(|it| it.is_ascii_lowercase());
    letters.then_some(())?;
    Some((Rule::new(&word.to_uppercase(), number(1)?), 2))
}

fn rules_of_comment(comment: &str) -> Vec<Rule> {
    let words = comment.split(|it: char| !it.is_ascii_alphanumeric() && it != '-' && it != '.');
    words.filter_map(|word| Rule::read(word.trim_matches(['.', '-']))).collect()
}

/// The source with blanks for comments, strings and characters: what is left of a mark or a brace is code.
fn without_texts(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let text = text_length(rest, code.chars().last());
        let (part, left) = rest.split_at(text.unwrap_or(first.len_utf8()));
        match text {
            Some(_) => code.extend(part.chars().map(|it| if it == '\n' { '\n' } else { ' ' })),
            None => code.push(first),
        }
        rest = left;
    }
    code
}

/// How long the comment, string or character is that `rest` begins with, if it does.
fn text_length(rest: &str, before: Option<char>) -> Option<usize> {
    let after_word = before.is_some_and(|it| it.is_alphanumeric() || it == '_');
    let until = |end: &str, from: usize| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment_length(rest));
    }
    let prefix = rest.len() - rest.trim_start_matches(['b', 'c']).len();
    let bare = &rest[prefix..];
    if prefix <= 1 && !after_word && bare.starts_with('r') {
        let hashes = bare[1..].len() - bare[1..].trim_start_matches('#').len();
        if bare[1 + hashes..].starts_with('"') {
            return Some(until(&format!("\"{}", "#".repeat(hashes)), prefix + hashes + 2));
        }
    }
    if let Some(inside) = rest.strip_prefix('"') {
        return Some(1 + quoted_length(inside, '"'));
    }
    let is_char = rest.starts_with("'\\") || rest.strip_prefix('\'').is_some_and(|it| it.chars().nth(1) == Some('\''));
    is_char.then(|| 1 + quoted_length(&rest[1..], '\''))
}

fn quoted_length(inside: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, it) in inside.char_indices() {
        match it {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if it == end => return at + 1,
            _ => {}
        }
    }
    inside.len()
}

fn block_comment_length(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest.as_bytes()[at..at + 2.min(rest.len() - at)] {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The code with blanks for what stands in macro calls and definitions: a test made there has no function of its own.
fn without_macro_calls(code: &str) -> String {
    let mut left = Vec::with_capacity(code.len());
    let mut depth = 0_usize;
    for (at, it) in code.char_indices() {
        let opens = matches!(it, '(' | '[' | '{');
        if depth > 0 {
            depth = if opens { depth + 1 } else { depth - usize::from(matches!(it, ')' | ']' | '}')) };
            left.push(if it == '\n' { '\n' } else { ' ' });
        } else {
            depth = usize::from(opens && is_macro(&code[..at]));
            left.push(it);
        }
    }
    left.into_iter().collect()
}

/// Whether the delimiter after `before` opens the arguments of a macro: `name!(`, or `macro_rules! name {`.
fn is_macro(before: &str) -> bool {
    let is_word = |it: char| it.is_alphanumeric() || it == '_';
    let before = before.trim_end();
    let definition = before.trim_end_matches(is_word).trim_end().ends_with("macro_rules!");
    definition || before.strip_suffix('!').is_some_and(|name| name.ends_with(is_word))
}
