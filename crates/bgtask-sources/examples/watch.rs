//! Prints what the sources see: `cargo run -p bgtask-sources --example watch -- [zone|internet|presence|…] …`

use std::process::ExitCode;
use std::time::Duration;

use bgtask_sources::{DayWindow, SourceKind, World, start};
use tokio::sync::mpsc;

const WORDS: [(&str, SourceKind); 20] = [
    ("zone", SourceKind::TimeZone),
    ("internet", SourceKind::Internet),
    ("free", SourceKind::FreeNetwork),
    ("network", SourceKind::NetworkState),
    ("presence", SourceKind::UserPresence),
    ("session", SourceKind::SessionConnected),
    ("screen", SourceKind::Screen),
    ("idle", SourceKind::Idle(Duration::from_secs(60))),
    ("power", SourceKind::ExternalPower),
    ("battery", SourceKind::BatteryAbove(50)),
    ("charging", SourceKind::PowerState),
    ("saver", SourceKind::EnergySaver),
    ("memory", SourceKind::MemoryPressure),
    ("processors", SourceKind::CpuPressure),
    ("standby", SourceKind::Standby),
    ("disk", SourceKind::DiskFree(1 << 30)),
    ("load", SourceKind::LoadBelow(100)),
    ("accounts", SourceKind::OnlineAccounts),
    ("account", SourceKind::DefaultAccount),
    ("night", SourceKind::Between(DayWindow { from: 22 * 60, to: 6 * 60 })),
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
