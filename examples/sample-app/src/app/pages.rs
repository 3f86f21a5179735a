//! The six pages, and what their buttons do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bgtask::{
    ApplicationTrigger, BackgroundExecutionManager, BackgroundTaskBuilder, BackgroundTaskRegistration,
    BackgroundTaskRegistrationGroup, Error, SystemCondition, SystemConditionType, ValueSet,
};

use super::Outcome;
use super::page::{Page, say};
use crate::notes::Notes;
use crate::scenario::{GROUP_ID, GROUP_NAME, Kind, SCENARIOS, Scenario};

/// The app as its user sees it.
pub(super) struct Pages {
    shown: Arc<Shown>,
    /// Whether tasks are registered with their entry points; without, the app itself runs them.
    with_entry_points: bool,
    /// The trigger of the fifth page: one for as long as the app is open.
    trigger: ApplicationTrigger,
}

/// What the handlers of tasks reach.
struct Shown {
    pages: [Mutex<Page>; SCENARIOS.len()],
    notes: Arc<Notes>,
}

impl Pages {
    /// Looks for the task of every page by its name: how an app that starts again finds out where it stands.
    pub(super) async fn open(notes: Arc<Notes>, with_entry_points: bool) -> Result<Self, Error> {
        let shown = Arc::new(Shown { pages: Default::default(), notes });
        let pages = Self { shown, with_entry_points, trigger: ApplicationTrigger::new() };
        for scenario in &SCENARIOS {
            if let Some(task) = tasks_of(scenario).await?.first() {
                pages.attach(scenario, task);
                pages.shown.page(scenario).registered = true;
            }
        }
        Ok(pages)
    }

    pub(super) fn show(&self) {
        SCENARIOS.iter().for_each(|scenario| self.shown.page(scenario).show(scenario, &self.shown.notes));
    }

    pub(super) async fn register(&mut self, scenario: &'static Scenario, minutes: u32) -> Outcome {
        if self.shown.page(scenario).registered {
            return Err(format!("it is registered; first: unregister {}", scenario.number).into());
        }
        // Neither awaited nor checked, as in the sample of Windows. There two of the six pages ask; here who never asked
        // runs nothing (ACC-8).
        tokio::spawn(BackgroundExecutionManager::request_access());
        let mut builder =
            BackgroundTaskBuilder::new().name(scenario.name).trigger(scenario.trigger(minutes, &self.trigger));
        if self.with_entry_points {
            builder = builder.task_entry_point(scenario.entry_point);
        }
        if scenario.needs_internet {
            builder = builder
                .condition(SystemCondition::new(SystemConditionType::InternetAvailable))
                .cancel_on_condition_loss(true);
        }
        if scenario.grouped {
            builder = builder.task_group(&group().await?);
        }
        let task = builder.register().await?;
        self.shown.page(scenario).registered = true;
        self.shown.notes.remove(scenario.name)?;
        self.attach(scenario, &task);
        self.shown.page(scenario).show(scenario, &self.shown.notes);
        Ok(())
    }

    /// Takes every task of that name away and cancels what runs. What it left stays.
    pub(super) async fn unregister(&mut self, scenario: &'static Scenario) -> Outcome {
        if !self.shown.page(scenario).registered {
            return Err(format!("it is not registered; first: register {}", scenario.number).into());
        }
        for task in tasks_of(scenario).await? {
            task.unregister(true).await?;
        }
        self.shown.unregistered(scenario);
        Ok(())
    }

    pub(super) async fn unregister_ungrouped(&mut self) -> Outcome {
        for task in BackgroundTaskRegistration::all_tasks().await? {
            task.unregister(true).await?;
            if let Some(scenario) = SCENARIOS.iter().find(|scenario| scenario.name == task.name()) {
                self.shown.unregistered(scenario);
            }
        }
        Ok(())
    }

    pub(super) async fn signal(&mut self, arguments: ValueSet) -> Outcome {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.kind == Kind::Application).ok_or("there is none")?;
        if !self.shown.page(scenario).registered {
            return Err(format!("it is not registered; first: register {}", scenario.number).into());
        }
        self.shown.notes.remove(scenario.name)?;
        let response = self.trigger.request_async_with(arguments).await?;
        let mut page = self.shown.page(scenario);
        page.result = Some(response.result().to_string());
        page.show(scenario, &self.shown.notes);
        Ok(())
    }

    /// What is registered, as the library lists it.
    pub(super) async fn list(&self) -> Outcome {
        say(format_args!("All tasks: {}", names(&BackgroundTaskRegistration::all_tasks().await?)));
        for group in BackgroundTaskRegistration::all_task_groups().await? {
            say(format_args!("Group {} {}: {}", group.id(), group.name(), names(&group.all_tasks().await?)));
        }
        Ok(())
    }

    fn attach(&self, scenario: &'static Scenario, task: &BackgroundTaskRegistration) {
        let shown = Arc::clone(&self.shown);
        task.on_progress(move |_task, args| {
            let mut page = shown.page(scenario);
            page.progress = Some(args.progress());
            page.show_progress(scenario);
        });
        let shown = Arc::clone(&self.shown);
        task.on_completed(move |_task, _args| shown.page(scenario).show_status(scenario, &shown.notes));
    }
}

impl Shown {
    fn page(&self, scenario: &Scenario) -> MutexGuard<'_, Page> {
        // A page is valid at every moment.
        self.pages[scenario.number - 1].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unregistered(&self, scenario: &Scenario) {
        let mut page = self.page(scenario);
        (page.registered, page.result) = (false, None);
        page.show(scenario, &self.notes);
    }
}

/// The tasks of a page: among those of its group, or else among all.
async fn tasks_of(scenario: &Scenario) -> Result<Vec<BackgroundTaskRegistration>, Error> {
    let mut tasks = match scenario.grouped {
        true => group().await?.all_tasks().await?,
        false => BackgroundTaskRegistration::all_tasks().await?,
    };
    tasks.retain(|task| task.name() == scenario.name);
    Ok(tasks)
}

/// The group of the sixth page, made if it is not there.
async fn group() -> Result<BackgroundTaskRegistrationGroup, Error> {
    let found = BackgroundTaskRegistration::get_task_group(GROUP_ID).await?;
    Ok(found.unwrap_or_else(|| BackgroundTaskRegistrationGroup::with_name(GROUP_ID, GROUP_NAME)))
}

fn names(tasks: &[BackgroundTaskRegistration]) -> String {
    match tasks {
        [] => "none".to_owned(),
        tasks => tasks.iter().map(BackgroundTaskRegistration::name).collect::<Vec<_>>().join(", "),
    }
}
