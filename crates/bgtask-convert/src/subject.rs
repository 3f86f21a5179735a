use std::collections::BTreeMap;

use bgtask_core::{AppId, EventClass, Properties};
use bgtask_sources::Subject;

/// What is listened to for such a trigger. Where events belong to an app, it is the app's own that are heard.
///
/// # Errors
///
/// A property is missing or makes no sense: the text says which, and what would.
pub fn subject(class: EventClass, properties: &Properties, app: Option<&AppId>) -> Result<Subject, String> {
    let own = properties.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let of_app = app.map(|app| ("app".to_owned(), app.to_string()));
    Subject::read(class.name(), &own.chain(of_app).collect::<BTreeMap<_, _>>())
}
