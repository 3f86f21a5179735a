//! Which text messages are listened to.

use std::collections::BTreeMap;

use crate::given::Given;

/// The longest prefix of a number or a text that a trigger may name, in bytes.
pub const MAX_PREFIX_BYTES: usize = 256;

/// Which text messages are listened to: all, or those that begin as it says here. Class `SmsMessageReceivedTrigger`; with
/// neither property also `SystemTrigger` of `SmsReceived`.
///
/// Fields of an event: `number`, `text`, `received_at` (as the network says, in ISO 8601; null where it does not), `modem`
/// and `message` (their objects on the system bus).
///
/// ```
/// use std::collections::BTreeMap;
///
/// use bgtask_sources::{SmsSpec, Subject};
///
/// let bank = BTreeMap::from([("from".to_owned(), "+49".to_owned())]);
/// let Ok(Subject::Sms(spec)) = Subject::read("SmsMessageReceivedTrigger", &bank) else { panic!() };
/// assert_eq!(spec, SmsSpec { from: Some("+49".to_owned()), text: None });
/// ```
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct SmsSpec {
    /// How the number of the sender begins. Some senders have a name in its place.
    pub from: Option<String>,
    /// How the text begins.
    pub text: Option<String>,
}

impl SmsSpec {
    /// What the properties of a trigger ask for, or a sentence about what is wrong with them.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        Given::of(&["from", "text"], properties)?;
        Ok(Self { from: prefix(properties, "from")?, text: prefix(properties, "text")? })
    }

    pub(super) fn admits(&self, number: &str, text: &str) -> bool {
        let begins =
            |value: &str, prefix: &Option<String>| prefix.as_ref().is_none_or(|it| value.starts_with(it.as_str()));
        begins(number, &self.from) && begins(text, &self.text)
    }
}

fn prefix(properties: &BTreeMap<String, String>, name: &str) -> Result<Option<String>, String> {
    match properties.get(name) {
        Some(written) if written.is_empty() => Err(format!("`{name}` is empty; write how it begins, or leave it out")),
        Some(written) if written.len() > MAX_PREFIX_BYTES => {
            Err(format!("`{name}` has {} bytes; write at most {MAX_PREFIX_BYTES}", written.len()))
        }
        written => Ok(written.cloned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<SmsSpec, String> {
        SmsSpec::read(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    #[test]
    fn a_prefix_of_each_decides() {
        let spec = SmsSpec { from: Some("+49".to_owned()), text: Some("PIN".to_owned()) };
        assert!(spec.admits("+4912", "PIN 1"));
        assert!(!spec.admits("+4812", "PIN 1") && !spec.admits("+4912", "Your PIN"));
        assert!(SmsSpec::default().admits("", ""));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        let error = read("number", "1").unwrap_err();
        assert_eq!(error, "there is no property `number`: this trigger takes `from`, `text`");
        assert_eq!(read("from", "").unwrap_err(), "`from` is empty; write how it begins, or leave it out");
        assert!(read("text", &"x".repeat(MAX_PREFIX_BYTES)).is_ok());
        let error = read("text", &"x".repeat(MAX_PREFIX_BYTES + 1)).unwrap_err();
        assert_eq!(error, "`text` has 257 bytes; write at most 256");
    }
}
