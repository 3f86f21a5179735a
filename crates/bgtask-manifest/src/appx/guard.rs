//! A cheap look at hostile XML before the parser sees it: no DTD, bounded depth, bounded tags.
//!
//! The parser itself does not recurse, but its checks are quadratic in the attributes of one element and in the namespaces in scope.
//! This scan keeps no state that grows with the input. Where it disagrees with the parser about malformed text, the parser refuses it.

use std::ops::Range;

use crate::diagnostic::Diagnostic;

/// Deepest nesting of elements. Real manifests need about ten levels.
pub const MAX_XML_DEPTH: usize = 64;
/// Most attributes of one element, namespace declarations included.
pub const MAX_XML_ATTRIBUTES: usize = 128;
/// Most namespace declarations of one manifest.
pub const MAX_XML_NAMESPACES: usize = 256;

const CODE: &str = "manifest/hostile-xml";
const DOCTYPE: &str = "<!DOCTYPE";

/// Refuses a text that would be dangerous or pointless to parse.
pub(super) fn guard(text: &str) -> Result<(), Diagnostic> {
    let mut scan = Scan { text, at: 0, depth: 0, namespaces: 0 };
    while let Some(offset) = text[scan.at..].find('<') {
        scan.at += offset;
        scan.markup()?;
    }
    Ok(())
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    namespaces: usize,
}

impl Scan<'_> {
    /// Steps over one piece of markup that starts here.
    fn markup(&mut self) -> Result<(), Diagnostic> {
        let rest = &self.text[self.at..];
        if rest.starts_with("<!--") {
            self.skip_past("<!--".len(), "-->");
        } else if rest.starts_with("<![CDATA[") {
            self.skip_past("<![CDATA[".len(), "]]>");
        } else if rest.starts_with("<?") {
            self.skip_past("<?".len(), "?>");
        } else if rest.starts_with(DOCTYPE) {
            let message = "the manifest contains a document type definition";
            let help = "remove it: a manifest may not define or load entities";
            return Err(Diagnostic::error("manifest/dtd", message)
                .help(help)
                .at(Some(self.at..self.at + DOCTYPE.len())));
        } else if rest.starts_with("</") {
            self.depth = self.depth.saturating_sub(1);
            self.skip_past("</".len(), ">");
        } else if rest.starts_with("<!") {
            self.at += "<!".len();
        } else {
            self.start_tag()?;
        }
        Ok(())
    }

    fn skip_past(&mut self, opening: usize, closing: &str) {
        let inside = self.at + opening;
        self.at = match self.text[inside..].find(closing) {
            Some(offset) => inside + offset + closing.len(),
            None => self.text.len(),
        };
    }

    fn start_tag(&mut self) -> Result<(), Diagnostic> {
        let start = self.at;
        let attributes = self.skip_tag();
        if attributes > MAX_XML_ATTRIBUTES {
            let what = format!("one element has more than {MAX_XML_ATTRIBUTES} attributes");
            return Err(refusal(what, start..start + 1));
        }
        if self.namespaces > MAX_XML_NAMESPACES {
            let what = format!("the manifest declares more than {MAX_XML_NAMESPACES} namespaces");
            return Err(refusal(what, start..start + 1));
        }
        if !self.text[start..self.at].ends_with("/>") {
            self.depth += 1;
        }
        if self.depth > MAX_XML_DEPTH {
            let what = format!("elements are nested deeper than {MAX_XML_DEPTH} levels");
            return Err(refusal(what, start..start + 1));
        }
        Ok(())
    }

    /// Moves past the end of a start tag; how many attributes it has.
    fn skip_tag(&mut self) -> usize {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut attributes = 0;
        let mut quote = None;
        for (i, &byte) in bytes.iter().enumerate().skip(start) {
            match (quote, byte) {
                (Some(open), _) if open == byte => quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') => quote = Some(byte),
                (None, b'=') => attributes += 1,
                (None, b'x') if bytes[i - 1].is_ascii_whitespace() && bytes[i..].starts_with(b"xmlns") => {
                    self.namespaces += 1;
                }
                (None, b'>') => {
                    self.at = i + 1;
                    return attributes;
                }
                (None, _) => {}
            }
        }
        self.at = bytes.len();
        attributes
    }
}

fn refusal(what: String, span: Range<usize>) -> Diagnostic {
    Diagnostic::error(CODE, what).help("no manifest needs that; write it by hand").at(Some(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        guard(text).unwrap_err().message
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| "<a>".repeat(levels) + &"</a>".repeat(levels);
        assert!(guard(&nested(MAX_XML_DEPTH)).is_ok());
        assert!(refused(&nested(MAX_XML_DEPTH + 1)).contains("64 levels"));
        assert!(guard(&"<a/><a></a>".repeat(10_000)).is_ok(), "siblings are not nested");
    }

    #[test]
    fn attributes_of_one_element_are_bounded() {
        let with = |count: usize| format!("<a{}/>", " b='='".repeat(count));
        assert!(guard(&with(MAX_XML_ATTRIBUTES)).is_ok());
        assert!(refused(&with(MAX_XML_ATTRIBUTES + 1)).contains("128 attributes"));
    }

    #[test]
    fn namespace_declarations_are_bounded() {
        let with = |count: usize| "<a xmlns:b='c'/>".repeat(count);
        assert!(guard(&with(MAX_XML_NAMESPACES)).is_ok());
        assert!(refused(&with(MAX_XML_NAMESPACES + 1)).contains("256 namespaces"));
    }

    #[test]
    fn markup_inside_comments_sections_and_values_is_not_markup() {
        assert!(
            guard("<a b='<!DOCTYPE x>'><!-- <!DOCTYPE x> --><![CDATA[<!DOCTYPE x>]]><?p <!DOCTYPE x>?></a>").is_ok()
        );
        assert!(refused("<!DOCTYPE x><a/>").contains("document type definition"));
    }
}
