//! The book of `docs/book`: its pages hang together, and everything it shows is true.
//!
//! A page shows blocks of code. What each kind of block has to stand is in [`blocks::Kind`]; a block that cannot run in a test
//! says in its first line what it needs (`console,needs=systemd`), one of [`blocks::NEEDS`].
//!
//! `BGTASK_BOOK=write cargo test -p bgtask-programs --test book` writes into the pages what the commands of today answer, where
//! that is not what a page shows. Read the difference before you commit it.

#[path = "../harness/mod.rs"]
mod harness;

mod blocks;
mod book;
mod console;
mod links;
mod matching;
mod static_blocks;
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;

use blocks::{Block, Kind};
use book::{Book, Page};
use world::World;

/// Pages whose commands run at the same time, each in a world of its own.
const AT_ONCE: usize = 2;

/// Fewer pages and blocks than these, and the tests look in the wrong place.
const LEAST_PAGES: usize = 20;
const LEAST_SESSIONS: usize = 60;

#[test]
fn every_page_is_in_the_summary_and_has_a_title() {
    let book = Book::open();
    assert!(book.pages.len() >= LEAST_PAGES, "{}", book.pages.len());
    let listed: BTreeSet<_> = book.pages.iter().map(|page| page.name.clone()).collect();
    assert_eq!(listed.len(), book.pages.len(), "a page is listed twice");
    assert_eq!(book.files(), listed, "the files beside SUMMARY.md, and what it lists");
    for page in &book.pages {
        assert!(page.text.starts_with("# "), "{} has to begin with its title", page.name);
        assert!(!page.text.contains("{{#"), "{} includes something that is not there", page.name);
    }
}

#[test]
fn every_link_leads_somewhere() {
    let book = Book::open();
    let broken: Vec<_> = book.pages.iter().flat_map(|page| links::broken(page, &book)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A page of `docs` that is a chapter has its links for both places; nothing is told in two places.
#[test]
fn every_page_of_docs_is_a_chapter() {
    let book = Book::open();
    for entry in fs::read_dir(book.docs()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "md") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let page = book.page(&name).unwrap_or_else(|| panic!("docs/{name} is no chapter of the book"));
            assert!(page.included, "docs/book/src/{name} has to include docs/{name}, and not to tell it again");
        }
    }
}

#[test]
fn every_block_says_what_it_is() {
    let book = Book::open();
    let wrong: Vec<_> = all_blocks(&book).filter_map(|(page, block)| block.complaint(page)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_written_as_a_file_is_sound() {
    let book = Book::open();
    let wrong: Vec<_> = all_blocks(&book).filter_map(|(page, block)| static_blocks::problem(page, &block)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The body of every function that is shown in Rust is compiled by the documentation tests of `bgtask`.
#[test]
fn rust_is_shown_on_pages_that_the_compiler_reads() {
    let book = Book::open();
    let library = fs::read_to_string(book.root.join("crates/bgtask/src/lib.rs")).unwrap();
    for page in book.pages.iter().filter(|page| page.blocks().iter().any(|block| block.kind() == Some(Kind::Rust))) {
        let file = if page.included { format!("docs/{}", page.name) } else { format!("docs/book/src/{}", page.name) };
        assert!(library.contains(&format!("include_str!(\"../../../{file}\")")), "crates/bgtask/src/lib.rs: {file}");
    }
}

#[test]
fn python_is_python() {
    if !harness::has_program("python3") {
        return harness::skipped("python3 is not installed");
    }
    let book = Book::open();
    let wrong: Vec<_> = all_blocks(&book)
        .filter(|(_, block)| block.kind() == Some(Kind::Python))
        .filter_map(|(page, block)| static_blocks::python_problem(page, &block))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Everything that a page lets its reader type answers what the page shows.
#[test]
fn every_command_answers_what_the_book_shows() {
    let book = Book::open();
    let sessions = |page: &Page| page.blocks().iter().filter(|block| block.runs()).count();
    assert!(book.pages.iter().map(sessions).sum::<usize>() >= LEAST_SESSIONS);
    let chosen = std::env::var("BGTASK_BOOK_PAGE").unwrap_or_default();
    let left: Vec<&Page> = book.pages.iter().filter(|it| sessions(it) > 0 && it.name.starts_with(&chosen)).collect();
    let left = Mutex::new(left);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(page) = left.lock().unwrap().pop() else { return };
                    let found = play(page);
                    if !found.is_empty() && console::writes() {
                        book.rewrite(page, &found);
                    }
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let told: Vec<_> = wrong.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{} blocks\n\n{}", told.len(), told.join("\n\n"));
}

/// The sessions of a page, one after the other, as its reader would type them.
fn play(page: &Page) -> Vec<console::Difference> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let blocks = page.blocks();
    let sessions = blocks.iter().filter(|block| block.runs() && is_installed(block));
    sessions.filter_map(|block| console::play(page, block, &world)).collect()
}

fn is_installed(block: &Block) -> bool {
    let missing = block.programs().find(|program| !harness::has_program(program));
    missing.inspect(|program| harness::skipped(&format!("{program} is not installed"))).is_none()
}

fn all_blocks(book: &Book) -> impl Iterator<Item = (&Page, Block)> {
    book.pages.iter().flat_map(|page| page.blocks().into_iter().map(move |block| (page, block)))
}

/// Every word of the catalogue has its section, or stands among those that are refused.
#[test]
fn every_trigger_and_every_condition_is_told() {
    let book = Book::open();
    let triggers = bgtask_taskfile::catalog::triggers();
    let conditions = bgtask_taskfile::catalog::conditions();
    for (pages, entries) in [(&["trigger-words.md", "events.md"][..], triggers), (&["conditions.md"], conditions)] {
        let text: String = pages.iter().map(|name| book.page(name).unwrap().text.as_str()).collect();
        for entry in entries {
            let word = entry.word;
            let told = match entry.unavailable {
                None => text.contains(&format!("\n## {word}\n")),
                Some(_) => text.split("\n## What is refused\n").nth(1).unwrap().contains(&format!("`{word}`")),
            };
            assert!(told, "{pages:?} say nothing of {word}");
        }
    }
}
