//! Prints what a listener hears: `cargo run -p bgtask-sources --example listen -- CLASS [PROPERTY=VALUE] …`, such as
//! `DBusSignalTrigger bus=system sender=org.freedesktop.UPower`

use std::collections::BTreeMap;
use std::process::ExitCode;

use bgtask_sources::{Subject, World, listen};
use tokio::sync::mpsc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let class = words.next().unwrap_or_default();
    let properties: BTreeMap<String, String> = words
        .filter_map(|word| word.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())))
        .collect();
    let subject = match Subject::read(&class, &properties) {
        Ok(subject) => subject,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let (sender, mut reports) = mpsc::channel(16);
    let _listening = listen(0, subject, &World::new("/"), sender);
    while let Some((_, report)) = reports.recv().await {
        println!("{report:?}");
    }
    ExitCode::SUCCESS
}
