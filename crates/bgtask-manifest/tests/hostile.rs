//! Input that means harm, or is merely broken: a clear error, in time, and never a panic.

use std::time::Duration;

use bgtask_manifest::{
    Diagnostic, MAX_DIAGNOSTICS, MAX_MANIFEST_BYTES, MAX_XML_DEPTH, MAX_XML_NODES, Parsed, Severity, parse,
};
use proptest::prelude::*;
use rustix::time::{ClockId, clock_gettime};

const FIXTURES: [(&str, &[u8]); 5] = [
    ("bgtask.toml", include_bytes!("fixtures/photos.toml")),
    ("Package.appxmanifest", include_bytes!("fixtures/windows10.appxmanifest")),
    ("Package.appxmanifest", include_bytes!("fixtures/odd-prefixes.appxmanifest")),
    ("Package.appxmanifest", include_bytes!("fixtures/windows81-javascript.appxmanifest")),
    ("Package.appxmanifest", include_bytes!("fixtures/hosting.appxmanifest")),
];

/// Far above what an unoptimised build needs for the worst input below, and far below what a quadratic reading
/// of it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The processor time of this thread: what others do on a busy machine does not count.
fn worked() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

/// Parses and lowers; checks what must hold for any input.
fn survive(file_name: &str, bytes: &[u8]) -> Parsed {
    let started = worked();
    let parsed = parse(file_name, bytes);
    let took = worked() - started;
    assert!(took < PATIENCE, "took {took:?}");
    assert!(parsed.manifest.is_some() || parsed.has_errors(), "neither a manifest nor a reason");
    assert!(parsed.diagnostics.len() <= MAX_DIAGNOSTICS + 1);
    for found in &parsed.diagnostics {
        assert!(found.message.len() < 1_000, "a message of {} bytes", found.message.len());
        if let Some(span) = &found.span {
            assert!(parsed.text.get(span.clone()).is_some(), "{found} has no place in the text: {span:?}");
        }
    }
    let base = "/usr/share/bgtask/apps".as_ref();
    assert_eq!(parsed.declare(base).is_err(), parsed.has_errors(), "{:#?}", parsed.diagnostics);
    if let Some(manifest) = &parsed.manifest {
        manifest.to_json();
        let declared = bgtask_manifest::declare(manifest, base);
        assert!(declared.is_ok() || parsed.has_errors(), "{declared:#?}");
    }
    parsed
}

#[track_caller]
fn refused(file_name: &str, bytes: &[u8], code: &str, words: &str) {
    let parsed = survive(file_name, bytes);
    assert!(parsed.manifest.is_none());
    let [Diagnostic { severity: Severity::Error, code: found, message, .. }] = &parsed.diagnostics[..] else {
        panic!("{:#?}", parsed.diagnostics)
    };
    assert_eq!(*found, code, "{message}");
    assert!(message.contains(words), "{message}");
}

fn refused_xml(text: &str, code: &str, words: &str) {
    refused("Package.appxmanifest", text.as_bytes(), code, words);
}

fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    ['\u{feff}']
        .into_iter()
        .chain(text.chars())
        .flat_map(|c| c.encode_utf16(&mut [0; 2]).to_vec())
        .flat_map(bytes)
        .collect()
}

fn windows_10() -> &'static str {
    str::from_utf8(FIXTURES[1].1).unwrap().trim_start_matches('\u{feff}')
}

// Text and encodings.

#[test]
fn utf_16_with_a_byte_order_mark_reads_like_utf_8() {
    let expected = survive("Package.appxmanifest", windows_10().as_bytes()).manifest.unwrap();
    for declared in ["utf-8", "utf-16"] {
        let text = windows_10().replace("encoding=\"utf-8\"", &format!("encoding=\"{declared}\""));
        for bytes in [utf_16(&text, u16::to_le_bytes), utf_16(&text, u16::to_be_bytes)] {
            let parsed = survive("Package.appxmanifest", &bytes);
            assert_eq!(parsed.manifest.as_ref(), Some(&expected));
            assert_eq!(parsed.text, text);
        }
    }
}

#[test]
fn broken_utf_16_is_refused() {
    let cut = utf_16("<Package/>", u16::to_le_bytes);
    refused("Package.appxmanifest", &cut[..cut.len() - 1], "manifest/encoding", "half a character");
    refused("Package.appxmanifest", &[0xFF, 0xFE, b'<', 0, 0x00, 0xD8, b'a', 0], "manifest/encoding", "at byte 4");
    refused("Package.appxmanifest", b"<\0P\0", "manifest/encoding", "without a byte order mark");
    refused("Package.appxmanifest", b"\xFF\xFE\0\0<\0\0\0", "manifest/encoding", "UTF-32");
}

#[test]
fn invalid_utf_8_is_refused_with_its_byte() {
    refused("Package.appxmanifest", b"<Package>\n\xFF", "manifest/encoding", "at byte 10, line 2");
    refused("Package.appxmanifest", b"\xEF\xBB\xBF<\xC3", "manifest/encoding", "at byte 4, line 1");
    refused("bgtask.toml", b"[app]\nid = \"\xE4\"", "manifest/encoding", "at byte 12, line 2");
}

#[test]
fn another_encoding_is_refused_by_its_name() {
    for (declared, text) in [("iso-8859-1", "ä"), ("windows-1252", "a"), ("utf-7", "a"), ("", "a")] {
        let mut bytes = format!("<?xml version='1.0' encoding='{declared}'?><a>").into_bytes();
        bytes.extend(text.chars().map(|c| c as u8));
        refused(
            "Package.appxmanifest",
            &bytes,
            "manifest/encoding",
            &format!("the encoding {declared:?} is not supported"),
        );
    }
    refused_xml("<?xml version='1.0' encoding='UTF-16'?><a/>", "manifest/encoding", "but is not UTF-16");
    let utf_16_as_latin = utf_16("<?xml version='1.0' encoding='latin1'?><a/>", u16::to_le_bytes);
    refused("Package.appxmanifest", &utf_16_as_latin, "manifest/encoding", "\"latin1\" is not supported");
}

#[test]
fn nul_characters_are_refused() {
    refused_xml("<Package a='\0'/>", "manifest/malformed", "not well-formed");
    refused("bgtask.toml", b"[app]\nid = \"a\0b\"", "manifest/malformed", "not well-formed");
    let escaped = survive("bgtask.toml", br#"app = { id = "a.b", version = "1", executable = "a\u0000b" }"#);
    assert!(escaped.diagnostics[0].message.contains("NUL"), "{:#?}", escaped.diagnostics);
}

#[test]
fn an_oversize_manifest_is_refused_before_anything_else() {
    let largest = format!("<Package a='{}'/>", "v".repeat(MAX_MANIFEST_BYTES - "<Package a=''/>".len()));
    assert_eq!(largest.len(), MAX_MANIFEST_BYTES);
    refused_xml(&largest, "manifest/not-a-package", "\"Package\"");
    refused_xml(&format!("{largest} "), "manifest/too-large", "1048576 bytes");
    refused_xml(&format!("<Package a='{}'/>", "v".repeat(10_000_000)), "manifest/too-large", "1048576 bytes");
    refused("bgtask.toml", &vec![b'#'; MAX_MANIFEST_BYTES + 1], "manifest/too-large", "1048576 bytes");
}

// XML.

#[test]
fn malformed_xml_is_refused_at_its_place() {
    let cases = [
        "",
        " ",
        "x",
        "<",
        "<a",
        "<a>",
        "</a>",
        "<a></b>",
        "<a b=1/>",
        "<a b='1' b='2'/>",
        "<a:b/>",
        "<a/><b/>",
        "<a>&b;</a>",
        "<!-- <a/>",
        "<a><![CDATA[</a>",
    ];
    for text in cases {
        refused_xml(text, "manifest/malformed", "not well-formed XML");
    }
    let text = "<a>\n  <ä></b>\n</a>";
    let parsed = survive("Package.appxmanifest", text.as_bytes());
    assert_eq!(parsed.diagnostics[0].span.as_ref().unwrap().start, text.find("</b>").unwrap());
}

#[test]
fn entities_are_neither_defined_nor_loaded() {
    let laughs: String = (1..10).map(|n| format!("<!ENTITY e{n} '{}'>", format!("&e{};", n - 1).repeat(10))).collect();
    refused_xml(
        &format!("<!DOCTYPE p [<!ENTITY e0 'ha'>{laughs}]><p>&e9;</p>"),
        "manifest/dtd",
        "document type definition",
    );
    refused_xml("<!DOCTYPE p [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><p>&x;</p>", "manifest/dtd", "document type");
    refused_xml("<!DOCTYPE p SYSTEM 'http://127.0.0.1:1/x.dtd'><p/>", "manifest/dtd", "document type");
    refused_xml("<?xml version='1.0'?>\n<!DOCTYPE p><p/>", "manifest/dtd", "document type");
    refused_xml("<!ENTITY x 'y'><p>&x;</p>", "manifest/malformed", "not well-formed");
}

#[test]
fn deep_nesting_is_refused_without_recursion() {
    for depth in [MAX_XML_DEPTH + 1, 100_000] {
        refused_xml(&"<a>".repeat(depth), "manifest/hostile-xml", "64 levels");
        refused_xml(&format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth)), "manifest/hostile-xml", "64 levels");
    }
}

#[test]
fn a_flood_of_markup_is_refused() {
    refused_xml(&format!("<a>{}</a>", "<b/>".repeat(MAX_XML_NODES as usize)), "manifest/hostile-xml", "65536 elements");
    let attributes: String = (0..100_000).map(|n| format!(" a{n}=''")).collect();
    refused_xml(&format!("<a{attributes}/>"), "manifest/hostile-xml", "128 attributes");
    let namespaces: String = (0..30_000).map(|n| format!("<a xmlns:b{n}='u'/>")).collect();
    refused_xml(&format!("<a>{namespaces}</a>"), "manifest/hostile-xml", "256 namespaces");
}

/// As much of everything as the bounds let through.
#[test]
fn the_most_expensive_permitted_xml_is_read_in_time() {
    let declared: String = (0..100).map(|n| format!(" xmlns:n{n}='urn:{n}'")).collect();
    let attributes: String = (0..100).map(|n| format!(" n{n}:a='&amp;'")).collect();
    let one = format!("<b{attributes}/>");
    let many = one.repeat((MAX_MANIFEST_BYTES - 10_000) / one.len());
    let head = "<Package xmlns='http://schemas.microsoft.com/appx/2010/manifest'";
    survive(
        "Package.appxmanifest",
        format!("{head}{declared}><Applications>{many}</Applications></Package>").as_bytes(),
    );
    let task = "<Extension Category='windows.backgroundTasks'/>";
    let tasks = task.repeat((MAX_MANIFEST_BYTES - 10_000) / task.len());
    let parsed =
        survive("Package.appxmanifest", format!("{head}><Extensions>{tasks}</Extensions></Package>").as_bytes());
    assert_eq!(parsed.diagnostics.last().unwrap().code, "manifest/more");
    let texts = "<![CDATA[a]]>b".repeat(60_000);
    survive(
        "Package.appxmanifest",
        format!("{head}><Properties><DisplayName>{texts}</DisplayName></Properties></Package>").as_bytes(),
    );
}

// TOML.

#[test]
fn malformed_toml_is_refused_at_its_place() {
    for text in ["[", "[app", "app", "app =", "a = 1\na = 2", "[a]\n[a]", "a = \"", "a = [1", "a = 1979-99-99", "= 1"] {
        refused("bgtask.toml", text.as_bytes(), "manifest/malformed", "not well-formed TOML");
    }
}

#[test]
fn deep_toml_is_refused_without_recursion() {
    for depth in [100, 10_000, 100_000] {
        refused("bgtask.toml", format!("a = {}", "[".repeat(depth)).as_bytes(), "manifest/malformed", "");
        refused(
            "bgtask.toml",
            format!("a = {}{}", "[".repeat(depth), "]".repeat(depth)).as_bytes(),
            "manifest/malformed",
            "",
        );
        refused("bgtask.toml", format!("a = {}", "{b=".repeat(depth)).as_bytes(), "manifest/malformed", "");
        refused("bgtask.toml", format!("a{} = 1", ".a".repeat(depth)).as_bytes(), "manifest/malformed", "");
        refused("bgtask.toml", format!("[a{}]", ".a".repeat(depth)).as_bytes(), "manifest/malformed", "");
    }
}

#[test]
fn the_most_expensive_permitted_toml_is_read_in_time() {
    let fill = |one: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        for n in 0.. {
            let next = one(n);
            if text.len() + next.len() > MAX_MANIFEST_BYTES {
                break;
            }
            text += &next;
        }
        survive("bgtask.toml", text.as_bytes())
    };
    fill(&|n| format!("k{n}=1\n"));
    fill(&|n| format!("[t{n}]\n"));
    fill(&|n| format!("[a.b.c.d.e.f.t{n}]\n"));
    fill(&|n| format!("a.b.c.d.e.f.t{n}=1\n"));
    fill(&|_| "[[task]]\n".to_owned());
    fill(&|_| "[[task]]\n[task.a]\n".to_owned());
    fill(&|n| format!("[[a{}]]\n", n % 7));
    fill(&|n| if n == 0 { "a=[".to_owned() } else { "1,".to_owned() });
    fill(&|_| "\"\"\"".to_owned());
    fill(&|_| "=\n".to_owned());
}

// Damage of every kind.

#[test]
fn a_manifest_cut_at_any_byte_is_survived() {
    for (file_name, bytes) in FIXTURES {
        for end in 0..bytes.len() {
            survive(file_name, &bytes[..end]);
        }
    }
}

#[test]
fn a_utf_16_manifest_cut_at_any_byte_is_survived() {
    let bytes = utf_16(windows_10(), u16::to_be_bytes);
    for end in 0..bytes.len() {
        survive("Package.appxmanifest", &bytes[..end]);
    }
}

/// The parsers count the blanks around a `=` in eight bits and the length of a name in sixteen.
#[test]
fn places_stay_inside_the_text_when_the_parsers_lose_count() {
    let head = "<Package xmlns='http://schemas.microsoft.com/appx/2010/manifest'><Identity Version='1' Name";
    for blanks in [253, 254, 255, 256, 70_000] {
        survive("Package.appxmanifest", format!("{head}{}= 'ä'/></Package>", "\n".repeat(blanks)).as_bytes());
        survive("Package.appxmanifest", format!("{head}='a' {}='ä'/></Package>", "ö".repeat(blanks)).as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_manifests_are_survived(
        which in 0..FIXTURES.len(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, any::<u8>()), 1..12),
    ) {
        let (file_name, bytes) = FIXTURES[which];
        let mut bytes = bytes.to_vec();
        for (place, kind, byte) in edits {
            let at = place.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        survive(file_name, &bytes);
    }

    #[test]
    fn shuffled_manifests_are_survived(which in 0..FIXTURES.len(), a: prop::sample::Index, b: prop::sample::Index, c: prop::sample::Index) {
        let (file_name, bytes) = FIXTURES[which];
        let mut cuts = [a, b, c].map(|cut| cut.index(bytes.len()));
        cuts.sort_unstable();
        let [a, b, c] = cuts;
        survive(file_name, &[&bytes[..a], &bytes[b..c], &bytes[a..b], &bytes[a..]].concat());
    }

    #[test]
    fn any_text_is_survived(text in "[<>/=\"'a-c \\[\\]{}&;!?#.\n\u{e4}-]{0,200}", form in 0..3_usize) {
        survive(["a.toml", "a.xml", "a"][form], text.as_bytes());
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300), form in 0..3_usize) {
        survive(["a.toml", "a.xml", "a"][form], &bytes);
    }
}
