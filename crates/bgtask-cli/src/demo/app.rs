//! The app of the Windows guide "Create and register an out-of-process background task", step by step.
//!
//! It has no window: what it would show there it prints, and it is closed by closing its standard input.

use std::error::Error;
use std::io::Read as _;

use bgtask::{
    ApplicationData, ApplicationDataContainer, BackgroundExecutionManager, BackgroundTaskBuilder,
    BackgroundTaskCompletedEventArgs, BackgroundTaskRegistration, SystemCondition, SystemConditionType, SystemTrigger,
    SystemTriggerType,
};

const EXAMPLE_TASK_NAME: &str = "ExampleBackgroundTask";
const EXAMPLE_TASK_ENTRY_POINT: &str = "Tasks.ExampleBackgroundTask";

#[tokio::main(flavor = "current_thread")]
pub(super) async fn main() -> Result<(), Box<dyn Error>> {
    // Register, step 1: the task may be registered from an earlier run of the app. Registering it again would make a
    // second one, and both would run.
    let tasks = BackgroundTaskRegistration::all_tasks().await?;
    let task = match tasks.into_iter().find(|task| task.name() == EXAMPLE_TASK_NAME) {
        Some(task) => {
            println!("finds its task {} registered", task.task_id());
            task
        }
        None => register().await?,
    };

    // Handle completion, step 2: a handler is attached at every start of the app. It is called for what completes from
    // now on, and for what completed while the app was closed.
    let settings = ApplicationData::local_settings().await?;
    task.on_progress(|_task, args| println!("progress {}", args.progress()));
    task.on_completed(move |task, args| on_completed(task, &args, &settings));

    closed().await
}

/// Register, steps 2 to 4.
async fn register() -> Result<BackgroundTaskRegistration, Box<dyn Error>> {
    let access = BackgroundExecutionManager::request_access().await?;
    let task = BackgroundTaskBuilder::new()
        .name(EXAMPLE_TASK_NAME)
        .task_entry_point(EXAMPLE_TASK_ENTRY_POINT)
        .trigger(SystemTrigger::new(SystemTriggerType::TimeZoneChange, false))
        .condition(SystemCondition::new(SystemConditionType::InternetAvailable))
        .register()
        .await?;
    println!("is {access:?} and registers its task {}", task.task_id());
    Ok(task)
}

/// Handle completion, step 1.
fn on_completed(
    task: &BackgroundTaskRegistration,
    args: &BackgroundTaskCompletedEventArgs,
    settings: &ApplicationDataContainer,
) {
    match message(task, args, settings) {
        Ok(message) => println!("on_completed: {message:?}"),
        Err(error) => println!("on_completed: {error}"),
    }
}

/// The task left its result in the settings, under the id of its registration.
fn message(
    task: &BackgroundTaskRegistration,
    args: &BackgroundTaskCompletedEventArgs,
    settings: &ApplicationDataContainer,
) -> Result<String, Box<dyn Error>> {
    args.check_result()?;
    let key = task.task_id().to_string();
    settings.get(&key)?.ok_or_else(|| "the task left no message".into())
}

/// Waits until somebody closes the app.
async fn closed() -> Result<(), Box<dyn Error>> {
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
