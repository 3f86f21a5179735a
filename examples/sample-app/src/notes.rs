//! What became of each task, in a word under its name: written by the task, read by the app.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bgtask::ApplicationDataContainer;

/// Where the words are kept.
pub(crate) enum Notes {
    /// In the settings, which the app shares with the task program.
    Settings(ApplicationDataContainer),
    /// In this process: lost with it.
    Memory(Mutex<BTreeMap<String, String>>),
}

pub(crate) type NoteError = bgtask::storage::SettingsError;

impl Notes {
    pub(crate) const fn in_memory() -> Self {
        Self::Memory(Mutex::new(BTreeMap::new()))
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<String>, NoteError> {
        match self {
            Self::Settings(settings) => settings.get(name),
            Self::Memory(words) => Ok(words.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()),
        }
    }

    pub(crate) fn set(&self, name: &str, word: String) -> Result<(), NoteError> {
        match self {
            Self::Settings(settings) => settings.set(name, word),
            Self::Memory(words) => {
                words.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), word);
                Ok(())
            }
        }
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), NoteError> {
        match self {
            Self::Settings(settings) => settings.remove(name).map(drop),
            Self::Memory(words) => {
                words.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
                Ok(())
            }
        }
    }
}
