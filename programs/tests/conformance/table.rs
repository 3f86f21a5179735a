//! Reads the tables of `docs/conformance.md`.

use crate::scope::Rule;

/// One row about a rule.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its line in the file, from 1.
    pub(crate) line: usize,
    pub(crate) rule: Rule,
    /// The tests it names, each with its crate.
    pub(crate) tests: Vec<(String, String)>,
    /// What is missing, where the row says so.
    pub(crate) open: Option<String>,
}

/// One row about a conflict between the sources.
#[derive(Debug)]
pub(crate) struct Conflict {
    pub(crate) line: usize,
    pub(crate) rule: Rule,
}

/// Everything the file says, and what is wrong with how it says it.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) rows: Vec<Row>,
    pub(crate) conflicts: Vec<Conflict>,
    pub(crate) complaints: Vec<String>,
}

/// Which kind of table a header begins.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Rules,
    Conflicts,
    /// A table for the reader only.
    Other,
}

impl Tables {
    pub(crate) fn read(text: &str) -> Self {
        let mut tables = Self::default();
        let mut kind = None;
        for (index, line) in text.lines().enumerate() {
            let Some(cells) = cells(line) else {
                kind = None;
                continue;
            };
            match kind {
                None => kind = Some(kind_of(&cells)),
                Some(_) if cells.iter().all(|cell| cell.chars().all(|it| it == '-')) && cells[0].len() >= 3 => {}
                Some(Kind::Rules) => tables.rule(index + 1, &cells),
                Some(Kind::Conflicts) => tables.conflict(index + 1, &cells),
                Some(Kind::Other) => {}
            }
        }
        tables
    }

    fn rule(&mut self, line: usize, cells: &[&str]) {
        let Some(rule) = self.id_of(line, cells, 4) else { return };
        if cells[1].is_empty() {
            self.complaints
                .push(format!("line {line}: {rule} does not say what the rule is: do, in one line of your own"));
        }
        if let Err(wrong) = check_verdict(cells[2]) {
            self.complaints.push(format!("line {line}: {rule}: {wrong}"));
        }
        match read_coverage(cells[3]) {
            Ok((tests, open)) => {
                if tests.is_empty() && open.is_none() && !may_be_untested(cells[2]) {
                    self.complaints.push(format!(
                        "line {line}: {rule} has no test: name one, or say `open:` and what is missing, \
                         or say in the third column why there is `nothing to test`"
                    ));
                }
                self.rows.push(Row { line, rule, tests, open });
            }
            Err(wrong) => self.complaints.push(format!("line {line}: {rule}: {wrong}")),
        }
    }

    fn conflict(&mut self, line: usize, cells: &[&str]) {
        let Some(rule) = self.id_of(line, cells, 3) else { return };
        if cells[1].is_empty() || cells[2].is_empty() {
            self.complaints
                .push(format!("line {line}: {rule}: say what the sources disagree on, and how it is decided"));
        }
        self.conflicts.push(Conflict { line, rule });
    }

    fn id_of(&mut self, line: usize, cells: &[&str], columns: usize) -> Option<Rule> {
        let rule = Rule::read(cells[0]);
        let wrong = match &rule {
            None => format!("{:?} is no id of a rule, such as ACC-18, S16.1-3 or D7", cells[0]),
            Some(rule) if cells.len() != columns => format!(
                "{rule} has {} columns and needs {columns}: write a bar inside a text as another word",
                cells.len()
            ),
            Some(_) => return rule,
        };
        self.complaints.push(format!("line {line}: {wrong}"));
        None
    }
}

/// The cells of a line of a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inside = line.trim().strip_prefix('|')?;
    let inside = inside.strip_suffix('|').unwrap_or(inside);
    Some(inside.split('|').map(str::trim).collect())
}

fn kind_of(header: &[&str]) -> Kind {
    match header[0] {
        "rule" => Kind::Rules,
        "conflict" => Kind::Conflicts,
        _ => Kind::Other,
    }
}

fn check_verdict(verdict: &str) -> Result<(), String> {
    let said = |prefix: &str| verdict.strip_prefix(prefix).map(str::trim);
    if verdict == "as Windows" || said("as Windows:").is_some_and(|note| !note.is_empty()) {
        return Ok(());
    }
    if said("better:").or(said("later:")).is_some_and(|text| !text.is_empty()) {
        return Ok(());
    }
    match said("different:").or(said("not on Linux:")) {
        Some(text) if text.contains("because ") => Ok(()),
        Some(_) => Err("what is different or not on Linux needs a `because`".into()),
        None => Err(format!(
            "{verdict:?} is no verdict: begin with `as Windows`, `better:`, `different:`, `not on Linux:` or `later:`, \
             and say more after it"
        )),
    }
}

fn may_be_untested(verdict: &str) -> bool {
    verdict.starts_with("later:") || verdict.starts_with("not on Linux:") || verdict.contains("nothing to test")
}

pub(crate) type Coverage = (Vec<(String, String)>, Option<String>);

/// Reads `crate: test, test; crate: test; open: what is missing`, or `-`.
pub(crate) fn read_coverage(cell: &str) -> Result<Coverage, String> {
    let mut tests = Vec::new();
    if cell == "-" {
        return Ok((tests, None));
    }
    let (named, open) = match cell.split_once("open:") {
        Some((named, missing)) => (named.trim().trim_end_matches(';'), Some(missing.trim().to_owned())),
        None => (cell, None),
    };
    if open.as_deref() == Some("") {
        return Err("`open:` has to say what is missing".into());
    }
    for group in named.split(';').map(str::trim).filter(|group| !group.is_empty()) {
        let (folder, functions) = group
            .split_once(':')
            .ok_or_else(|| format!("{group:?} names no crate: write `crate: test, test`, or `-` for none"))?;
        for function in functions.split(',').map(str::trim) {
            if function.is_empty() || !function.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_') {
                return Err(format!("{function:?} is no name of a test: write `crate: test, test`"));
            }
            tests.push((folder.trim().to_owned(), function.to_owned()));
        }
    }
    if tests.is_empty() && open.is_none() {
        return Err("the fourth column is empty: name a test, say `open:` and what is missing, or write `-`".into());
    }
    Ok((tests, open))
}
