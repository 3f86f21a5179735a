//! The properties of a trigger as somebody wrote them, by name.

use std::collections::BTreeMap;

/// Name and value.
pub(crate) type Written = BTreeMap<String, String>;

/// Refuses what is not one of the `known` names.
pub(crate) fn only(properties: &Written, known: &[&str]) -> Result<(), String> {
    match properties.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) if known.is_empty() => Err(format!("`{name}` is not known: this trigger has no properties")),
        Some(name) => Err(format!("`{name}` is not known; write one of {}", known.join(", "))),
    }
}

/// The value of a property that must be there.
pub(crate) fn required<'p>(properties: &'p Written, name: &str, example: &str) -> Result<&'p str, String> {
    match properties.get(name).map(String::as_str) {
        None | Some("") => Err(format!("`{name}` is missing; write it as in `{name}={example}`")),
        Some(value) => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_knows_is_refused_with_what_is_known() {
        let written = Written::from([("unti".to_owned(), "a.service".to_owned())]);
        assert_eq!(only(&written, &["unit", "state"]).unwrap_err(), "`unti` is not known; write one of unit, state");
        assert_eq!(only(&written, &[]).unwrap_err(), "`unti` is not known: this trigger has no properties");
        let missing = required(&written, "unit", "backup.service").unwrap_err();
        assert_eq!(missing, "`unit` is missing; write it as in `unit=backup.service`");
    }
}
