use std::collections::HashMap;

use crate::book::{Book, Page};

/// The links of a page that lead nowhere.
pub(crate) fn broken(page: &Page, book: &Book) -> Vec<String> {
    targets(&page.text).into_iter().filter_map(|target| problem(&target, page, book)).collect()
}

fn problem(target: &str, page: &Page, book: &Book) -> Option<String> {
    if target.starts_with("https://") || target.starts_with("http://") {
        return None;
    }
    // What is no page, as a schema, is copied beside the pages.
    if !target.contains(".md") && !target.starts_with('#') && book.source(target).is_file() {
        return None;
    }
    let (file, fragment) = target.split_once('#').unwrap_or((target, ""));
    let Some(found) = (if file.is_empty() { Some(page) } else { book.page(file) }) else {
        return Some(format!("{}: ({target}) is no page of the book", page.name));
    };
    let is_there = fragment.is_empty() || anchors(&found.text).contains(&fragment.to_owned());
    (!is_there).then(|| format!("{}: ({target}): {} has no such heading", page.name, found.name))
}

/// What stands in the round brackets of links, outside of code.
fn targets(text: &str) -> Vec<String> {
    let prose = prose(text);
    let parts = prose.split("](").skip(1);
    parts.filter_map(|part| part.split_once(')')).map(|(target, _)| target.to_owned()).collect()
}

/// A page without its code, whether in blocks or between backticks.
fn prose(text: &str) -> String {
    let mut kept = String::new();
    let mut is_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            let outside = line.split('`').step_by(2).collect::<Vec<_>>();
            kept.push_str(&outside.join("`"));
            kept.push('\n');
        }
    }
    kept
}

/// The anchors that mdBook gives the headings of a page; of equal ones the second gets a number.
fn anchors(text: &str) -> Vec<String> {
    let mut is_code = false;
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        let heading = line.trim_start_matches('#');
        if is_code || heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let slug = slug(heading.trim());
        let count = seen.entry(slug.clone()).and_modify(|count| *count += 1).or_default();
        found.push(if *count == 0 { slug } else { format!("{slug}-{count}") });
    }
    found
}

fn slug(heading: &str) -> String {
    let kept = heading.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        c if c.is_alphanumeric() => c.to_lowercase().next(),
        _ => None,
    });
    kept.collect()
}

#[test]
fn a_heading_has_the_anchor_of_mdbook() {
    assert_eq!(
        anchors("# `every:TIME`, or --every\n```\n# no\n```\n## Why, not?\n## Why not"),
        ["everytime-or---every", "why-not", "why-not-1"]
    );
}

#[test]
fn links_in_code_are_none() {
    assert_eq!(targets("see [a](b.md#c) and `[x](y)`\n```text\n[p](q)\n```\n"), ["b.md#c"]);
}
