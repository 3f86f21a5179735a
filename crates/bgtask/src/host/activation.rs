//! One activation from `run` to its end.

use std::any::Any;
use std::error::Error;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::{BackgroundTask, BlockingTask, TaskError, TaskInstance};

/// Longest text about the failure of a task that is passed on, in bytes; a longer one is cut.
pub const MAX_FAILURE_BYTES: usize = 4096;

/// An entry point, whatever the type of its task.
pub(crate) type Entry = Arc<dyn Fn(TaskInstance) -> Run + Send + Sync>;

pub(crate) type Run = Pin<Box<dyn Future<Output = Result<(), TaskError>> + Send>>;

pub(crate) fn entry(task: impl BackgroundTask) -> Entry {
    let task = Arc::new(task);
    Arc::new(move |instance| {
        let task = Arc::clone(&task);
        Box::pin(async move { task.run(instance).await })
    })
}

pub(crate) fn blocking_entry(task: impl BlockingTask) -> Entry {
    let task = Arc::new(task);
    Arc::new(move |instance| {
        let task = Arc::clone(&task);
        Box::pin(run_on_thread(move || task.run(&instance)))
    })
}

/// Runs an entry point until the activation is over: `run` returned, every deferral is complete (DEF-3). The error
/// is the text for the app.
pub(crate) async fn run_to_end(entry: &Entry, instance: TaskInstance) -> Result<(), String> {
    let result = AssertUnwindSafe(entry(instance.clone())).catch_unwind().await;
    instance.deferred().await;
    instance.hang_up(matches!(result, Ok(Ok(())))).await;
    instance.end();
    match result {
        Ok(result) => result.map_err(|error| told(&*error)),
        Err(panic) => Err(cut(format!("the task panicked: {}", words_of(&*panic)))),
    }
}

async fn run_on_thread(run: impl FnOnce() -> Result<(), TaskError> + Send + 'static) -> Result<(), TaskError> {
    let (done, end) = oneshot::channel();
    let body = move || drop(done.send(catch_unwind(AssertUnwindSafe(run))));
    std::thread::Builder::new().name("bgtask".into()).spawn(body)?;
    match end.await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => unreachable!("the thread sends what became of the task, whatever that is"),
    }
}

/// The words of an error are the task's own code too, and may panic as any of it may.
fn told(error: &(dyn Error + 'static)) -> String {
    let words = catch_unwind(AssertUnwindSafe(|| chain(error)));
    cut(words.unwrap_or_else(|panic| {
        format!("the task failed, and its error panicked when it was told: {}", words_of(&*panic))
    }))
}

/// An error and its causes; a cause whose words its effect already ends with is not repeated.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause.filter(|_| text.len() <= MAX_FAILURE_BYTES) {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(words), _) => words,
        (_, Some(words)) => words,
        _ => "with a value that is no text",
    }
}

fn cut(mut text: String) -> String {
    const CUT: &str = " […]";
    if text.len() > MAX_FAILURE_BYTES {
        text.truncate(text.floor_char_boundary(MAX_FAILURE_BYTES - CUT.len()));
        text.push_str(CUT);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot upload")]
    struct Upload(#[source] std::io::Error);

    #[test]
    fn an_error_is_told_with_its_causes() {
        let error = Upload(std::io::Error::other("no route"));
        assert_eq!(chain(&error), "cannot upload: no route");
        let words: TaskError = "plain words".into();
        assert_eq!(chain(&*words), "plain words");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("{}", unspeakable())]
    struct Unspeakable;

    fn unspeakable() -> &'static str {
        panic!("no words")
    }

    #[test]
    fn an_error_that_panics_when_it_is_told_is_a_failure_like_any_other() {
        assert_eq!(told(&Unspeakable), "the task failed, and its error panicked when it was told: no words");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let text = cut("ü".repeat(MAX_FAILURE_BYTES));
        assert!(text.len() <= MAX_FAILURE_BYTES && text.ends_with("ü […]"), "{}", text.len());
        assert_eq!(cut("x".repeat(MAX_FAILURE_BYTES)).len(), MAX_FAILURE_BYTES);
    }
}
