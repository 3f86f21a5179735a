use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// To the journal with fields where systemd started us, else to standard error.
pub(crate) fn start(filter: &str) {
    let parsed = parse(filter);
    let wrong = parsed.is_none();
    let registry = tracing_subscriber::registry().with(parsed.unwrap_or_else(|| EnvFilter::new("info")));
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let journal = journal.map(|layer| layer.with_field_prefix(Some("BGTASK".to_owned())));
    match journal {
        Some(journal) => registry.with(journal).init(),
        None => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colour)).init();
        }
    }
    if wrong {
        tracing::warn!("{filter:?} is no log filter, logging at level info: use error, warn, info, debug or trace");
    }
}

/// `None` for what is no filter. A word alone has to be a level: it would be taken for the name of a module, and a misspelt level
/// would silence everything else, the broker's last words too.
fn parse(filter: &str) -> Option<EnvFilter> {
    let word_is_level = |word: &str| word.contains(['=', '[']) || word.trim().parse::<LevelFilter>().is_ok();
    filter.split(',').all(word_is_level).then(|| EnvFilter::try_new(filter).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_level_is_no_filter() {
        for wrong in ["wran", "info,bgtaskd", "bgtaskd=lod", "verbose"] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
        for right in ["error", "off", "DEBUG", "info,bgtaskd=debug", "warn,bgtaskd::hosts=trace"] {
            assert!(parse(right).is_some(), "{right}");
        }
    }
}
