//! The properties of an event class, as people wrote them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The properties somebody gave for one class, all of which it knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a>(&'a BTreeMap<String, String>);

impl<'a> Given<'a> {
    /// Refuses properties that are none of `known`.
    pub(crate) fn of(known: &[&str], properties: &'a BTreeMap<String, String>) -> Result<Self, String> {
        match properties.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(Self(properties)),
            Some(name) if known.is_empty() => Err(format!("there is no property `{name}`: this trigger takes none")),
            Some(name) => Err(format!("there is no property `{name}`: this trigger takes {}", list(known))),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).map(String::as_str)
    }

    /// A property that must be there. `example` is what somebody could write.
    pub(crate) fn need(&self, name: &str, example: &str) -> Result<&'a str, String> {
        let written = self.text(name).filter(|text| !text.is_empty());
        written.ok_or_else(|| format!("`{name}` is missing; write it as in `{name}={example}`"))
    }

    /// A number within `range`, whose unit is told to who wrote another.
    pub(crate) fn number(&self, name: &str, range: RangeInclusive<f64>, unit: &str) -> Result<Option<f64>, String> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number = text.trim().parse().ok().filter(|number| range.contains(number));
        let (least, most) = (range.start(), range.end());
        number.map(Some).ok_or_else(|| format!("`{name}` is `{text}`; write a number from {least} to {most} ({unit})"))
    }

    /// One of some words, by what it stands for.
    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, String> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let meant = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        meant.map(Some).ok_or_else(|| format!("`{name}` is `{text}`; write one of {}", list(&known)))
    }
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn properties(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_unknown_is_refused_with_what_is_known() {
        let written = properties(&[("abov", "3")]);
        let refused = Given::of(&["above", "below"], &written).unwrap_err();
        assert_eq!(refused, "there is no property `abov`: this trigger takes `above`, `below`");
        assert_eq!(Given::of(&[], &written).unwrap_err(), "there is no property `abov`: this trigger takes none");
    }

    #[test]
    fn a_number_outside_its_range_is_told_the_range() {
        for bad in ["", "x", "NaN", "inf", "-1", "11", "1e99"] {
            let written = properties(&[("n", bad)]);
            let given = Given::of(&["n"], &written).unwrap();
            let refused = given.number("n", 0.0..=10.0, "metres").unwrap_err();
            assert_eq!(refused, format!("`n` is `{bad}`; write a number from 0 to 10 (metres)"));
        }
        let written = properties(&[("n", " 2.5 ")]);
        assert_eq!(Given::of(&["n"], &written).unwrap().number("n", 0.0..=10.0, "metres"), Ok(Some(2.5)));
    }

    #[test]
    fn a_word_is_one_of_those_there_are() {
        let written = properties(&[("on", "entr")]);
        let given = Given::of(&["on"], &written).unwrap();
        let refused = given.word("on", &[("enter", 1), ("leave", 2)]).unwrap_err();
        assert_eq!(refused, "`on` is `entr`; write one of `enter`, `leave`");
        assert_eq!(given.word::<u8>("else", &[]), Ok(None));
    }
}
