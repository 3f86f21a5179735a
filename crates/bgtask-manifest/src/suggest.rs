//! "Did you mean": the known name nearest to a mistyped one.

use bgtask_suggest::{letters, nearest};

/// The sentence to add as help, if some `known` name is near enough to `name`.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(name, known, letters).map(|nearest| format!("did you mean {nearest:?}?"))
}

#[cfg(test)]
mod tests {
    use bgtask_suggest::MAX_COMPARED_CHARS;

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
