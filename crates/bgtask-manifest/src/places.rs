//! Where in the text each value of the model stands, so that one set of checks serves both forms.

use std::collections::BTreeMap;
use std::ops::Range;

/// A list of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Section {
    Package,
    Application,
    Task,
    Server,
    AppService,
    Capability,
    Event,
    /// A file or folder of `[sandbox]`, those to read first.
    Folder,
}

/// A part of one item of a list. Named fields carry the name of the model's field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    Whole,
    Named(&'static str),
    /// The type or class with this index inside the item.
    Item(usize),
}

/// The byte ranges of what a reader saw. Empty for a model that was not read from a text.
#[derive(Debug, Default)]
pub(crate) struct Places(BTreeMap<(Section, usize, Field), Range<usize>>);

impl Places {
    pub(crate) fn set(&mut self, section: Section, index: usize, field: Field, span: Range<usize>) {
        self.0.insert((section, index, field), span);
    }

    /// The place of a field, or of the item it is missing from.
    pub(crate) fn of(&self, section: Section, index: usize, field: Field) -> Option<Range<usize>> {
        let exact = self.0.get(&(section, index, field));
        exact.or_else(|| self.0.get(&(section, index, Field::Whole))).cloned()
    }
}
