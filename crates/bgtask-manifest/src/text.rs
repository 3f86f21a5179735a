//! From bytes to text: UTF-8, or UTF-16 with a byte order mark. Anything else is refused by name.

use std::ops::Range;

use crate::MAX_MANIFEST_BYTES;
use crate::diagnostic::{Diagnostic, quoted};

const CODE: &str = "manifest/encoding";
const SAVE_AS_UTF_8: &str = "save the file as UTF-8";

/// How far into a text an XML declaration is looked for.
const MAX_DECLARATION_BYTES: usize = 512;

/// How the bytes spelled the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf16,
}

/// The text without its byte order mark.
pub(crate) fn decode(bytes: &[u8]) -> Result<(String, Encoding), Diagnostic> {
    if bytes.len() > MAX_MANIFEST_BYTES {
        let message = format!("the manifest is larger than {MAX_MANIFEST_BYTES} bytes");
        return Err(Diagnostic::error("manifest/too-large", message).help("keep only what a manifest needs in it"));
    }
    match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf_8(rest, 3),
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Err(unsupported("the text is UTF-32")),
        [0xFF, 0xFE, rest @ ..] => utf_16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf_16(rest, u16::from_be_bytes),
        [b'<', 0, ..] | [0, b'<', ..] => Err(unsupported("the text is UTF-16 without a byte order mark")),
        _ => utf_8(bytes, 0),
    }
}

/// Holds what an XML declaration says against what the bytes were.
pub(crate) fn check_declared_encoding(text: &str, used: Encoding) -> Result<(), Diagnostic> {
    let Some(span) = declared_encoding(text) else { return Ok(()) };
    let declared = &text[span.clone()];
    let is_utf_8 = declared.eq_ignore_ascii_case("utf-8");
    let is_utf_16 = ["utf-16", "utf-16le", "utf-16be"].iter().any(|name| declared.eq_ignore_ascii_case(name));
    match used {
        // The byte order mark has spoken already; Windows editors leave `encoding="utf-8"` behind when they change it.
        Encoding::Utf16 if is_utf_8 || is_utf_16 => Ok(()),
        Encoding::Utf8 if is_utf_8 => Ok(()),
        Encoding::Utf8 if is_utf_16 => {
            let message = format!("the file declares the encoding {} but is not UTF-16", quoted(declared));
            Err(Diagnostic::error(CODE, message).help("declare encoding=\"utf-8\"").at(Some(span)))
        }
        _ => Err(undecodable(declared).at(Some(span))),
    }
}

fn utf_8(bytes: &[u8], skipped: usize) -> Result<(String, Encoding), Diagnostic> {
    let error = match str::from_utf8(bytes) {
        Ok(text) => return Ok((text.to_owned(), Encoding::Utf8)),
        Err(error) => error,
    };
    // A file that names its legacy encoding deserves to be told about that instead of about one byte.
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_DECLARATION_BYTES)]);
    if let Some(span) = declared_encoding(&head)
        && !head[span.clone()].eq_ignore_ascii_case("utf-8")
    {
        return Err(undecodable(&head[span]));
    }
    let offset = error.valid_up_to();
    let line = 1 + bytes[..offset].iter().filter(|byte| **byte == b'\n').count();
    let message = format!("the text is not valid UTF-8 at byte {}, line {line}", offset + skipped);
    Err(Diagnostic::error(CODE, message).help(SAVE_AS_UTF_8))
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<(String, Encoding), Diagnostic> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(unsupported("the text is UTF-16 but ends in half a character"));
    }
    let mut text = String::with_capacity(bytes.len());
    let mut offset = 2;
    for decoded in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        match decoded {
            Ok(character) => {
                text.push(character);
                offset += 2 * character.len_utf16();
            }
            Err(_) => {
                let message = format!("the text is not valid UTF-16 at byte {offset}: half of a surrogate pair");
                return Err(Diagnostic::error(CODE, message).help(SAVE_AS_UTF_8));
            }
        }
    }
    Ok((text, Encoding::Utf16))
}

/// The place of the encoding's name in a leading XML declaration.
fn declared_encoding(text: &str) -> Option<Range<usize>> {
    if !text.starts_with("<?xml") {
        return None;
    }
    let end = text.find("?>")?.min(MAX_DECLARATION_BYTES);
    let key = text.get(..end)?.find("encoding")? + "encoding".len();
    let open = key + text[key..end].find(['"', '\''])? + 1;
    let quote = char::from(text.as_bytes()[open - 1]);
    let close = open + text[open..end].find(quote)?;
    Some(open..close)
}

fn undecodable(declared: &str) -> Diagnostic {
    let message = format!("the encoding {} is not supported: a manifest is UTF-8 or UTF-16", quoted(declared));
    Diagnostic::error(CODE, message).help("save the file as UTF-8 and declare encoding=\"utf-8\"")
}

fn unsupported(what: &str) -> Diagnostic {
    Diagnostic::error(CODE, what).help(SAVE_AS_UTF_8)
}
