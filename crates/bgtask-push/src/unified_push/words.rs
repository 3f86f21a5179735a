//! What connector and distributor say to each other.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::timeout;
use zbus::message::{Flags, Type};
use zbus::wire::{OwnedVariant, Variant};
use zbus::{Connection, Message as Call, fdo};

use super::{DISTRIBUTOR_PREFIX, MAX_ENDPOINT_BYTES, SERVICE};

/// Where a distributor finds the connector, and the other way round.
pub(super) const CONNECTOR_PATH: &str = "/org/unifiedpush/Connector";
const DISTRIBUTOR_PATH: &str = "/org/unifiedpush/Distributor";

const CONNECTORS: [&str; 2] = ["org.unifiedpush.Connector1", "org.unifiedpush.Connector2"];
const DISTRIBUTOR_1: &str = "org.unifiedpush.Distributor1";
const DISTRIBUTOR_2: &str = "org.unifiedpush.Distributor2";

/// How long a distributor may take to answer: it may have to ask its server first.
const PATIENCE: Duration = Duration::from_secs(60);

type Dictionary = HashMap<String, OwnedVariant>;

/// What a distributor says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A message has come.
    Message { token: String, payload: Vec<u8>, id: Option<String> },
    /// The channel has this address from now on.
    NewEndpoint { token: String, endpoint: String },
    /// The channel is gone.
    Unregistered { token: String },
}

/// Why a call is none of these.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is for nobody here.
    UnknownMethod,
    /// It says something else than the specification has.
    Malformed,
}

impl Word {
    /// What a call says, in either version of the interface.
    pub(super) fn read(call: &Call) -> Result<Self, Unread> {
        let header = call.header();
        let interface = header.interface().map(|interface| interface.as_str());
        let known = interface.is_none_or(|interface| CONNECTORS.contains(&interface));
        if !known || header.path().is_none_or(|path| path.as_str() != CONNECTOR_PATH) {
            return Err(Unread::UnknownMethod);
        }
        let body = call.body();
        let is_first = interface == Some(CONNECTORS[0]);
        match header.member().map(|member| member.as_str()) {
            Some("Message") if is_first => {
                let (token, payload, id) = body.deserialize().map_err(|_| Unread::Malformed)?;
                Ok(Self::Message { token, payload, id: named(id) })
            }
            Some("Message") => {
                let mut said = dictionary(call)?;
                let id = said.contains_key("id").then(|| text(&mut said, "id")).transpose()?;
                let (token, payload) = (text(&mut said, "token")?, bytes(&mut said, "message")?);
                Ok(Self::Message { token, payload, id: id.and_then(named) })
            }
            Some("NewEndpoint") => {
                let (token, endpoint): (String, String) = if is_first {
                    body.deserialize().map_err(|_| Unread::Malformed)?
                } else {
                    let mut said = dictionary(call)?;
                    (text(&mut said, "token")?, text(&mut said, "endpoint")?)
                };
                is_address(&endpoint).then_some(Self::NewEndpoint { token, endpoint }).ok_or(Unread::Malformed)
            }
            Some("Unregistered") if is_first => {
                Ok(Self::Unregistered { token: body.deserialize().map_err(|_| Unread::Malformed)? })
            }
            Some("Unregistered") => {
                let mut said = dictionary(call)?;
                // One that confirms what we asked for need not say which.
                let token = said.contains_key("token").then(|| text(&mut said, "token")).transpose()?;
                Ok(Self::Unregistered { token: token.unwrap_or_default() })
            }
            _ => Err(Unread::UnknownMethod),
        }
    }
}

/// The answer to a call that was understood; nothing where nobody waits for one.
pub(super) fn answer(call: &Call) -> Option<Call> {
    let header = call.header();
    if !waits(call) {
        return None;
    }
    let reply = Call::method_return(&header);
    if header.interface().is_some_and(|interface| interface == CONNECTORS[0]) {
        return reply.build(&()).ok();
    }
    let id = match Word::read(call) {
        Ok(Word::Message { id, .. }) => id,
        _ => None,
    };
    let said: HashMap<&str, Variant<'_>> = id.iter().map(|id| ("id", Variant::from(id.as_str()))).collect();
    reply.build(&said).ok()
}

/// The answer to a call that was not.
pub(super) fn refusal(call: &Call, name: &str, why: &str) -> Option<Call> {
    waits(call).then(|| Call::error(&call.header(), name).build(&why).ok()).flatten()
}

/// The same for what could not be read.
pub(super) fn refusal_of(call: &Call, unread: &Unread) -> Option<Call> {
    let (name, why) = match unread {
        Unread::UnknownMethod => (
            "org.freedesktop.DBus.Error.UnknownMethod",
            "a connector of UnifiedPush has Message, NewEndpoint and Unregistered, at /org/unifiedpush/Connector",
        ),
        Unread::Malformed => (
            "org.freedesktop.DBus.Error.InvalidArgs",
            "the arguments are not those of the D-Bus specification of UnifiedPush",
        ),
    };
    refusal(call, name, why)
}

fn waits(call: &Call) -> bool {
    call.message_type() == Type::MethodCall && !call.primary_header().flags().contains(Flags::NO_REPLY_EXPECTED)
}

/// Why a distributor did not register a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nobody has its name, and the bus can start nobody.
    Absent,
    /// What is wrong and what to do; whether that is seldom worth another try.
    Trouble { why: String, help: String, lasting: bool },
}

/// Registers a channel; the address comes by a call of its own.
pub(super) async fn register(
    connection: &Connection,
    distributor: &str,
    token: &str,
    channel: &str,
) -> Result<(), Refused> {
    let description: String = format!("Background tasks of {channel}").chars().take(100).collect();
    let arguments = [("service", SERVICE), ("token", token), ("description", description.as_str())];
    let second = ask(connection, distributor, DISTRIBUTOR_2, "Register", &dictionary_of(&arguments)).await;
    let (success, reason) = match second {
        Err(error) if is_unknown(&error) => {
            let arguments = (SERVICE, token, description.as_str());
            let reply = ask(connection, distributor, DISTRIBUTOR_1, "Register", &arguments).await;
            let reply = reply.map_err(|error| refused(distributor, &error))?;
            reply.body().deserialize::<(String, String)>().map_err(|_| nonsense(distributor))?
        }
        Err(error) => return Err(refused(distributor, &error)),
        Ok(reply) => {
            let mut said = dictionary(&reply).map_err(|_| nonsense(distributor))?;
            let success = text(&mut said, "success").map_err(|_| nonsense(distributor))?;
            (success, text(&mut said, "reason").unwrap_or_default())
        }
    };
    match success.as_str() {
        // Those of the first version say either.
        "REGISTRATION_SUCCEEDED" | "NEW_ENDPOINT" => Ok(()),
        _ => Err(because(distributor, &reason)),
    }
}

/// Has a distributor forget a token. Whoever is there knows it no more afterwards, whatever it answers.
pub(super) async fn unregister(connection: &Connection, distributor: &str, token: &str) -> Result<(), Refused> {
    let arguments = dictionary_of(&[("token", token)]);
    let second = ask(connection, distributor, DISTRIBUTOR_2, "Unregister", &arguments).await;
    let answer = match second {
        Err(error) if is_unknown(&error) => ask(connection, distributor, DISTRIBUTOR_1, "Unregister", &token).await,
        answer => answer,
    };
    match answer.map_err(|error| refused(distributor, &error)) {
        Err(Refused::Absent) => Err(Refused::Absent),
        Ok(_) | Err(Refused::Trouble { .. }) => Ok(()),
    }
}

async fn ask<B>(connection: &Connection, to: &str, interface: &str, method: &str, body: &B) -> zbus::Result<Call>
where
    B: serde::Serialize + zbus::DynamicType,
{
    let call = connection.call_method(Some(to), DISTRIBUTOR_PATH, Some(interface), method, body);
    let silent = || zbus::Error::Failure(format!("it has not answered for {} s", PATIENCE.as_secs()));
    timeout(PATIENCE, call).await.unwrap_or_else(|_| Err(silent()))
}

fn is_unknown(error: &zbus::Error) -> bool {
    let zbus::Error::FDO(error) = error else { return false };
    matches!(**error, fdo::Error::UnknownInterface(_) | fdo::Error::UnknownMethod(_))
}

fn refused(distributor: &str, error: &zbus::Error) -> Refused {
    if let zbus::Error::FDO(error) = error
        && matches!(**error, fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_))
    {
        return Refused::Absent;
    }
    let why = format!("{distributor} does not register the channel: {error}");
    Refused::Trouble { why, help: "it is tried again by itself".into(), lasting: true }
}

fn because(distributor: &str, reason: &str) -> Refused {
    let why = format!("{distributor} refuses the channel ({reason:.64})");
    let (help, lasting) = match reason {
        "ACTION_REQUIRED" => ("open its settings: it wants something of you, such as to sign in", true),
        "VAPID_REQUIRED" => {
            ("choose another distributor: this one wants a VAPID key for each channel, which bgtask has none of", true)
        }
        "NETWORK" => ("it is tried again when the network is back", false),
        _ => ("it is tried again by itself", false),
    };
    Refused::Trouble { why, help: help.into(), lasting }
}

fn nonsense(distributor: &str) -> Refused {
    let why = format!("{distributor} does not keep to the D-Bus specification of UnifiedPush");
    Refused::Trouble { why, help: "choose another distributor, or a newer version of it".into(), lasting: true }
}

/// The distributors that run or that the bus can start.
pub(super) async fn distributors(connection: &Connection) -> zbus::Result<Vec<String>> {
    let bus = fdo::DBusProxy::new(connection).await?;
    let asked = timeout(PATIENCE, async { Ok((bus.list_names().await?, bus.list_activatable_names().await?)) });
    let (running, startable) = asked.await.unwrap_or_else(|_| Err(zbus::Error::Failure("in vain".into())))?;
    let names = running.iter().chain(&startable).map(|name| name.as_str());
    let mut found: Vec<_> = names.filter(|name| name.starts_with(DISTRIBUTOR_PREFIX)).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    Ok(found)
}

fn dictionary_of<'a>(pairs: &[(&'a str, &'a str)]) -> HashMap<&'a str, Variant<'a>> {
    pairs.iter().map(|(key, value)| (*key, Variant::from(*value))).collect()
}

fn dictionary(message: &Call) -> Result<Dictionary, Unread> {
    message.body().deserialize().map_err(|_| Unread::Malformed)
}

fn text(said: &mut Dictionary, key: &str) -> Result<String, Unread> {
    let value = said.remove(key).ok_or(Unread::Malformed)?;
    String::try_from(value).map_err(|_| Unread::Malformed)
}

/// The specification calls a message a string in one place and bytes in all others.
fn bytes(said: &mut Dictionary, key: &str) -> Result<Vec<u8>, Unread> {
    let value = said.remove(key).ok_or(Unread::Malformed)?;
    match value.try_clone().ok().and_then(|value| Vec::<u8>::try_from(value).ok()) {
        Some(bytes) => Ok(bytes),
        None => String::try_from(value).map(String::into_bytes).map_err(|_| Unread::Malformed),
    }
}

fn named(id: String) -> Option<String> {
    Some(id).filter(|id| !id.is_empty())
}

fn is_address(text: &str) -> bool {
    let scheme = text.starts_with("https://") || text.starts_with("http://");
    scheme && text.len() <= MAX_ENDPOINT_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call<B: serde::Serialize + zbus::DynamicType>(interface: &str, member: &str, body: &B) -> Call {
        let call = Call::method_call(CONNECTOR_PATH, member).interface(interface);
        call.build(body).expect("a call")
    }

    #[test]
    fn a_message_is_read_in_both_versions_as_bytes_and_as_text() {
        let is = |id: Option<&str>| {
            Ok(Word::Message { token: "t".into(), payload: b"hi".to_vec(), id: id.map(str::to_owned) })
        };
        assert_eq!(Word::read(&call(CONNECTORS[0], "Message", &("t", b"hi".to_vec(), ""))), is(None));
        assert_eq!(Word::read(&call(CONNECTORS[0], "Message", &("t", b"hi".to_vec(), "7"))), is(Some("7")));
        let mut said = dictionary_of(&[("token", "t"), ("message", "hi")]);
        assert_eq!(Word::read(&call(CONNECTORS[1], "Message", &said)), is(None));
        said.insert("message", Variant::from(b"hi".to_vec()));
        said.insert("id", Variant::from("7"));
        let call = call(CONNECTORS[1], "Message", &said);
        assert_eq!(Word::read(&call), is(Some("7")));
        let mut reply = dictionary(&answer(&call).expect("it waits for one")).expect("a dictionary");
        assert_eq!(text(&mut reply, "id").as_deref(), Ok("7"), "by which the distributor knows what is acknowledged");
    }

    #[test]
    fn an_address_is_one_of_the_web_and_not_too_long() {
        let read = |endpoint: &str| {
            Word::read(&call(CONNECTORS[1], "NewEndpoint", &dictionary_of(&[("token", "t"), ("endpoint", endpoint)])))
        };
        let fits = format!("https://h/{}", "a".repeat(MAX_ENDPOINT_BYTES - 10));
        assert!(matches!(read(&fits), Ok(Word::NewEndpoint { endpoint, .. }) if endpoint == fits));
        for wrong in ["", "not_an_url", "ftp://h", "https://h/a b", "https://h/\n", &format!("{fits}a")] {
            assert_eq!(read(wrong), Err(Unread::Malformed), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_said_wrongly_is_none() {
        let empty = dictionary_of(&[]);
        for member in ["Message", "NewEndpoint"] {
            assert_eq!(Word::read(&call(CONNECTORS[1], member, &empty)), Err(Unread::Malformed), "{member}");
            assert_eq!(Word::read(&call(CONNECTORS[0], member, &empty)), Err(Unread::Malformed), "{member}");
        }
        let number = HashMap::from([("token", Variant::from(7u32)), ("message", Variant::from("hi"))]);
        assert_eq!(Word::read(&call(CONNECTORS[1], "Message", &number)), Err(Unread::Malformed));
        assert_eq!(Word::read(&call(CONNECTORS[1], "Shout", &empty)), Err(Unread::UnknownMethod));
        assert_eq!(Word::read(&call("org.example.Other", "Message", &empty)), Err(Unread::UnknownMethod));
        let gone = Ok(Word::Unregistered { token: String::new() });
        assert_eq!(Word::read(&call(CONNECTORS[1], "Unregistered", &empty)), gone, "what confirms our own wish");
    }
}
