//! A task program with every kind of task: the samples of the Windows guide, and tasks that misbehave in each way a task can.
//!
//! The broker starts it; by hand it only explains itself. The end-to-end tests run it for real.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, exit};
use std::time::{Duration, Instant};

use bgtask::host::{BackgroundTask, BlockingTask, Host, TaskError, TaskInstance};
use bgtask::transfer::BackgroundTransferCompletionGroupTriggerDetails;
use bgtask::{PropertyValue, RawNotification};
use rustix::fs::{FlockOperation, flock};
use tokio::time::sleep;

fn main() -> ExitCode {
    Host::new()
        .entry_point("Tasks.SampleBackgroundTask", SampleBackgroundTask)
        .entry_point("Tasks.ServicingComplete", ServicingComplete)
        .blocking_entry_point("Tasks.Blocking", Blocking)
        .entry_point("Tasks.Quick", Quick)
        .entry_point("Tasks.Inspects", Inspects)
        .entry_point("Tasks.Exclusive", Exclusive)
        .entry_point("Tasks.Fails", Fails)
        .entry_point("Tasks.Panics", Panics)
        .entry_point("Tasks.Exits", Exits)
        .entry_point("Tasks.Writes", Writes)
        .entry_point("Tasks.Crashes", Crashes)
        .entry_point("Tasks.Hangs", Hangs)
        .entry_point("Tasks.Notices", Notices)
        .entry_point("Tasks.Works", Works)
        .entry_point("Tasks.Lingers", Lingers)
        .entry_point("Tasks.Tells", Tells)
        .entry_point("Tasks.Lists", Lists)
        .entry_point("Tasks.Uses", Uses)
        .entry_point("Tasks.Films", Films)
        .run()
}

/// The first sample of Windows: counts to 100 in tens, one ten a second, or as fast as the setting `TickMilliseconds` says.
struct SampleBackgroundTask;

impl BackgroundTask for SampleBackgroundTask {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let tick = instance.local_settings()?.get("TickMilliseconds")?.unwrap_or(1_000u64);
        let deferral = instance.deferral();
        tokio::spawn(async move {
            if let Err(error) = count(&instance, Duration::from_millis(tick)).await {
                eprintln!("{}: {error}", instance.task().name());
            }
            deferral.complete();
        });
        Ok(())
    }
}

async fn count(instance: &TaskInstance, tick: Duration) -> Result<(), TaskError> {
    let mut progress = 0;
    loop {
        sleep(tick).await;
        match instance.cancellation_reason() {
            None if progress < 100 => {
                progress += 10;
                instance.progress(progress);
            }
            Some(reason) if progress < 100 => return leave(instance, &format!("Canceled with reason: {reason}")),
            _ => return leave(instance, "Completed"),
        }
    }
}

/// Leaves word for the app: what became of the task, under its name.
fn leave(instance: &TaskInstance, word: &str) -> Result<(), TaskError> {
    Ok(instance.local_settings()?.set(instance.task().name(), word)?)
}

/// The second sample of Windows: eleven values in a row, no deferral.
struct ServicingComplete;

impl BackgroundTask for ServicingComplete {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        for ten in 0..=10 {
            if instance.cancellation_reason().is_some() {
                return leave(&instance, "Canceled");
            }
            instance.progress(ten * 10);
        }
        leave(&instance, "Completed")
    }
}

/// Blocks its thread until it is cancelled, and then ends in good order.
struct Blocking;

impl BlockingTask for Blocking {
    fn run(&self, instance: &TaskInstance) -> Result<(), TaskError> {
        instance.progress(1);
        let reason = instance.wait_cancelled(Duration::from_secs(600)).ok_or("never cancelled")?;
        leave(instance, &format!("Canceled with reason: {reason}"))
    }
}

/// Nothing at all.
struct Quick;

impl BackgroundTask for Quick {
    async fn run(&self, _instance: TaskInstance) -> Result<(), TaskError> {
        Ok(())
    }
}

/// Leaves word of the process it runs in: its number, privileges, environment, descriptors and session.
struct Inspects;

impl BackgroundTask for Inspects {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let line =
            |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).map(|value| value.trim().to_owned());
        let mut descriptors = Vec::new();
        for entry in std::fs::read_dir("/proc/self/fd")? {
            let target = std::fs::read_link(entry?.path()).unwrap_or_default();
            descriptors.push(target.to_string_lossy().into_owned());
        }
        let environment: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
        let seen = serde_json::json!({
            "pid": std::process::id(),
            "session": rustix::process::getsid(None)?.as_raw_nonzero().get(),
            "no_new_privs": line("NoNewPrivs:"),
            "blocked_signals": line("SigBlk:"),
            "environment": environment,
            "descriptors": descriptors,
            "attempt": instance.attempt(),
        });
        leave(&instance, &seen.to_string())
    }
}

/// Must never run twice at the same time: it says so in the file `violations` if it does, and in `runs` when it ran.
struct Exclusive;

impl BackgroundTask for Exclusive {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let data = data_folder()?;
        let task = instance.task().task_id();
        let held = File::create(data.join(format!("{task}.held")))?;
        if flock(&held, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut violations = File::options().append(true).create(true).open(data.join("violations"))?;
            writeln!(
                violations,
                "{task} ran twice at the same time: {} attempt {}",
                instance.instance_id(),
                instance.attempt()
            )?;
        }
        instance.progress(instance.attempt());
        sleep(Duration::from_millis(40)).await;
        Ok(())
    }
}

fn data_folder() -> Result<PathBuf, TaskError> {
    Ok(std::env::var_os("BGTASK_APP_DATA").ok_or("no data folder")?.into())
}

struct Fails;

impl BackgroundTask for Fails {
    async fn run(&self, _instance: TaskInstance) -> Result<(), TaskError> {
        Err("the server said no".into())
    }
}

struct Panics;

impl BackgroundTask for Panics {
    async fn run(&self, _instance: TaskInstance) -> Result<(), TaskError> {
        panic!("out of cheese")
    }
}

/// Ends its process as if all were well.
struct Exits;

impl BackgroundTask for Exits {
    async fn run(&self, _instance: TaskInstance) -> Result<(), TaskError> {
        exit(0)
    }
}

/// Says why on its error stream and gives up.
struct Writes;

impl BackgroundTask for Writes {
    async fn run(&self, _instance: TaskInstance) -> Result<(), TaskError> {
        for line in 1..=1_000 {
            eprintln!("line {line}");
        }
        println!("no more paper");
        exit(3)
    }
}

struct Crashes;

impl BackgroundTask for Crashes {
    async fn run(&self, _instance: TaskInstance) -> Result<(), TaskError> {
        eprintln!("about to crash");
        std::process::abort()
    }
}

/// Reports a third, waits until it is told to stop, and leaves word of what it was told.
struct Notices;

impl BackgroundTask for Notices {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        instance.progress(33);
        instance.cancelled().await;
        let notice = instance.cancel_notice().ok_or("cancelled without a notice")?;
        let micros = |time: Duration| u64::try_from(time.as_micros());
        let told = serde_json::json!({
            "reason": notice.reason().to_string(),
            "budget": micros(notice.budget())?,
            "used": micros(notice.used())?,
            "grace": micros(notice.grace())?,
        });
        leave(&instance, &told.to_string())
    }
}

/// Is told to stop, and does so when the file `leave` is in the app's data folder.
struct Lingers;

impl BackgroundTask for Lingers {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        instance.progress(1);
        instance.cancelled().await;
        instance.progress(2);
        let file = data_folder()?.join("leave");
        while !file.exists() {
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

/// Leaves word of what its trigger carried, run after run, under its name.
struct Tells;

impl BackgroundTask for Tells {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        tell(&instance)
    }
}

fn tell(instance: &TaskInstance) -> Result<(), TaskError> {
    let (settings, name) = (instance.local_settings()?, instance.task().name());
    let mut runs: Vec<PropertyValue> = settings.get(name)?.unwrap_or_default();
    runs.push(instance.trigger_details().clone().into());
    Ok(settings.set(name, runs)?)
}

/// Writes what each message begins with into the file `messages`, one line for each: there may be very many.
struct Lists;

impl BackgroundTask for Lists {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let told = instance.trigger_events();
        let first = |message: &RawNotification| message.content.split(' ').next().unwrap_or_default().to_owned() + "\n";
        let lines: String = told.details::<RawNotification>().iter().map(first).collect();
        let lost = "lost\n".repeat(told.lost() as usize);
        let mut file = File::options().append(true).create(true).open(data_folder()?.join("messages"))?;
        Ok(file.write_all((lines + &lost).as_bytes())?)
    }
}

/// As `Tells`, and goes on until it is told to stop: then it leaves word of why, under its name and `ended`.
struct Uses;

impl BackgroundTask for Uses {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        tell(&instance)?;
        instance.progress(1);
        let reason = instance.cancelled().await;
        let key = format!("{} ended", instance.task().name());
        Ok(instance.local_settings()?.set(&key, reason.to_string())?)
    }
}

/// Leaves word of how everything in its group of transfers has ended, under its name (NEI-5).
struct Films;

impl BackgroundTask for Films {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let group = BackgroundTransferCompletionGroupTriggerDetails::of(&instance).await?;
        let mut ended = Vec::new();
        for download in group.downloads() {
            let name = download.file().file_name().unwrap_or_default().to_string_lossy().into_owned();
            ended.push(format!("{name}: {}", download.progress().await?.status));
        }
        leave(&instance, &format!("{}, and {} uploads", ended.join(", "), group.uploads().len()))
    }
}

/// Says nothing, but uses the processor until it is told to stop.
struct Works;

impl BackgroundTask for Works {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        while instance.cancellation_reason().is_none() {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(20) {
                std::hint::spin_loop();
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// Does not listen to cancel notices, and starts a daemon that nobody is to find: its number is in the file `daemon`.
struct Hangs;

impl BackgroundTask for Hangs {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let daemon =
            r#"setsid sh -c 'echo $$ >"$0.new"; mv "$0.new" "$0"; exec sleep 1000' "$0" </dev/null >/dev/null 2>&1 &"#;
        let file = data_folder()?.join("daemon");
        Command::new("sh").arg("-c").arg(daemon).arg(&file).status()?;
        while !file.exists() {
            sleep(Duration::from_millis(5)).await;
        }
        eprintln!("not to be stopped");
        instance.progress(1);
        std::future::pending().await
    }
}
