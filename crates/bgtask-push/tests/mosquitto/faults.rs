//! Servers that lie, fall silent or are not who they say.

use std::path::Path;
use std::process::Command;

use bgtask_push::mqtt::{Server, Trust};
use bgtask_push::{MAX_UNACKNOWLEDGED, Report, Transport};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::server::{Mosquitto, Wanted};
use super::{Machine, machine_on};

pub(super) const WELCOME: &[u8] = &[0x20, 3, 0, 0, 0];
pub(super) const SUBSCRIBED: &[u8] = &[0x90, 4, 0, 1, 0, 1];

/// A server of one connection, which says what it is told to.
pub(super) async fn says(parts: Vec<Vec<u8>>) -> (Server, tokio::task::JoinHandle<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("mqtt://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        for part in parts {
            let mut heard = [0; 1_024];
            let _some = stream.read(&mut heard).await.unwrap();
            stream.write_all(&part).await.unwrap();
        }
        stream
    });
    (Server::at(&address, "kitchen").unwrap(), serving)
}

fn publish(number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    vec![0x32, 7, 0, 1, b't', high, low, 0, b'x']
}

#[tokio::test]
async fn a_server_that_does_not_keep_to_the_protocol_is_left_and_said() {
    for (after_subscribing, part) in [
        (vec![0x30, 0xff, 0xff, 0x7f], "65536 are the most"),
        (vec![0x34, 5, 0, 1, b't', 0, 1], "QoS 2"),
        (vec![0x20, 3, 0, 0, 0], "nothing asked for"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "does not keep to MQTT 5"),
        (vec![0xe0, 2, 0x8e, 0], "name of its own"),
        (vec![0xe0, 2, 0x8b, 0], "shuts down"),
    ] {
        let (server, _serving) = says(vec![WELCOME.to_vec(), [SUBSCRIBED, &after_subscribing].concat()]).await;
        let mut machine = Machine::at(server);
        let said = machine.trouble().await;
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_is_said_with_what_to_do() {
    for (parts, part) in [
        (vec![vec![0x20, 3, 0, 0x87, 0]], "username"),
        (vec![vec![0x20, 3, 0, 0x84, 0]], "MQTT 5"),
        // A server of MQTT 3.1.1 answers so to a version it does not know.
        (vec![vec![0x20, 2, 0, 1]], "does not keep to MQTT 5"),
        (vec![WELCOME.to_vec(), vec![0x90, 4, 0, 1, 0, 0x87]], "access rules"),
        (vec![vec![0x90, 4, 0, 1, 0, 1]], "something else"),
    ] {
        let (server, _serving) = says(parts).await;
        let said = Machine::at(server).trouble().await;
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// What it repeats without saying so, or with a number that was never sent, is a message like any other.
#[tokio::test]
async fn numbers_that_a_server_makes_up_confuse_nobody() {
    let repeated = [publish(7), publish(7), publish(9)].concat();
    let (server, _serving) = says(vec![WELCOME.to_vec(), [SUBSCRIBED, &repeated].concat()]).await;
    let mut machine = Machine::at(server);
    machine.until_connected().await;
    assert_eq!(machine.messages(3).await.len(), 3);
}

/// Who sends more than it may waits: what is here has a bound, whatever the server does.
#[tokio::test]
async fn a_flood_of_a_server_that_counts_wrong_is_read_as_far_as_there_is_room() {
    let most = usize::from(MAX_UNACKNOWLEDGED);
    let flood: Vec<u8> = (1..=MAX_UNACKNOWLEDGED + 44).flat_map(publish).collect();
    let (server, _serving) = says(vec![WELCOME.to_vec(), [SUBSCRIBED, &flood].concat()]).await;
    let mut machine = Machine::at(server);
    machine.until_connected().await;
    let told = machine.messages(most).await;
    assert!(machine.reports.try_recv().is_err(), "no more than there is room for");
    machine.mqtt.acknowledge(super::CHANNEL, &super::tickets(&told));
    assert_eq!(machine.messages(44).await.len(), 44);
}

/// An authority, and a certificate of it for the loopback.
fn certificates(folder: &Path) {
    let run = |arguments: &[&str]| {
        let made = Command::new("openssl").args(arguments).current_dir(folder).output().expect("openssl can be run");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let authority =
        ["req", "-x509", "-keyout", "ca.key", "-out", "ca.crt", "-days", "30", "-subj", "/CN=Test Authority"];
    run(&[&authority[..], &ec].concat());
    run(&[&["req", "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost"][..], &ec].concat());
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
    run(&[
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-out",
        "server.crt",
        "-days",
        "30",
        "-extfile",
        "names",
    ]);
}

#[tokio::test]
async fn by_tls_only_who_the_authority_vouches_for_is_trusted() {
    let folder = TempDir::new().unwrap();
    certificates(folder.path());
    let wanted = Wanted { certificates: Some(folder.path()), ..Wanted::default() };
    let server = Mosquitto::start_as(folder.path(), wanted);
    let trusting = |ca: Option<&str>| Server {
        trust: Some(Trust { ca_file: ca.map(|name| folder.path().join(name)), certificate: None }),
        ..machine_on(&server)
    };
    let mut machine = Machine::at(trusting(Some("ca.crt")));
    assert!(matches!(machine.next().await, Report::Opened { uri, .. } if uri.starts_with("mqtts://")));
    for (ca, part) in
        [(None, "ca_file"), (Some("absent.crt"), "cannot be used"), (Some("names"), "there is none in it")]
    {
        let said = Machine::at(trusting(ca)).trouble().await;
        assert!(said.contains(part), "{part}: {said}");
    }
}
