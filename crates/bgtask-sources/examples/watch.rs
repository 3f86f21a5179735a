//! Prints what the sources see: `cargo run -p bgtask-sources --example watch -- [zone|internet|presence|power|saver|memory] …`

use std::process::ExitCode;

use bgtask_sources::{SourceKind, World, start};
use tokio::sync::mpsc;

const WORDS: [(&str, SourceKind); 6] = [
    ("zone", SourceKind::TimeZone),
    ("internet", SourceKind::Internet),
    ("presence", SourceKind::UserPresence),
    ("power", SourceKind::ExternalPower),
    ("saver", SourceKind::EnergySaver),
    ("memory", SourceKind::MemoryPressure),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let kinds: Option<Vec<SourceKind>> = std::env::args().skip(1).map(|word| kind(&word)).collect();
    let Some(kinds) = kinds else {
        eprintln!("expected any of {}; or nothing for all of them", WORDS.map(|(word, _)| word).join(", "));
        return ExitCode::FAILURE;
    };
    let all = WORDS.map(|(_, kind)| kind);
    let kinds = if kinds.is_empty() { all.to_vec() } else { kinds };
    let (sender, mut reports) = mpsc::channel(16);
    let world = World::new("/");
    let _sources: Vec<_> = kinds.into_iter().map(|kind| start(kind, &world, sender.clone())).collect();
    while let Some(report) = reports.recv().await {
        println!("{report:?}");
    }
    ExitCode::SUCCESS
}

fn kind(word: &str) -> Option<SourceKind> {
    WORDS.into_iter().find(|(known, _)| *known == word).map(|(_, kind)| kind)
}
