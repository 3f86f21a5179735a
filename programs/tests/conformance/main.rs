//! `docs/conformance.md` answers every rule in scope, and every test it names is there. [`triggers`] does the same with
//! `docs/triggers.md`.
//!
//! The scope is frozen in [`scope`]: who adds a rule there adds its row, and who closes an `open` row names its test.

mod scope;
mod sources;
mod table;
mod triggers;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use scope::{CONFLICTS, FAMILIES, Rule};
use sources::{Test, rules_of_name, tests_in, tests_of_repository};
use table::Tables;

type Tests = BTreeMap<String, Vec<Test>>;

#[test]
fn the_table_answers_every_rule_and_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let text = fs::read_to_string(root.join("docs/conformance.md")).expect("docs/conformance.md is there");
    let complaints = check(&text, &tests_of_repository(root), &FAMILIES, &CONFLICTS);
    assert!(complaints.is_empty(), "docs/conformance.md is not in order:\n  {}\n", complaints.join("\n  "));
}

/// Everything that is wrong with the table, each with its place and what to do.
fn check(text: &str, tests: &Tests, families: &[(&str, u32)], conflicts: &[(&str, u32)]) -> Vec<String> {
    let tables = Tables::read(text);
    let rows: Vec<_> = tables.rows.iter().map(|row| (row.line, &row.rule)).collect();
    let decided: Vec<_> = tables.conflicts.iter().map(|conflict| (conflict.line, &conflict.rule)).collect();
    let mut complaints = check_scope(&rows, families);
    complaints.extend(check_scope(&decided, conflicts));
    complaints.extend(check_named(&tables, tests));
    complaints.extend(check_cited(&tables, tests, families));
    [tables.complaints, complaints].concat()
}

/// Every rule of every family once, in order, without gaps, and nothing else.
fn check_scope(rows: &[(usize, &Rule)], families: &[(&str, u32)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (line, rule) in rows {
        match rule.highest_in(families) {
            None => complaints.push(format!(
                "line {line}: {rule} is of no family in scope: take the row out, or add the family to scope.rs"
            )),
            Some(highest) if !(1..=highest).contains(&rule.number) => complaints.push(format!(
                "line {line}: {rule} does not exist, the family ends with {}: take the row out",
                Rule::new(&rule.family, highest)
            )),
            Some(_) => {}
        }
    }
    for (family, highest) in families {
        let its: Vec<_> = rows.iter().filter(|(_, rule)| rule.family == *family).collect();
        for number in 1..=*highest {
            let rule = Rule::new(family, number);
            let lines: Vec<_> = its.iter().filter(|(_, it)| **it == rule).map(|(line, _)| line.to_string()).collect();
            match lines.len() {
                0 => complaints.push(format!("{rule} has no row: add one")),
                1 => {}
                _ => complaints.push(format!("{rule} has rows in the lines {}: keep one", lines.join(", "))),
            }
        }
        let behind = its.windows(2).find(|pair| pair[0].1.number > pair[1].1.number);
        complaints.extend(
            behind.map(|pair| format!("line {}: {} stands behind {}: sort them", pair[1].0, pair[1].1, pair[0].1)),
        );
    }
    complaints
}

fn check_named(tables: &Tables, tests: &Tests) -> Vec<String> {
    let mut complaints = Vec::new();
    for row in &tables.rows {
        for (folder, function) in &row.tests {
            let has = |tests: &Vec<Test>| tests.iter().any(|test| test.name == *function);
            if tests.get(folder).is_some_and(has) {
                continue;
            }
            let elsewhere: Vec<_> =
                tests.iter().filter(|(_, tests)| has(tests)).map(|(folder, _)| folder.as_str()).collect();
            let help = match (elsewhere.as_slice(), tests.contains_key(folder)) {
                ([], true) => {
                    "it may have got another name; one that a macro makes, or that is ignored, does not count".into()
                }
                ([], false) => format!(
                    "there is no crate of that name; there are {}",
                    tests.keys().cloned().collect::<Vec<_>>().join(", ")
                ),
                (folders, _) => format!("it is in {}", folders.join(", ")),
            };
            complaints.push(format!(
                "line {}: {} names the test {folder}: {function}, which is not there: {help}",
                row.line, row.rule
            ));
        }
    }
    complaints
}

/// A rule that a test cites is not open, unless its row names that test among what is there already.
fn check_cited(tables: &Tables, tests: &Tests, families: &[(&str, u32)]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (folder, test) in tests.iter().flat_map(|(folder, tests)| tests.iter().map(move |test| (folder, test))) {
        for rule in &test.cites {
            let Some(highest) = rule.highest_in(families) else { continue };
            if rule.number > highest {
                complaints.push(format!(
                    "{folder}: {} cites {rule}, which does not exist: correct it at the test",
                    test.name
                ));
                continue;
            }
            let cited = |row: &&table::Row| row.rule == *rule || (rule.number == 0 && row.rule.family == rule.family);
            let rows: Vec<_> = tables.rows.iter().filter(cited).collect();
            let names = |row: &table::Row| row.tests.iter().any(|(its, name)| its == folder && *name == test.name);
            let settled = rows.iter().any(|row| row.open.is_none() || names(row));
            if let Some(row) = rows.first().filter(|_| !settled) {
                complaints.push(format!(
                    "line {}: {} is open, but {folder}: {} cites it: name that test in the row, and say no longer that it is open if nothing else is missing",
                    row.line, row.rule, test.name
                ));
            }
        }
    }
    complaints
}

/// A table of a family `AB` with two rules, and `D` with one.
const SOUND: &str = "
| rule | in our words | bgtask | covered by |
|---|---|---|---|
| AB-1 | it runs | as Windows | core: ab_1_it_runs, it_stops; daemon: it_runs |
| AB-2 | it hums | not on Linux: nothing hums because there is no bell | - |

| rule | in our words | bgtask | covered by |
|---|---|---|---|
| D1 | loud | better: it says so | core: it_stops; open: the daemon's half |

| conflict | the sources | decided |
|---|---|---|
| G-1 | loud or quiet | loud |

| word | a table for the reader only |
|---|---|
| G-7 | is no row |
";

/// What is wrong with a table made from the sound one.
fn complaints(from: &str, to: &str) -> String {
    assert!(SOUND.contains(from), "{from}");
    let test = |name: &str, cites: &[Rule]| Test { name: name.into(), cites: cites.iter().cloned().collect() };
    let core = vec![test("ab_1_it_runs", &[Rule::new("AB", 1), Rule::new("ZZ", 9)]), test("it_stops", &[])];
    let tests = [("core".into(), core), ("daemon".into(), vec![test("it_runs", &[Rule::new("AB", 1)])])].into();
    check(&SOUND.replace(from, to), &tests, &[("AB", 2), ("D", 1)], &[("G", 1)]).join("\n")
}

#[test]
fn a_sound_table_is_left_alone() {
    assert_eq!(complaints("AB-1", "AB-1"), "");
}

#[test]
fn a_rule_left_out_repeated_misplaced_or_invented_is_told() {
    assert_eq!(
        complaints("| AB-2 | it hums", "| AB-1 | it hums"),
        "AB-1 has rows in the lines 4, 5: keep one\nAB-2 has no row: add one"
    );
    assert!(complaints("AB-2", "AB-3").starts_with("line 5: AB-3 does not exist, the family ends with AB-2"));
    assert!(complaints("AB-2", "XY-2").contains("line 5: XY-2 is of no family in scope"));
    assert!(complaints("AB-2", "second").contains("line 5: \"second\" is no id of a rule"));
    assert!(complaints("G-1", "G-2").contains("G-1 has no row"));
    let swapped = complaints("| AB-1 |", "| AB-2 | later | later: yes | - |\n| AB-1 |");
    assert!(swapped.contains("line 5: AB-1 stands behind AB-2: sort them"), "{swapped}");
}

#[test]
fn a_table_with_another_header_is_not_read() {
    let said = complaints(
        "| rule | in our words | bgtask | covered by |\n|---|---|---|---|\n| D1",
        "| rules | x | y | z |\n|---|---|---|---|\n| D1",
    );
    assert_eq!(said, "D1 has no row: add one");
}

#[test]
fn a_verdict_is_one_of_five_with_its_reason() {
    for (verdict, wrong) in [
        ("same", "line 5: AB-2: \"same\" is no verdict"),
        ("", "line 5: AB-2: \"\" is no verdict"),
        ("better:", "is no verdict"),
        ("different: it is", "needs a `because`"),
        ("not on Linux: no bell", "needs a `because`"),
        ("as Windows", "line 5: AB-2 has no test"),
        ("better: louder", "line 5: AB-2 has no test"),
    ] {
        let said = complaints("not on Linux: nothing hums because there is no bell", verdict);
        assert!(said.contains(wrong), "{verdict}: {said}");
    }
    assert_eq!(
        complaints("not on Linux: nothing hums because there is no bell", "as Windows: nothing to test, it is a wish"),
        ""
    );
    assert!(complaints("| it hums |", "| |").contains("AB-2 does not say what the rule is"));
    assert!(complaints("| it hums |", "| it | hums |").contains("AB-2 has 5 columns and needs 4"));
    assert!(complaints("| loud or quiet |", "| |").contains("line 13: G-1: say what the sources disagree on"));
}

#[test]
fn a_named_test_that_is_not_there_is_told_with_where_to_look() {
    assert!(
        complaints("it_stops; daemon", "it_stopped; daemon")
            .contains("line 4: AB-1 names the test core: it_stopped, which is not there: it may have")
    );
    assert!(complaints("core: it_stops; open", "daemon: it_stops; open").ends_with("it is in core"));
    assert!(
        complaints("core: it_stops; open", "cli: it_starts; open")
            .ends_with("there is no crate of that name; there are core, daemon")
    );
    assert!(complaints("core: it_stops; open", "it_stops; open").contains("\"it_stops\" names no crate"));
    assert!(complaints("core: it_stops; open", "core: it stops; open").contains("\"it stops\" is no name of a test"));
    assert!(complaints("core: it_stops; open: the daemon's half", "").contains("the fourth column is empty"));
    assert!(complaints("open: the daemon's half", "open:").contains("`open:` has to say what is missing"));
}

#[test]
fn an_open_rule_that_a_test_cites_is_told() {
    let daemons = complaints("core: ab_1_it_runs, it_stops; daemon: it_runs", "core: ab_1_it_runs; open: the daemon");
    assert!(daemons.starts_with("line 4: AB-1 is open, but daemon: it_runs cites it"), "{daemons}");
    let both_named = complaints("it_stops; daemon: it_runs", "it_stops; daemon: it_runs; open: the rest");
    assert_eq!(both_named, "");
}

#[test]
fn a_test_that_cites_what_does_not_exist_is_told() {
    let cites = [Rule::new("AB", 7)].into();
    let tests = [("core".into(), vec![Test { name: "ab_7_no".into(), cites }])].into();
    let said = check_cited(&Tables::read(SOUND), &tests, &[("AB", 2)]);
    assert_eq!(said, ["core: ab_7_no cites AB-7, which does not exist: correct it at the test"]);
}

#[test]
fn a_whole_scenario_is_settled_by_any_of_its_steps() {
    let table = |second: &str| {
        format!(
            "| rule | | | |\n|---|\n| S16.3-1 | x | as Windows | open: all |\n| S16.3-2 | x | as Windows | {second} |"
        )
    };
    let tests: Tests = [("core".into(), tests_in("#[test]\nfn s16_3_an_update() {}"))].into();
    let check = |second| check_cited(&Tables::read(&table(second)), &tests, &[("S16.3", 2)]).len();
    assert_eq!((check("open: all"), check("core: s16_3_an_update; open: more"), check("core: other")), (1, 0, 0));
}

#[test]
fn a_name_cites_the_rules_it_begins_with() {
    let cites = |name| rules_of_name(name).iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(cites("lc_7_d1_firings_during_a_run_collapse"), "LC-7 D1");
    assert_eq!(cites("grp_2_grp_3_gr_2_a_registration_keeps_its_group"), "GRP-2 GRP-3 GR-2");
    assert_eq!(cites("s16_3_an_update_fires"), "S16.3");
    assert_eq!(cites("s16_1_9_acc_18_equal_offset"), "S16.1-9 ACC-18");
    assert_eq!(cites("d_why_follows_a_task"), "");
    assert_eq!(cites("what_d7_says"), "");
}

#[test]
fn only_written_out_tests_are_found_in_a_source() {
    let shown = |test: &Test| {
        let cites: Vec<_> = test.cites.iter().map(ToString::to_string).collect();
        format!("{} {}", test.name, cites.join(" ")).trim().to_owned()
    };
    let found: Vec<_> = tests_in(include_str!("source.txt")).iter().map(shown).collect();
    assert_eq!(
        found,
        [
            "plain",
            "commented ACC-18 BLD-9 D7",
            "d13_asynchronous CND-6 D13",
            "after_hostile_texts",
            "nested_in_a_module"
        ]
    );
}
