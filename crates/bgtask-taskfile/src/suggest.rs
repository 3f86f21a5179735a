//! "Did you mean": the known word nearest to a misspelt one.

/// Longest word a suggestion is looked for; the comparison is quadratic in it.
const MAX_COMPARED_CHARS: usize = 64;

/// The `known` word that is near enough to `word` to have been meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().take(MAX_COMPARED_CHARS + 1).count();
    if length == 0 || length > MAX_COMPARED_CHARS {
        return None;
    }
    let word = word.to_lowercase().replace('_', "-");
    let distance = |known: &str| strsim::osa_distance(&word, &known.to_lowercase());
    known
        .into_iter()
        .map(|known| (distance(known), known))
        .filter(|(distance, known)| *distance <= 1 + length / 4 && *distance + 1 < known.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
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
