//! Arguments from the command line to the types of D-Bus.

use std::collections::HashMap;
use std::str::FromStr;

use serde_json::{Map, Value};
use zbus::wire::{Endian, serialized::Context, serialized_size};
use zbus::{OwnedVariant, Variant};

use crate::find::quoted;

/// Most bytes of all arguments as marshalled: what the contract takes.
const MAX_BYTES: usize = 64 * 1024;
/// Most objects within one another.
const MAX_DEPTH: usize = 8;

/// One `KEY=VALUE` or `KEY:=JSON`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Argument {
    key: String,
    value: Value,
}

/// A JSON object on the command line.
#[derive(Clone, Debug)]
pub(super) struct Object(Map<String, Value>);

impl Argument {
    /// A text by its key.
    pub(super) fn text(key: &str, value: &str) -> Self {
        Self { key: key.to_owned(), value: value.into() }
    }
}

impl FromStr for Argument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "say KEY=VALUE for a text, KEY:=JSON for anything else";
        let (key, value) = text.split_once('=').ok_or_else(|| format!("there is no = in it: {form}"))?;
        let (key, value) = match key.strip_suffix(':') {
            None => (key, Value::from(value)),
            Some(key) => {
                let value = serde_json::from_str(value).map_err(|error| {
                    format!("what follows := is no JSON: {error}; a text is {key}=VALUE without the colon")
                });
                (key, value?)
            }
        };
        if key.is_empty() {
            return Err(format!("there is no key before the =: {form}"));
        }
        Ok(Self { key: key.to_owned(), value })
    }
}

impl FromStr for Object {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let object = serde_json::from_str(text).map(Self);
        object.map_err(|error| format!("it is no JSON object: {error}; one looks like {{\"album\":\"Summer\"}}"))
    }
}

/// All arguments, each in its type on the wire.
pub(super) fn collect(arguments: &[Argument], object: &Object) -> Result<HashMap<String, OwnedVariant>, String> {
    let mut collected = HashMap::new();
    let given = arguments.iter().map(|argument| (&argument.key, &argument.value));
    for (key, value) in object.0.iter().chain(given) {
        let variant = convert(key, value, 0)?;
        let owned = OwnedVariant::try_from(variant).map_err(|error| format!("{} cannot be sent: {error}", of(key)))?;
        if collected.insert(key.clone(), owned).is_some() {
            return Err(format!("{} is given twice", of(key)));
        }
    }
    check_size(&collected)?;
    Ok(collected)
}

fn check_size(collected: &HashMap<String, OwnedVariant>) -> Result<(), String> {
    let size = serialized_size(Context::new(Endian::native(), 0), collected);
    let size = *size.map_err(|error| format!("the arguments cannot be sent: {error}"))?;
    if size <= MAX_BYTES {
        return Ok(());
    }
    Err(format!(
        "the arguments take {size} bytes, at most {MAX_BYTES} can be sent: put what is large into a file, and send its name"
    ))
}

fn convert(key: &str, value: &Value, depth: usize) -> Result<Variant<'static>, String> {
    check_text(key, key)?;
    Ok(match value {
        Value::Null => return Err(format!("{} is null, which D-Bus does not have: leave it out", of(key))),
        Value::Bool(value) => Variant::from(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(signed), _) => Variant::from(signed),
            (None, Some(unsigned)) => Variant::from(unsigned),
            (None, None) => Variant::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => {
            check_text(key, text)?;
            Variant::from(text.clone())
        }
        Value::Array(elements) => list(key, elements)?,
        Value::Object(_) if depth == MAX_DEPTH => {
            return Err(format!("{} is more than {MAX_DEPTH} objects within one another", of(key)));
        }
        Value::Object(object) => {
            let fields = object.iter().map(|(key, value)| Ok((key.clone(), convert(key, value, depth + 1)?)));
            Variant::from(fields.collect::<Result<HashMap<String, Variant<'static>>, String>>()?)
        }
    })
}

/// A list of one kind; the empty one is of texts.
fn list(key: &str, elements: &[Value]) -> Result<Variant<'static>, String> {
    for text in elements.iter().filter_map(Value::as_str) {
        check_text(key, text)?;
    }
    all(elements, |element| element.as_str().map(str::to_owned))
        .map(Variant::from)
        .or_else(|| all(elements, Value::as_bool).map(Variant::from))
        .or_else(|| all(elements, Value::as_i64).map(Variant::from))
        .or_else(|| all(elements, Value::as_u64).map(Variant::from))
        .or_else(|| all(elements, Value::as_f64).map(Variant::from))
        .ok_or_else(|| {
            format!(
                "{} is a list of several kinds: its elements have to be all texts, all numbers, or all true or false",
                of(key)
            )
        })
}

fn all<T>(elements: &[Value], read: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    elements.iter().map(read).collect()
}

/// D-Bus has no texts with a NUL in them.
fn check_text(key: &str, text: &str) -> Result<(), String> {
    if text.contains('\0') {
        Err(format!("{} has a NUL character in it, which cannot be sent", of(key)))
    } else {
        Ok(())
    }
}

fn of(key: &str) -> String {
    format!("the argument {}", quoted(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(texts: &[&str]) -> Result<HashMap<String, OwnedVariant>, String> {
        let arguments: Result<Vec<Argument>, String> = texts.iter().map(|text| text.parse()).collect();
        collect(&arguments?, &"{}".parse()?)
    }

    /// The type and the value on the wire.
    fn sent(text: &str) -> String {
        given(&[text]).map_or_else(|problem| problem, |sent| sent["k"].to_string())
    }

    #[test]
    fn each_value_gets_the_type_it_reads_as() {
        assert_eq!(sent("k=3"), "\"3\"", "without the colon it is a text");
        assert_eq!(sent("k="), "\"\"");
        assert_eq!(sent("k=a=b:=c"), "\"a=b:=c\"");
        assert_eq!(sent("k:=3"), "int64 3");
        assert_eq!(sent("k:=18446744073709551615"), "uint64 18446744073709551615");
        assert_eq!(sent("k:=3.0"), "3.");
        assert_eq!(sent("k:=true"), "true");
        assert_eq!(sent("k:=\"x\""), "\"x\"");
        assert_eq!(sent("k:=[320, 640]"), "[int64 320, 640]");
        assert_eq!(sent("k:=[1, 2.5]"), "[1., 2.5]");
        assert_eq!(sent("k:=[]"), "@as []");
        assert_eq!(sent("k:={\"x\": {\"y\": [true]}}"), "{\"x\": <{\"y\": <[true]>}>}");
    }

    #[test]
    fn what_cannot_be_sent_says_why_and_what_to_do() {
        let problem = |texts: &[&str]| given(texts).expect_err("it cannot be sent");
        assert!(problem(&["k"]).contains("KEY=VALUE"));
        assert!(problem(&["=v"]).contains("no key"));
        assert!(problem(&[":=1"]).contains("no key"));
        assert!(problem(&["k:=yes"]).contains("k=VALUE without the colon"));
        assert!(problem(&["k:=null"]).contains("leave it out"));
        assert!(problem(&["k:=[1, \"a\"]"]).contains("several kinds"));
        assert!(problem(&["k:=[{}]"]).contains("several kinds"));
        assert!(problem(&["k:=\"\\u0000\""]).contains("NUL"));
        assert!(problem(&["k:=[\"\\u0000\"]"]).contains("NUL"));
        assert!(problem(&["k:={\"\\u0000\": 1}"]).contains("NUL"));
        assert!(problem(&["k=1", "k=2"]).contains("\"k\" is given twice"));
        let both = collect(&["k=1".parse().unwrap()], &"{\"k\": 1}".parse().unwrap());
        assert!(both.unwrap_err().contains("given twice"));
        for text in ["[1]", "3", "", "{", "null"] {
            assert!(text.parse::<Object>().unwrap_err().contains("no JSON object"), "{text}");
        }
    }

    #[test]
    fn the_bounds_of_depth_and_size() {
        let nested = |depth: usize| format!("k:={}1{}", "{\"k\":".repeat(depth), "}".repeat(depth));
        assert!(given(&[&nested(MAX_DEPTH)]).is_ok());
        assert!(given(&[&nested(MAX_DEPTH + 1)]).unwrap_err().contains("within one another"));
        assert!(given(&[&nested(100_000)]).is_err());
        let sized = |length: usize| format!("k={}", "x".repeat(length));
        assert!(given(&[&sized(MAX_BYTES - 64)]).is_ok());
        assert!(given(&[&sized(MAX_BYTES)]).unwrap_err().contains("put what is large into a file"));
    }
}
