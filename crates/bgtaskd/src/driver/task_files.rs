//! The folder of task files and the core: what is in it is registered, what is no longer in it is not.

use std::path::{Path, PathBuf};

use bgtask_convert::check_subject;
use bgtask_core::{App, AppId, Input, NewRegistration, Now, Refusal, Reply, Request, RequestId, TaskId};

use super::Driver;
use crate::task_files::{self, Outcome};

impl Driver {
    /// Reads the folder and registers what is new in it. A file that is wrong keeps what it registered before.
    pub(super) fn read_task_files(&mut self, now: Now) {
        let changes = self.task_files.read();
        for (path, text) in changes.put {
            let outcome = match self.register_file(now, &path, &text) {
                Ok(task) => Outcome::Registered(task),
                Err(why) => Outcome::Wrong(why),
            };
            self.task_files.keep(path, text, outcome);
        }
        if changes.complete {
            self.forget_gone_files(now);
        }
    }

    fn register_file(&mut self, now: Now, path: &Path, text: &[u8]) -> Result<TaskId, String> {
        let task = task_files::parse(path, text)?;
        let new = task.registration;
        self.calendars.check(&new, now.wall).map_err(|error| error.message)?;
        self.check_name_is_free(&new, path)?;
        let commands = AppId::new(App::COMMANDS).expect("it is an app id");
        check_subject(&new.trigger, &commands)?;
        let request = Request::RegisterOrUpdate(commands, new);
        if let Some(refused) = self.unserved(&request) {
            return Err(refused.to_string());
        }
        match self.decide_now(now, request) {
            Some(Ok(Reply::Updated(id, _))) => {
                self.decide_now(now, Request::SetPaused { task: id, paused: task.paused });
                self.leave_other_names(now, path, id);
                Ok(id)
            }
            Some(Err(refused)) => Err(refused.to_string()),
            _ => Err("the broker did not decide about it: this is a bug".into()),
        }
    }

    /// A command that was added by a call is nobody's file.
    fn check_name_is_free(&self, new: &NewRegistration, path: &Path) -> Result<(), String> {
        let taken = self.commands_with_files().find(|(_, name, file)| {
            **name == new.name && file.as_deref().is_none_or(|file| file != path && file.exists())
        });
        match taken {
            None => Ok(()),
            Some((_, name, Some(file))) => {
                Err(format!("the name {name:?} is taken by {}: give one of them another name", file.display()))
            }
            Some((_, name, None)) => Err(format!(
                "there is a command {name:?} already, which was added by hand: remove that (bgtask remove), or give \
                 this one another name"
            )),
        }
    }

    /// A file whose task got another name registers one task, not two.
    fn leave_other_names(&mut self, now: Now, path: &Path, keep: TaskId) {
        let its = |(id, _, file): (TaskId, String, Option<PathBuf>)| {
            (id != keep && file.as_deref() == Some(path)).then_some(id)
        };
        let others: Vec<_> = self.commands_with_files().filter_map(its).collect();
        for task in others {
            self.decide_now(now, Request::Unregister { scope: None, task, cancel: false });
        }
    }

    /// What stands in a file that is no longer there goes; what runs of it goes on.
    fn forget_gone_files(&mut self, now: Now) {
        let gone: Vec<_> = self
            .commands_with_files()
            .filter(|(_, _, file)| file.as_ref().is_some_and(|file| !self.task_files.has(&file.to_string_lossy())))
            .map(|(id, _, _)| id)
            .collect();
        for task in gone {
            self.decide_now(now, Request::Unregister { scope: None, task, cancel: false });
        }
    }

    fn commands_with_files(&self) -> impl Iterator<Item = (TaskId, String, Option<PathBuf>)> {
        let commands = AppId::new(App::COMMANDS).expect("it is an app id");
        self.core.registrations(Some(&commands)).into_iter().filter_map(|registration| {
            let command = registration.entry.command()?;
            Some((registration.id, registration.name.to_string(), command.file.as_deref().map(PathBuf::from)))
        })
    }

    /// Asks the core on the broker's own behalf; its answer is not sent to anybody.
    pub(super) fn decide_now(&mut self, now: Now, request: Request) -> Option<Result<Reply, Refusal>> {
        self.last_request += 1;
        let id = RequestId(self.last_request);
        self.own_request = Some((id, None));
        self.handle(now, Input::Request(id, request));
        self.own_request.take().and_then(|(_, reply)| reply)
    }
}
