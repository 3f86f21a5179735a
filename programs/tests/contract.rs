//! The contract in its four forms: the XML people write clients from, what the broker says of itself, what it understands, and
//! what our own client sends.

mod harness;

use std::collections::{BTreeMap, BTreeSet};

use bgtask_wire::{BROKER_INTERFACE, BROKER_PATH, Call, ErrorKind, xml};
use harness::Home;
use roxmltree::{Document, Node, ParsingOptions};
use zbus::Message;

const CALLS: &str = include_str!("../../crates/bgtask-wire/src/call.rs");
const PROXY: &str = include_str!("../../crates/bgtask-wire/src/proxy.rs");

/// Reads the broker's interface from the XML: the signature of what goes in, by member.
fn members(kind: &str) -> BTreeMap<String, String> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(xml::BROKER, options).unwrap();
    let ours = |node: &Node<'_, '_>| node.has_tag_name("interface") && node.attribute("name") == Some(BROKER_INTERFACE);
    let interface = document.descendants().find(ours).unwrap();
    let members = interface.children().filter(|node| node.has_tag_name(kind));
    members.map(|node| (node.attribute("name").unwrap().to_owned(), signature_in(node))).collect()
}

fn signature_in(member: Node<'_, '_>) -> String {
    let goes_in = |node: &Node<'_, '_>| node.has_tag_name("arg") && node.attribute("direction") == Some("in");
    member.children().filter(goes_in).map(|arg| arg.attribute("type").unwrap()).collect()
}

#[tokio::test]
async fn the_broker_introspects_as_the_xml_in_the_repository() {
    let (home, _app) = Home::with_sample();
    let broker = home.start().await;
    let user = broker.user().await;
    let connection = user.broker.inner().connection();
    let introspect = async |path: &str| {
        let interface = Some("org.freedesktop.DBus.Introspectable");
        let reply = connection.call_method(None::<&str>, path, interface, "Introspect", &()).await.unwrap();
        reply.body().deserialize::<String>().unwrap()
    };
    assert_eq!(introspect(BROKER_PATH).await, xml::BROKER);
    let mut path = String::new();
    for name in BROKER_PATH.split('/').skip(1) {
        let above = if path.is_empty() { "/" } else { &path };
        assert!(introspect(above).await.contains(&format!("<node name=\"{name}\"/>")), "the way down from {above}");
        path = format!("{path}/{name}");
    }
}

/// Called with arguments that no method takes, each method says which it takes: those of the XML.
#[test]
fn the_broker_understands_what_the_xml_says() {
    for (method, signature) in members("method") {
        let call = Message::method_call(BROKER_PATH, method.as_str()).interface(BROKER_INTERFACE);
        match Call::read(&call.build(&(7u8, 7u8)).unwrap()) {
            Ok(_) => assert_eq!(signature, "", "{method} takes arguments, or so the XML says"),
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::InvalidSignature, "{method}: {error}");
                assert!(error.message.contains(&format!("takes the arguments {signature:?}")), "{method}: {error}");
            }
        }
    }
}

/// The other way round: nothing is understood that the XML does not have.
#[test]
fn the_xml_says_what_the_broker_understands() {
    let broker = CALLS.split("fn read_broker").nth(1).unwrap().split("fn read_standard").next().unwrap();
    let arms = broker.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" =>"));
    let understood: BTreeSet<_> = arms.map(|(method, _)| method.to_owned()).collect();
    assert_eq!(understood, members("method").into_keys().collect());
}

/// Our own client has every method and signal, under the name that Rust gives it.
#[test]
fn our_own_client_has_all_of_it() {
    let functions = PROXY.lines().filter_map(|line| line.trim().strip_prefix("fn ")?.split_once('('));
    let has: BTreeSet<_> = functions.map(|(name, _)| pascal(name)).collect();
    let wanted: BTreeSet<_> = members("method").into_keys().chain(members("signal").into_keys()).collect();
    assert_eq!(has, wanted);
}

fn pascal(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('_').map(word).collect()
}
