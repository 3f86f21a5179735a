//! "Did you mean": the known name nearest to a mistyped one.

/// Longest name a suggestion is looked for; the comparison is quadratic in it.
const MAX_COMPARED_CHARS: usize = 64;

/// The sentence to add as help, if some `known` name is near enough to `name`.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted: Vec<char> = name.to_lowercase().chars().take(MAX_COMPARED_CHARS + 1).collect();
    if wanted.is_empty() || wanted.len() > MAX_COMPARED_CHARS {
        return None;
    }
    let allowed = 1 + wanted.len() / 4;
    known
        .into_iter()
        .map(|candidate| (distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| format!("did you mean {candidate:?}?"))
}

/// The fewest insertions, deletions and substitutions that turn one name into the other.
fn distance(from: &[char], to: &str) -> usize {
    let mut row: Vec<usize> = (0..=from.len()).collect();
    for (done, target) in to.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = done + 1;
        for (i, source) in from.iter().enumerate() {
            let substituted = diagonal + usize::from(*source != target);
            diagonal = row[i + 1];
            row[i + 1] = substituted.min(row[i] + 1).min(diagonal + 1);
        }
    }
    row[from.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["entry_point", "executable", "types"];
        assert_eq!(did_you_mean("entrypoint", known).unwrap(), "did you mean \"entry_point\"?");
        assert_eq!(did_you_mean("type", known).unwrap(), "did you mean \"types\"?");
        assert_eq!(did_you_mean("colour", known), None);
        assert_eq!(did_you_mean("", known), None);
    }

    #[test]
    fn a_huge_name_is_not_compared() {
        assert_eq!(did_you_mean(&"t".repeat(MAX_COMPARED_CHARS + 1), ["t"]), None);
        assert_eq!(did_you_mean(&"t".repeat(1_000_000), ["t"]), None);
    }
}
