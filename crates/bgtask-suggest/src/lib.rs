//! "Did you mean": the known word nearest to a misspelt one, for every text that a person writes.
//!
//! ```
//! use bgtask_suggest::{letters, nearest, slips};
//!
//! assert_eq!(nearest("entrypoint", ["entry_point", "types"], letters), Some("entry_point"));
//! assert_eq!(nearest("intrenet", ["internet", "idle"], slips), Some("internet"));
//! assert_eq!(nearest("colour", ["internet", "idle"], slips), None);
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

/// Longest word a suggestion is looked for, in characters; the comparison is quadratic in it.
pub const MAX_COMPARED_CHARS: usize = 64;

/// The `known` word nearest to this one, of equally near ones the first; capitals do not count.
///
/// One mistake is allowed, and one more for every four characters. What a mistake is, `distance` says: of the word and a
/// known one, both in small letters.
pub fn nearest<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    distance: impl Fn(&str, &str) -> usize,
) -> Option<&'a str> {
    if word.is_empty() || word.chars().nth(MAX_COMPARED_CHARS).is_some() {
        return None;
    }
    let word = word.to_lowercase();
    let allowed = 1 + word.chars().count() / 4;
    let distances = known.into_iter().map(|known| (distance(&word, &known.to_lowercase()), known));
    distances.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|(_, known)| known)
}

/// The fewest insertions, deletions and substitutions that turn one word into the other.
pub fn letters(word: &str, known: &str) -> usize {
    strsim::levenshtein(word, known)
}

/// As [`letters`], with a swap of neighbours as one mistake; a known word of which hardly a letter would be left is not meant.
pub fn slips(word: &str, known: &str) -> usize {
    let distance = strsim::osa_distance(word, known);
    if distance + 1 < known.chars().count() { distance } else { usize::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_or_huge_ones_are_not() {
        let known = ["internet", "no-internet", "idle", "at"];
        assert_eq!(nearest("intrenet", known, slips), Some("internet"));
        assert_eq!(nearest("NO-INTERNET", known, slips), Some("no-internet"));
        for far in ["colour", "", "x", &"i".repeat(MAX_COMPARED_CHARS + 1), &"i".repeat(1_000_000)] {
            assert_eq!(nearest(far, known, slips), None);
        }
    }

    #[test]
    fn a_short_word_is_a_slip_of_no_other_and_a_letter_away_from_it() {
        assert_eq!(nearest("as", ["at"], slips), None);
        assert_eq!(nearest("as", ["at"], letters), Some("at"));
    }
}
