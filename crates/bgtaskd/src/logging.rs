use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// To the journal with fields where systemd started us, else to standard error.
pub(crate) fn start(filter: &str) {
    let parsed = EnvFilter::try_new(filter);
    let wrong = parsed.is_err();
    let registry = tracing_subscriber::registry().with(parsed.unwrap_or_else(|_| EnvFilter::new("info")));
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
