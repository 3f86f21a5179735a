use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::blocks::{Block, blocks};
use crate::console::Difference;

/// The book, with what its pages include.
pub(crate) struct Book {
    /// The project.
    pub(crate) root: PathBuf,
    /// As SUMMARY.md lists them.
    pub(crate) pages: Vec<Page>,
}

pub(crate) struct Page {
    /// The file's name: all pages are in one folder, so that a link in a page of `docs` is right in both places.
    pub(crate) name: String,
    pub(crate) text: String,
    /// Whether it is a page of `docs`.
    pub(crate) included: bool,
}

impl Book {
    pub(crate) fn open() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned();
        let mut book = Self { root, pages: Vec::new() };
        let summary = fs::read_to_string(book.source("SUMMARY.md")).unwrap();
        book.pages = chapters(&summary).map(|name| book.read(name)).collect();
        book
    }

    pub(crate) fn docs(&self) -> PathBuf {
        self.root.join("docs")
    }

    pub(crate) fn page(&self, name: &str) -> Option<&Page> {
        self.pages.iter().find(|page| page.name == name)
    }

    /// The files of its folder.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.source("")).unwrap().map(|entry| entry.unwrap().file_name());
        let names = entries.map(|name| name.to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".md") && name != "SUMMARY.md").collect()
    }

    /// Puts what was answered in the place of what the page shows.
    pub(crate) fn rewrite(&self, page: &Page, differences: &[Difference]) {
        let path = if page.included { self.docs().join(&page.name) } else { self.source(&page.name) };
        let mut text = fs::read_to_string(&path).unwrap();
        for it in differences {
            text = text.replacen(&it.shown, &it.answered, 1);
        }
        fs::write(path, text).unwrap();
    }

    /// A file beside the pages.
    pub(crate) fn source(&self, name: &str) -> PathBuf {
        self.docs().join("book/src").join(name)
    }

    fn read(&self, name: &str) -> Page {
        let path = self.source(name);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("SUMMARY.md lists {name}: {error}"));
        let included = text.trim() == format!("{{{{#include ../../{name}}}}}");
        Page { name: name.to_owned(), text: expanded(&text, path.parent().unwrap()), included }
    }
}

impl Page {
    pub(crate) fn blocks(&self) -> Vec<Block> {
        blocks(&self.text)
    }
}

/// The targets of the links in SUMMARY.md.
fn chapters(summary: &str) -> impl Iterator<Item = &str> {
    summary.lines().filter_map(|line| line.split_once("](")?.1.split_once(')')).map(|(name, _)| name)
}

/// What mdBook does with `{{#include FILE}}` and `{{#include FILE:ANCHOR}}`.
fn expanded(text: &str, folder: &Path) -> String {
    let mut whole = String::new();
    for line in text.lines() {
        let wanted = line.trim().strip_prefix("{{#include ").and_then(|rest| rest.strip_suffix("}}"));
        match wanted {
            None => whole.push_str(line),
            Some(wanted) => {
                let (file, anchor) = wanted.split_once(':').unwrap_or((wanted, ""));
                let path = folder.join(file.trim());
                let content = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{wanted}: {error}"));
                whole.push_str(
                    anchored(&content, anchor).unwrap_or_else(|| panic!("{wanted}: no such anchor")).trim_end(),
                );
            }
        }
        whole.push('\n');
    }
    whole
}

fn anchored<'a>(content: &'a str, anchor: &str) -> Option<&'a str> {
    if anchor.is_empty() {
        return Some(content);
    }
    let (_, rest) = content.split_once(&format!("<!-- ANCHOR: {anchor} -->\n"))?;
    rest.split_once(&format!("<!-- ANCHOR_END: {anchor} -->")).map(|(part, _)| part)
}
