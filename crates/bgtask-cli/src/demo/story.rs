//! The story, scene by scene. Every step waits for what it shows, and every scene checks what it claims.

use super::cast::{Cast, Line};
use super::narrator::{Narrator, Who};
use super::stage::{APP, Stage};
use crate::failure::Failure;

/// What was said in one scene.
#[derive(Default)]
struct Said {
    /// The word and the text of each change.
    changes: Vec<(String, String)>,
    app: Vec<String>,
}

/// Plays all of it.
pub(super) async fn play(stage: &Stage, cast: &mut Cast, narrator: &mut Narrator<'_, '_>) -> Result<(), Failure> {
    narrator.remark(&format!(
        "The example of the Windows guide to out-of-process background tasks, with real programs and real events.\n\
         A private broker runs, as process {}, in {}.\n\
         It takes the folder system/ in there for the machine: in Berlin, and offline.",
        cast.broker_id(),
        stage.path().display()
    ))?;
    let app = register(stage, cast, narrator).await?;
    hold(stage, cast, narrator).await?;
    run(stage, cast, narrator, app).await?;
    run_without_app(stage, cast, narrator).await?;
    come_back(stage, cast, narrator).await
}

async fn register(stage: &Stage, cast: &mut Cast, narrator: &mut Narrator<'_, '_>) -> Result<u32, Failure> {
    narrator.scene(
        "The app registers its task",
        "ExampleBackgroundTask is to run when the time zone changes, but only with internet.",
    )?;
    let app = cast.open_app(stage)?;
    narrator.says(Who::App, &format!("opens, as process {app}"))?;
    until(cast, narrator, "the registration", |said| said.has("registered") && said.app_says("registers its task"))
        .await?;
    cast.settle().await?;
    Ok(app)
}

async fn hold(stage: &Stage, cast: &mut Cast, narrator: &mut Narrator<'_, '_>) -> Result<(), Failure> {
    narrator.scene(
        "The zone changes while the machine is offline",
        "The trigger fires, the condition does not hold: the activation is latched. It is not lost.",
    )?;
    change_zone(stage, narrator, "America/New_York")?;
    until(cast, narrator, "a latched activation", |said| said.has("fired") && said.has("latched")).await?;
    let tasks = cast.proxy.list_tasks(APP).await?;
    let [task] = &tasks[..] else {
        return Err(Failure::failed(format!("the app has {} tasks in place of one", tasks.len())));
    };
    narrator.says(Who::Why, &cast.proxy.why(&task.id).await?.sentence)?;
    Ok(())
}

async fn run(stage: &Stage, cast: &mut Cast, narrator: &mut Narrator<'_, '_>, app: u32) -> Result<(), Failure> {
    narrator.scene(
        "The machine goes online",
        "The task runs now, in a process of its own, and the app hears of it live.",
    )?;
    stage.go_online()?;
    narrator.says(Who::World, "a default route appears in proc/net/route")?;
    let said = until(cast, narrator, "the end of the first run", |said| {
        said.has("completed") && said.app_says("on_completed")
    })
    .await?;
    check(said.succeeded(), "the first run did not succeed")?;
    check(said.app_says("progress 100"), "the app did not hear the last progress")?;
    let process = said.process().ok_or_else(|| Failure::failed("the app read no message of the first run"))?;
    check(![app, cast.broker_id(), std::process::id()].contains(&process), "the task had no process of its own")
}

async fn run_without_app(stage: &Stage, cast: &mut Cast, narrator: &mut Narrator<'_, '_>) -> Result<(), Failure> {
    narrator.scene(
        "The app is closed, and the zone changes again",
        "A task needs no app to run. What became of it is kept until somebody asks.",
    )?;
    cast.close_app().await?;
    narrator.says(Who::App, "is closed")?;
    change_zone(stage, narrator, "Asia/Tokyo")?;
    let said = until(cast, narrator, "the end of the second run", |said| said.has("completed")).await?;
    check(said.succeeded(), "the second run did not succeed")?;
    check(said.app.is_empty(), "the closed app said something")
}

async fn come_back(stage: &Stage, cast: &mut Cast, narrator: &mut Narrator<'_, '_>) -> Result<(), Failure> {
    narrator.scene("The app comes back", "It finds its task registered, and hears what it missed.")?;
    let app = cast.open_app(stage)?;
    narrator.says(Who::App, &format!("opens, as process {app}"))?;
    let said =
        until(cast, narrator, "the completion that was kept", |said| said.app_says("on_completed: \"run 2,")).await?;
    check(said.app_says("finds its task"), "the app did not find its registration")?;
    cast.close_app().await
}

fn change_zone(stage: &Stage, narrator: &mut Narrator<'_, '_>, zone: &str) -> Result<(), Failure> {
    stage.set_zone(zone)?;
    Ok(narrator.says(Who::World, &format!("etc/localtime leads to {zone} now"))?)
}

/// Tells what is said until enough is.
async fn until(
    cast: &mut Cast,
    narrator: &mut Narrator<'_, '_>,
    waited_for: &str,
    is_enough: impl Fn(&Said) -> bool,
) -> Result<Said, Failure> {
    let mut said = Said::default();
    while !is_enough(&said) {
        match cast.hear(waited_for).await? {
            Line::Change(event) => {
                narrator.says(Who::Broker, &event.text)?;
                said.changes.push((event.event, event.text));
            }
            Line::App(line) => {
                narrator.says(Who::App, &line)?;
                said.app.push(line);
            }
        }
    }
    Ok(said)
}

fn check(is_so: bool, otherwise: &str) -> Result<(), Failure> {
    if is_so { Ok(()) } else { Err(Failure::failed(otherwise)) }
}

impl Said {
    fn has(&self, event: &str) -> bool {
        self.changes.iter().any(|(it, _)| it == event)
    }

    fn succeeded(&self) -> bool {
        self.changes.iter().any(|(event, text)| event == "completed" && text.starts_with("succeeded"))
    }

    fn app_says(&self, text: &str) -> bool {
        self.app.iter().any(|line| line.contains(text))
    }

    /// The process the task says it ran in.
    fn process(&self) -> Option<u32> {
        let (_, rest) = self.app.iter().find_map(|line| line.split_once("process "))?;
        rest.split(',').next()?.parse().ok()
    }
}
