//! An app, as the Windows guide writes one: registers tasks, lists them, hears of them, takes them away.
//!
//! ```text
//! sample_app register NAME [entry=E] [trigger=T] [one-shot] [condition=C]... [cancel-on-condition-loss]
//! sample_app unregister NAME [cancel]
//! sample_app list | status NAME | listen | notify TAG
//! sample_app download URI FILE | order URI FILE | attach | films TASK ENTRY URI FILE...
//! ```
//!
//! It answers in lines of JSON. Its identity is its executable, which its manifest names. `listen` ends with its input.

use bgtask::notify::ToastNotification;
use bgtask::transfer::{BackgroundDownloader, BackgroundTransferCompletionGroup, BackgroundTransferProgress};
use bgtask::{
    ApplicationData, ApplicationDataContainer, BackgroundExecutionManager, BackgroundTaskBuilder,
    BackgroundTaskCompletedEventArgs, BackgroundTaskRegistration, SystemCondition, SystemConditionType, SystemTrigger,
    SystemTriggerType,
};
use serde_json::{Value, json};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["register", name, options @ ..] => register(name, options).await,
        ["unregister", name, options @ ..] => unregister(name, options.contains(&"cancel")).await,
        ["list"] => list().await,
        ["status", name] => status(name).await,
        ["listen"] => listen().await,
        ["notify", tag] => notify(tag).await,
        ["download", uri, file] => download(uri, file).await,
        ["order", uri, file] => order(uri, file).await,
        ["attach"] => attach().await,
        ["films", task, entry, uri, files @ ..] => films(task, entry, uri, files).await,
        _ => Err("usage: sample_app VERB [NAME] [OPTION]...; its source lists the verbs".into()),
    };
    if let Err(error) = outcome {
        say(&json!({ "error": error.to_string() }));
        std::process::exit(1);
    }
}

/// Starts a download and waits for its end.
async fn download(uri: &str, file: &str) -> Outcome {
    let download = BackgroundDownloader::new().create_download(uri, file);
    say(&json!({ "guid": download.guid().to_string() }));
    Ok(download.start_async(say_progress).await?)
}

/// Starts a download and leaves it to the broker.
async fn order(uri: &str, file: &str) -> Outcome {
    let download = BackgroundDownloader::new().transfer_group("films").create_download(uri, file);
    download.start().await?;
    say(&json!({ "guid": download.guid().to_string() }));
    Ok(())
}

/// NW-7: an app that is there again waits for what it has ordered before.
async fn attach() -> Outcome {
    for download in BackgroundDownloader::get_current_downloads().await? {
        say(&json!({ "guid": download.guid().to_string(), "group": download.transfer_group() }));
        download.attach_async(say_progress).await?;
    }
    Ok(())
}

/// NEI-4: a task hears when all downloads that were started together have ended.
async fn films(task: &str, entry: &str, uri: &str, files: &[&str]) -> Outcome {
    let group = BackgroundTransferCompletionGroup::new();
    let task = || BackgroundTaskBuilder::new().name(task).task_entry_point(entry).trigger(group.trigger());
    task().register().await?;
    let downloader = BackgroundDownloader::new().completion_group(&group);
    for file in files {
        downloader.create_download(uri, *file).start().await?;
    }
    group.enable().await?;
    let refusals = [
        ("late", downloader.create_download(uri, files[0]).start().await.err()),
        ("again", group.enable().await.err()),
        ("another task", task().register().await.err()),
    ];
    for (what, refused) in refusals {
        say(&json!({ what: refused.map(|error| error.to_string()) }));
    }
    Ok(())
}

fn say_progress(progress: &BackgroundTransferProgress) {
    say(&json!({ "status": progress.status.name(), "bytes": progress.bytes, "of": progress.total_bytes }));
}

/// The guide: look for the task by its name, and only if it is not there ask for access and register it.
async fn register(name: &str, options: &[&str]) -> Outcome {
    let tasks = BackgroundTaskRegistration::all_tasks().await?;
    if let Some(task) = tasks.iter().find(|task| task.name() == name) {
        say(&json!({ "task": task.task_id().to_string(), "new": false }));
        return Ok(());
    }
    let access = BackgroundExecutionManager::request_access().await?;
    let task = builder(name, options)?.register().await?;
    ApplicationData::local_settings().await?.remove(name)?;
    say(&json!({ "task": task.task_id().to_string(), "new": true, "access": access.to_string() }));
    Ok(())
}

fn builder(name: &str, options: &[&str]) -> Result<BackgroundTaskBuilder, String> {
    let mut entry = "Tasks.SampleBackgroundTask";
    let mut trigger = SystemTriggerType::TimeZoneChange;
    let mut builder = BackgroundTaskBuilder::new().name(name);
    for option in options {
        match option.split_once('=') {
            Some(("entry", name)) => entry = name,
            Some(("trigger", name)) => {
                trigger = SystemTriggerType::from_name(name).ok_or(format!("no trigger {name}"))?;
            }
            Some(("condition", name)) => {
                let kind = SystemConditionType::from_name(name).ok_or(format!("no condition {name}"))?;
                builder = builder.condition(SystemCondition::new(kind));
            }
            None if *option == "cancel-on-condition-loss" => builder = builder.cancel_on_condition_loss(true),
            None if *option == "one-shot" => {}
            _ => return Err(format!("no option {option}")),
        }
    }
    let trigger = SystemTrigger::new(trigger, options.contains(&"one-shot"));
    Ok(builder.task_entry_point(entry).trigger(trigger))
}

async fn unregister(name: &str, cancel: bool) -> Outcome {
    let mut gone = 0;
    for task in BackgroundTaskRegistration::all_tasks().await?.iter().filter(|task| task.name() == name) {
        task.unregister(cancel).await?;
        gone += 1;
    }
    say(&json!({ "unregistered": gone }));
    Ok(())
}

async fn list() -> Outcome {
    for task in BackgroundTaskRegistration::all_tasks().await? {
        say(&json!({ "task": task.task_id().to_string(), "name": task.name(), "entry": task.task_entry_point() }));
    }
    Ok(())
}

/// The sample's text: `Registered` or `Unregistered`, and what the task left under its name.
async fn status(name: &str) -> Outcome {
    let registered = BackgroundTaskRegistration::all_tasks().await?.iter().any(|task| task.name() == name);
    let mut text = if registered { "Registered" } else { "Unregistered" }.to_owned();
    if let Some(word) = ApplicationData::local_settings().await?.get::<String>(name)? {
        text = format!("{text} - {word}");
    }
    say(&json!({ "status": text }));
    Ok(())
}

async fn listen() -> Outcome {
    let tasks = BackgroundTaskRegistration::all_tasks().await?;
    let settings = ApplicationData::local_settings().await?;
    for task in &tasks {
        task.on_progress(|task, args| say(&json!({ "progress": args.progress(), "name": task.name() })));
        let settings = settings.clone();
        task.on_completed(move |_task, args| tell(&settings, &args));
    }
    // Tasks that were taken away, or one-shot, may have ended while the app was closed.
    BackgroundTaskRegistration::on_any_completed(move |args| tell(&settings, &args));
    let names: Vec<_> = tasks.iter().map(BackgroundTaskRegistration::name).collect();
    say(&json!({ "listening": names }));
    std::thread::spawn(|| {
        let _ended = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    std::future::pending().await
}

fn tell(settings: &ApplicationDataContainer, args: &BackgroundTaskCompletedEventArgs) {
    let failure = args.check_result().err();
    say(&json!({
        "completed": args.task_name(),
        "instance": args.instance_id().to_string(),
        "setting": settings.get::<String>(args.task_name()).unwrap_or_default(),
        "error": failure.as_ref().map(ToString::to_string),
        "reason": args.cancellation_reason().map(|reason| reason.to_string()),
        "progress": args.progress(),
        "output": failure.as_ref().and_then(|failure| failure.output_tail()),
    }));
}

async fn notify(tag: &str) -> Outcome {
    let shown = ToastNotification::new("Something happened").action("open", "Open").tag(tag).show().await?;
    say(&json!({ "shown": shown }));
    Ok(())
}

fn say(line: &Value) {
    println!("{line}");
}
