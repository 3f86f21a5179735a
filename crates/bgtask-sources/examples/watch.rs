//! Prints what the sources see: `cargo run -p bgtask-sources --example watch -- [zone|internet|presence] …`

use std::process::ExitCode;

use bgtask_sources::{SourceKind, World, start};
use tokio::sync::mpsc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let kinds: Option<Vec<SourceKind>> = std::env::args().skip(1).map(|word| kind(&word)).collect();
    let Some(kinds) = kinds else {
        eprintln!("expected any of zone, internet, presence; or nothing for all of them");
        return ExitCode::FAILURE;
    };
    let all = [SourceKind::TimeZone, SourceKind::Internet, SourceKind::UserPresence];
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
    match word {
        "zone" => Some(SourceKind::TimeZone),
        "internet" => Some(SourceKind::Internet),
        "presence" => Some(SourceKind::UserPresence),
        _ => None,
    }
}
