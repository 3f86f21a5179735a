//! "Did you mean": the known word nearest to a misspelt one.

use bgtask_suggest::slips;

/// The `known` word that is near enough to `word` to have been meant, written with `_` or with `-`.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    bgtask_suggest::nearest(word, known, |word, known| slips(&word.replace('_', "-"), known))
}

#[cfg(test)]
mod tests {
    use bgtask_suggest::MAX_COMPARED_CHARS;

    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_or_huge_ones_are_not() {
        let known = ["internet", "no-internet", "idle", "at"];
        assert_eq!(nearest("intrenet", known), Some("internet"));
        assert_eq!(nearest("NO_INTERNET", known), Some("no-internet"));
        for far in ["colour", "", "x", &"i".repeat(MAX_COMPARED_CHARS + 1), &"i".repeat(1_000_000)] {
            assert_eq!(nearest(far, known), None);
        }
    }
}
