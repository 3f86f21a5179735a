//! The lines that are missing in a manifest, in its own form.

use crate::model::Form;
use crate::task_type::TaskType;

/// The lines to add so that an entry point may use a type.
///
/// `declared` holds the types the entry point has already, or `None` if the manifest does not name it at all.
/// For `bgtask.toml` the answer to a missing type is the whole `types` line, since that is the line to change.
///
/// ```
/// use bgtask_manifest::{Form, TaskType, lines_to_add};
/// assert_eq!(
///     lines_to_add(Form::Toml, "Tasks.Sample", None, TaskType::Timer),
///     "[[task]]\nentry_point = \"Tasks.Sample\"\ntypes = [\"timer\"]\n",
/// );
/// assert_eq!(
///     lines_to_add(Form::Appx, "Tasks.Sample", Some(&[TaskType::SystemEvent]), TaskType::Timer),
///     "<Task Type=\"timer\" />\n",
/// );
/// ```
pub fn lines_to_add(form: Form, entry_point: &str, declared: Option<&[TaskType]>, missing: TaskType) -> String {
    match form {
        Form::Toml => toml_lines(entry_point, declared, missing),
        Form::Appx => appx_lines(entry_point, declared.is_some(), missing),
    }
}

fn toml_lines(entry_point: &str, declared: Option<&[TaskType]>, missing: TaskType) -> String {
    let all = declared.unwrap_or_default().iter().chain([&missing]);
    let types: Vec<String> = all.map(|one| format!("\"{one}\"")).collect();
    let types = format!("types = [{}]\n", types.join(", "));
    match declared {
        Some(_) => types,
        None => format!("[[task]]\nentry_point = {}\n{types}", toml::Value::from(entry_point)),
    }
}

fn appx_lines(entry_point: &str, declared: bool, missing: TaskType) -> String {
    // The namespace is declared in place, so the line is right whatever the manifest declares at its top.
    let element = match missing.home() {
        (uri, Some(prefix)) => format!("<{prefix}:Task xmlns:{prefix}=\"{uri}\" Type=\"{missing}\" />"),
        (_, None) => format!("<Task Type=\"{missing}\" />"),
    };
    if declared {
        return format!("{element}\n");
    }
    let entry_point = xml_attribute(entry_point);
    format!(
        "<Extension Category=\"windows.backgroundTasks\" EntryPoint=\"{entry_point}\">\n  \
           <BackgroundTasks>\n    {element}\n  </BackgroundTasks>\n\
         </Extension>\n"
    )
}

fn xml_attribute(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '"' => escaped.push_str("&quot;"),
            // Written as they are, these would be read back as blanks.
            '\t' | '\n' | '\r' => escaped.push_str(&format!("&#{};", u32::from(character))),
            other => escaped.push(other),
        }
    }
    escaped
}
