//! A message that waits for its answer.

use std::fmt;

use bgtask_wire::{Error, ErrorKind};
use tokio::sync::mpsc::OwnedPermit;
use zbus::Message;
use zbus::message::Type as MessageType;

use super::connection::written;
use super::{AppServiceFailure, AppServiceResponseStatus as Status};
use crate::ValueSet;

/// A message of the other end. Whoever has it may answer it, at any time: it is its own deferral (NEI-2).
///
/// One that is dropped without an answer fails at the other end with [`Failure`](Status::Failure).
#[must_use = "who sent it waits for an answer"]
pub struct AppServiceRequest {
    message: ValueSet,
    call: Message,
    /// Taken when it is answered.
    place: Option<OwnedPermit<Message>>,
}

impl AppServiceRequest {
    pub(super) fn new(message: ValueSet, call: Message, place: OwnedPermit<Message>) -> Self {
        Self { message, call, place: Some(place) }
    }

    /// What it says.
    pub fn message(&self) -> &ValueSet {
        &self.message
    }

    /// Answers it (`SendResponseAsync`). Never waits; that the other end is gone is no error.
    ///
    /// # Errors
    ///
    /// The answer is [too large](Status::MessageSizeTooLarge), or cannot be sent. The other end is told that there is none.
    pub fn send_response(mut self, response: &ValueSet) -> Result<(), AppServiceFailure<Status>> {
        let written = written(response, |body| Message::method_return(&self.call.header()).build(body));
        match &written {
            Ok(message) => self.answer(message.clone()),
            Err(failure) if failure.status == Status::MessageSizeTooLarge => {
                self.refuse(ErrorKind::LimitReached, TOO_LARGE);
            }
            Err(failure) => self.refuse(ErrorKind::Other, &failure.why),
        }
        written.map(drop)
    }

    fn refuse(&mut self, kind: ErrorKind, why: &str) {
        if let Ok(refusal) = Error::new(kind, why).reply(&self.call.header()) {
            self.answer(refusal);
        }
    }

    fn answer(&mut self, message: Message) {
        if let Some(place) = self.place.take() {
            place.send(message);
        }
    }
}

impl Drop for AppServiceRequest {
    fn drop(&mut self) {
        if self.place.is_some() {
            self.refuse(ErrorKind::Other, "the message was taken and not answered");
        }
    }
}

impl fmt::Debug for AppServiceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppServiceRequest").field("message", &self.message).finish_non_exhaustive()
    }
}

/// The answer to a message, or why there is none.
pub(super) fn read_answer(answer: &Message) -> Result<ValueSet, AppServiceFailure<Status>> {
    if answer.message_type() == MessageType::MethodReturn {
        let set = answer.body().deserialize().map_err(|error| error.to_string());
        return set
            .and_then(|set| ValueSet::from_wire(&set))
            .map_err(|found| AppServiceFailure::new(Status::Failure, format!("the answer holds {found}")));
    }
    let name = answer.header().error_name().map(ToString::to_string).unwrap_or_default();
    let why: String = answer.body().deserialize().unwrap_or_default();
    let status = match name.as_str() {
        name if name != ErrorKind::LimitReached.name() => Status::Failure,
        _ if why == TOO_LARGE => Status::MessageSizeTooLarge,
        _ => Status::ResourceLimitsExceeded,
    };
    Err(AppServiceFailure::new(status, why))
}

const TOO_LARGE: &str = "the answer is larger than a message may be";
