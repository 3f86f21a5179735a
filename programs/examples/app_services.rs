//! Both sides of app services in one program: what one app does for others, and another app that asks.
//!
//! The broker starts it as the program of the app that serves. The other app, with a copy of its own, asks:
//!
//! ```text
//! app_services serve
//! app_services ask PROVIDER SERVICE
//! app_services measure PROVIDER SERVICE TIMES
//! ```
//!
//! `serve` is the app that serves as its user has it open, until the end of its input: it answers itself where no entry point is declared.
//! `ask` sends each line of its input as the word `what` of a message, and says each answer as a line of JSON. It hangs up at the end
//! of its input.

use std::process::{ExitCode, exit};
use std::time::Instant;

use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask::{
    AppServiceConnection, AppServiceRequest, AppServiceTriggerDetails, BackgroundTaskRegistration, CoreApplication,
    ValueSet,
};
use serde_json::json;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        [] => {
            answers_itself();
            return Host::new().entry_point("Services.Answers", Answers).run();
        }
        ["serve"] => in_runtime(serve()),
        ["ask", app, service] => in_runtime(ask(app, service)),
        ["measure", app, service, times] => in_runtime(measure(app, service, times)),
        _ => Err("usage: app_services serve, or ask|measure PROVIDER SERVICE [TIMES]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{}", json!({ "error": error.to_string() }));
            ExitCode::FAILURE
        }
    }
}

fn in_runtime(verb: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(verb)
}

/// The same in the app itself, whether the broker starts it or it is open.
fn answers_itself() {
    CoreApplication::background_activated(|args| async move { Answers.run(args.task_instance().clone()).await });
}

async fn serve() -> Outcome {
    answers_itself();
    // From here on the broker knows that it is open.
    BackgroundTaskRegistration::all_tasks().await?;
    println!("{}", json!({ "serving": std::process::id() }));
    let mut lines = lines_of_input();
    while lines.recv().await.is_some() {}
    Ok(())
}

/// Answers whoever the manifest allows, until he hangs up.
struct Answers;

impl BackgroundTask for Answers {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let details = instance.app_service()?;
        while let Some(request) = details.connection().next_request().await {
            answer(&instance, &details, request).await?;
        }
        Ok(())
    }
}

async fn answer(
    instance: &TaskInstance,
    details: &AppServiceTriggerDetails,
    request: AppServiceRequest,
) -> Result<(), TaskError> {
    let what: String = request.message().get("what")?.unwrap_or_default();
    match what.as_str() {
        "who" => {
            let mut answer = ValueSet::from([
                ("service", details.name().to_owned()),
                ("instance", instance.instance_id().to_string()),
            ]);
            answer.insert("caller", details.caller_app_id().unwrap_or("nobody").to_owned());
            answer.insert("process", std::process::id());
            request.send_response(&answer)?;
        }
        "crash" => exit(3),
        "wait" => {
            // Who takes a message need not answer at once, and may ask back meanwhile.
            let reason = instance.cancelled().await;
            instance.local_settings()?.set("Stopped", reason.to_string())?;
        }
        "ignore" => drop(request),
        other => request.send_response(&ValueSet::from([("heard", other)]))?,
    }
    Ok(())
}

async fn ask(app: &str, service: &str) -> Outcome {
    let connection = AppServiceConnection::open(app, service).await?;
    println!("{}", json!({ "open": true }));
    let mut lines = lines_of_input();
    loop {
        let what = tokio::select! {
            line = lines.recv() => line,
            status = connection.closed() => {
                println!("{}", json!({ "closed": status.to_string() }));
                return Ok(());
            }
        };
        let Some(what) = what else {
            connection.close().await;
            return Ok(());
        };
        println!("{}", said(connection.send_message(&ValueSet::from([("what", what)])).await));
    }
}

fn said(answer: Result<ValueSet, impl std::fmt::Display>) -> serde_json::Value {
    match answer {
        Ok(answer) => {
            let text = |key| answer.get::<String>(key).ok().flatten();
            let number = answer.get::<u32>("process").ok().flatten();
            json!({
                "service": text("service"), "instance": text("instance"), "caller": text("caller"),
                "process": number, "heard": text("heard"),
            })
        }
        Err(failure) => json!({ "failure": failure.to_string() }),
    }
}

fn lines_of_input() -> tokio::sync::mpsc::Receiver<String> {
    let (sender, lines) = tokio::sync::mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// How long a connection takes until its first answer, with and without a process that lingers, and how long an answer takes.
async fn measure(app: &str, service: &str, times: &str) -> Outcome {
    let message = ValueSet::from([("what", "echo")]);
    let (mut opened, mut answered) = (Vec::new(), Vec::new());
    for _ in 0..times.parse()? {
        let begun = Instant::now();
        let connection = AppServiceConnection::open(app, service).await?;
        connection.send_message(&message).await?;
        opened.push(begun.elapsed().as_micros());
        for _ in 0..20 {
            let asked = Instant::now();
            connection.send_message(&message).await?;
            answered.push(asked.elapsed().as_micros());
        }
        connection.close().await;
    }
    let first = opened.remove(0);
    println!("{}", json!({ "first": first, "opened": median(opened), "answered": median(answered) }));
    Ok(())
}

fn median(mut of: Vec<u128>) -> Option<u128> {
    of.sort_unstable();
    of.get(of.len() / 2).copied()
}
