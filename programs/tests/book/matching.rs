//! Whether an answer is what a page shows.
//!
//! A page shows an answer as its reader would see it. What is different each time counts as equal: times and dates, spans of time, how often within so many days,
//! ids, and how wide a table is. What depends on the machine of the test is left out: see [`OF_THE_MACHINE`]. `...` on a line of its own stands for any lines, `[..]` in a line for any text.

/// What is in lines that do not count: a source may not have told its level yet, and the linter looks at the real machine.
const OF_THE_MACHINE: [&str; 2] = ["It would have to wait now: ", "[never/source]"];

/// Whether the lines that were answered are those that are shown.
pub(crate) fn is_same(shown: &str, answered: &str) -> bool {
    lines_match(&shapes(shown), &shapes(answered))
}

fn shapes(text: &str) -> Vec<String> {
    let counts = |line: &&str| OF_THE_MACHINE.iter().all(|mark| !line.contains(mark));
    text.lines().filter(counts).map(shape).collect()
}

fn lines_match(shown: &[String], answered: &[String]) -> bool {
    match shown {
        [] => answered.is_empty(),
        [any, rest @ ..] if any == "..." => (0..=answered.len()).any(|from| lines_match(rest, &answered[from..])),
        [first, rest @ ..] => {
            answered.first().is_some_and(|line| line_matches(first, line)) && lines_match(rest, &answered[1..])
        }
    }
}

fn line_matches(shown: &str, answered: &str) -> bool {
    let mut parts = shown.split("[..]");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = answered.strip_prefix(first) else { return false };
    let parts: Vec<_> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A line without what is different each time.
fn shape(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let line = without_long_ones(line);
    for word in line.split_whitespace() {
        let (front, bare, back) = bared(word);
        let kind = if is_moment(bare) {
            "<time>"
        } else if is_id(bare) {
            "<id>"
        } else if is_span(bare) {
            "<span>"
        } else {
            bare
        };
        // A span of two words: `59 min`; and of four: `5 h 59 min`.
        if is_unit(kind) && words.last().is_some_and(|last| is_number(last)) {
            let number = words.pop().unwrap_or_default();
            let open = number.chars().next().filter(|c| *c == '(').map(String::from).unwrap_or_default();
            let joins = words.last().is_some_and(|last| last == "<span>");
            if !joins || !back.is_empty() {
                words.truncate(words.len() - usize::from(joins));
                words.push(format!("{open}<span>{back}"));
            }
            continue;
        }
        // How often something comes true within so many days from now hangs on the weekday and the hour.
        if kind == "within"
            && let [.., number, times] = words.as_mut_slice()
            && times == "times"
        {
            "<count>".clone_into(number);
        }
        // A date and a time are one moment, as is a time of today.
        if kind == "<time>" && words.last().is_some_and(|last| last.ends_with("<time>")) {
            words.last_mut().expect("it was there").push_str(back);
            continue;
        }
        words.push(format!("{front}{kind}{back}"));
    }
    let line = words.join(" ").replace("(just now)", "(<span> ago)").replace("just now", "<span> ago");
    line.replace("< <span>", "<span>").replace("in <span>", "<span>").replace("<span> ago", "<span>")
}

/// A word without what surrounds it.
fn bared(word: &str) -> (&str, &str, &str) {
    let start = word.len() - word.trim_start_matches(['(', '"', '`']).len();
    let end = word.trim_end_matches([')', '"', '`', ',', ';', '.', ':']).len().max(start);
    (&word[..start], &word[start..end], &word[end..])
}

/// `18:50`, `18:50:46.123`, `2026-11-21`, `+01:00`, `2026-11-21T18:50:46.000000Z`.
fn is_moment(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let others = word.chars().all(|c| c.is_ascii_digit() || "+:-.TZ".contains(c));
    let dashes = word.matches('-').count();
    digits >= 4 && others && (word.contains(':') || dashes == 2 && digits == 8)
}

/// The first characters of an id, or all of it.
fn is_id(word: &str) -> bool {
    let hex = word.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c) || c == '-');
    word.len() >= 8 && hex && word.contains(|c: char| c.is_ascii_digit())
}

fn is_number(word: &str) -> bool {
    let bare = word.trim_start_matches('(');
    !bare.is_empty() && bare.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn is_unit(word: &str) -> bool {
    ["ms", "s", "min", "h", "day", "days"].contains(&word)
}

/// `0.0s`, `854us`, `5ms`. The words of triggers have no space either, and are the same each time: `6h` counts as itself.
fn is_span(word: &str) -> bool {
    let is_short = ["us", "ms"].iter().any(|unit| word.strip_suffix(unit).is_some_and(is_number));
    is_short || word.strip_suffix('s').is_some_and(|number| number.contains('.') && is_number(number))
}

/// A line without what is told by its length wherever it stands: ids, and microseconds since 1970.
fn without_long_ones(line: &str) -> String {
    const LENGTH_OF_ID: usize = 36;
    const LENGTH_OF_MOMENT: usize = 16;
    let belongs = |c: char| c.is_ascii_hexdigit() || c == '-';
    let mut kept = String::new();
    let mut rest = line;
    while let Some(start) = rest.find(belongs) {
        let end = rest[start..].find(|c| !belongs(c)).map_or(rest.len(), |length| start + length);
        let run = &rest[start..end];
        kept.push_str(&rest[..start]);
        kept.push_str(match run.len() {
            LENGTH_OF_ID if run.matches('-').count() == 4 => "<id>",
            LENGTH_OF_MOMENT if run.bytes().all(|byte| byte.is_ascii_digit()) => "<moment>",
            _ => run,
        });
        rest = &rest[end..];
    }
    kept + rest
}

#[test]
fn what_is_different_each_time_counts_as_equal() {
    assert!(is_same("hello  ok just now  in 59 min", "hello ok 3 s ago   in 5 h 59 min"));
    assert!(is_same("next 2026-11-21 19:50:46 +01:00 (in 59 min)", "next 2027-01-01 00:00:00 +00:00 (in 2 days)"));
    assert!(is_same("run db6cfcfa begins", "run 0a1b2c3d begins"));
    let (one, other) = ("87ed38a3-2dfb-4b11-a2b7-066567a08a12", "23c009fb-14d1-4271-94e9-36fd3eeb0846");
    assert!(is_same(&format!("ID=/run/{one}"), &format!("ID=/run/{other}")));
    assert!(is_same("AT=1795284230799755", "AT=1795284718817256"));
    assert!(is_same("it took 854us", "it took 5ms"));
    assert!(is_same("fires in 5 h 59 min; it was registered 0 s ago.", "fires in 6 h; it was registered 1 s ago."));
    assert!(is_same("285 times within 400 days", "286 times within 400 days"));
    assert!(!is_same("fired 2 times", "fired 3 times"));
    assert!(is_same("a\n...\nz", "a\nb\nc\nz"));
    assert!(is_same("a [..] c", "a b b c"));
}

#[test]
fn anything_else_is_a_difference() {
    assert!(!is_same("every 6 h idle", "every 6 h latched"));
    assert!(!is_same("a\nb", "a"));
    assert!(!is_same("a", "a\nb"));
    assert!(!is_same("succeeded", "failed with exit code 1"));
    assert!(!is_same("exit code 3", "exit code 4"));
    assert!(!is_same("a [..] c", "a b"));
    assert!(!is_same("2 firings", "3 firings"));
    assert!(!is_same("every 6h", "every 12h"));
}
