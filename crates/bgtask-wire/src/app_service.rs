use std::collections::HashMap;

use zbus::message::Type as MessageType;
use zbus::{Message, OwnedVariant};

use crate::error::{Error, ErrorKind};

/// Names of a connection to an app service.
pub mod app_service_names {
    /// The interface both ends offer.
    pub const INTERFACE: &str = "org.bgtask.AppService1";
    /// The object that has it.
    pub const PATH: &str = "/org/bgtask/AppService1";
    /// The key under which an instance is told the app of its caller; not there for a program of the user that is no app.
    pub const CALLER: &str = "caller";
    /// The key under which it is told which service is asked for.
    pub const SERVICE: &str = "service";
}

/// What one end of a connection to an app service says to the other, besides its answers.
#[derive(Debug, PartialEq)]
pub enum AppServiceCall {
    /// `Request(a{sv})`: a message that may be answered.
    Request(HashMap<String, OwnedVariant>),
    /// `Closed(u)`: the sender closes the connection, with this `AppServiceClosedStatus`.
    Closed(u32),
}

impl AppServiceCall {
    /// Reads what came; `None` for an answer, and for a signal that is not of the contract.
    ///
    /// # Errors
    ///
    /// A call whose method or arguments are not of the contract: its caller is told.
    pub fn read(message: &Message) -> Result<Option<Self>, Error> {
        let header = message.header();
        let member = header.member().map(|member| member.as_str());
        match (message.message_type(), member) {
            (MessageType::MethodCall, Some("Request")) => {
                let body = message.body().deserialize();
                let invalid = |error: zbus::Error| Error::new(ErrorKind::InvalidSignature, error.to_string());
                body.map(|body| Some(Self::Request(body))).map_err(invalid)
            }
            (MessageType::MethodCall, _) => {
                Err(Error::new(ErrorKind::UnknownMethod, "a connection to an app service has the method Request"))
            }
            (MessageType::Signal, Some("Closed")) => Ok(message.body().deserialize().ok().map(Self::Closed)),
            _ => Ok(None),
        }
    }

    /// The message of it.
    ///
    /// # Errors
    ///
    /// The message cannot be built: it holds what D-Bus cannot carry.
    pub fn message(&self) -> zbus::Result<Message> {
        use app_service_names::{INTERFACE, PATH};
        match self {
            Self::Request(message) => Message::method_call(PATH, "Request").interface(INTERFACE).build(message),
            Self::Closed(status) => Message::signal(PATH, INTERFACE, "Closed").build(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_again() {
        for call in [AppServiceCall::Request(HashMap::new()), AppServiceCall::Closed(1)] {
            assert_eq!(AppServiceCall::read(&call.message().expect("it is written")), Ok(Some(call)));
        }
    }

    #[test]
    fn what_is_not_of_the_contract_is_told_its_caller() {
        let call = |member| Message::method_call("/a", member).build(&7u32).expect("a call");
        assert_eq!(AppServiceCall::read(&call("Other")).expect_err("unknown").kind, ErrorKind::UnknownMethod);
        assert_eq!(AppServiceCall::read(&call("Request")).expect_err("wrong").kind, ErrorKind::InvalidSignature);
        let signal = Message::signal("/a", "a.b", "Closed").build(&"text").expect("a signal");
        assert_eq!(AppServiceCall::read(&signal), Ok(None));
    }
}
