//! The fields of a task file by their types, and what is wrong with them.

use std::cell::RefCell;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{WordError, quoted};
use crate::{Diagnostic, Severity};

/// Most mistakes that are reported for one file. What lies beyond is counted in one last diagnostic.
pub const MAX_DIAGNOSTICS: usize = 100;

/// Text with its place in the file, in bytes.
pub(crate) type Text = Spanned<String>;

/// The table of a file, and the mistakes found in it so far.
pub(crate) struct Fields<'a> {
    table: &'a DeTable<'a>,
    found: RefCell<Vec<Diagnostic>>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(table: &'a DeTable<'a>) -> Self {
        Self { table, found: RefCell::default() }
    }

    /// All mistakes, in the order of the file.
    pub(crate) fn into_mistakes(self) -> Vec<Diagnostic> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|mistake| mistake.span.as_ref().map_or(usize::MAX, |span| span.start));
        let more = found.len().saturating_sub(MAX_DIAGNOSTICS);
        if more > 0 {
            found.truncate(MAX_DIAGNOSTICS);
            let message = format!("{more} more mistakes are not listed");
            found.push(Diagnostic::error("task/more", message).help("correct the ones above first"));
        }
        debug_assert!(found.iter().all(|mistake| mistake.severity == Severity::Error));
        found
    }

    pub(crate) fn push(&self, mistake: Diagnostic) {
        self.found.borrow_mut().push(mistake);
    }

    pub(crate) fn has_mistakes(&self) -> bool {
        !self.found.borrow().is_empty()
    }

    /// Notes what is wrong with a word at this place.
    pub(crate) fn refuse(&self, code: &'static str, error: WordError, span: Option<Range<usize>>) {
        self.push(Diagnostic::error(code, error.wrong).help(error.help).at(span));
    }

    /// Every key with its place.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        self.table.keys().map(|key| (&**key.get_ref(), key.span()))
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    pub(crate) fn span(&self, key: &str) -> Option<Range<usize>> {
        self.table.get(key).map(Spanned::span)
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.read(key, "true or false", |value| match value {
            DeValue::Boolean(flag) => Some(*flag),
            _ => None,
        })
        .is_some_and(Spanned::into_inner)
    }

    pub(crate) fn text(&self, key: &str, wanted: &str) -> Option<Text> {
        self.read(key, wanted, string)
    }

    /// A whole number from 0 to `most`.
    pub(crate) fn number(&self, key: &str, most: u32) -> Option<u32> {
        let wanted = format!("a whole number from 0 to {most}");
        let number = self.read(key, &wanted, |value| match value {
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        })?;
        if *number.get_ref() <= most {
            return Some(number.into_inner());
        }
        let message = format!("{key} of {} is too much", number.get_ref());
        self.push(Diagnostic::error("task/value", message).help(format!("write {wanted}")).at(Some(number.span())));
        None
    }

    /// A word that `read` understands.
    pub(crate) fn word<T>(&self, key: &str, example: &str, read: impl Fn(&str) -> Result<T, WordError>) -> Option<T> {
        let word = self.text(key, &format!("a string, such as {example:?}"))?;
        let value = read(word.get_ref());
        value.map_err(|error| self.refuse("task/value", error, Some(word.span()))).ok()
    }

    /// A list of strings.
    pub(crate) fn texts(&self, key: &str, wanted: &str) -> Option<Vec<Text>> {
        let value = self.table.get(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(key, wanted, value.get_ref(), value.span());
            return None;
        };
        let text = |item: &Spanned<DeValue<'_>>| match string(item.get_ref()) {
            Some(text) => Some(Spanned::new(item.span(), text)),
            None => {
                self.wrong_type(&format!("an item of {key}"), "a string", item.get_ref(), item.span());
                None
            }
        };
        Some(items.iter().filter_map(text).collect())
    }

    /// Either a list of strings, or one alone.
    pub(crate) fn texts_or_text(&self, key: &str, wanted: &str) -> Option<Result<Vec<Text>, Text>> {
        match self.table.get(key)?.get_ref() {
            DeValue::String(_) => self.text(key, wanted).map(Err),
            _ => self.texts(key, wanted).map(Ok),
        }
    }

    /// A table of strings.
    pub(crate) fn table(&self, key: &str, wanted: &str) -> Vec<(Text, Text)> {
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let DeValue::Table(entries) = value.get_ref() else {
            self.wrong_type(key, wanted, value.get_ref(), value.span());
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (name, value) in entries {
            match string(value.get_ref()) {
                Some(text) => {
                    let name = Spanned::new(name.span(), name.get_ref().clone().into_owned());
                    texts.push((name, Spanned::new(value.span(), text)));
                }
                None => {
                    let what = format!("{} in {key}", quoted(name.get_ref()));
                    self.wrong_type(&what, "a string", value.get_ref(), value.span());
                }
            }
        }
        texts
    }

    fn read<T>(&self, key: &str, wanted: &str, take: impl Fn(&DeValue<'_>) -> Option<T>) -> Option<Spanned<T>> {
        let value = self.table.get(key)?;
        let taken = take(value.get_ref()).map(|taken| Spanned::new(value.span(), taken));
        if taken.is_none() {
            self.wrong_type(key, wanted, value.get_ref(), value.span());
        }
        taken
    }

    fn wrong_type(&self, what: &str, wanted: &str, found: &DeValue<'_>, span: Range<usize>) {
        let held = match found {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false without quotation marks",
            DeValue::Datetime(_) => "a date or a time without quotation marks",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let error = Diagnostic::error("task/wrong-type", format!("{what} holds {held}"));
        self.push(error.help(format!("it must be {wanted}")).at(Some(span)));
    }
}

fn string(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        _ => None,
    }
}
