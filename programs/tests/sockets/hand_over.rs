//! From an app to the broker, to a task, and back (SOC, NW-2).

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;

use serde_json::json;

use crate::harness::PATIENCE;
use crate::stage::{Stage, connection};

/// Reads exactly that.
fn expect(peer: &mut TcpStream, text: &[u8]) {
    let mut bytes = vec![0; text.len()];
    peer.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, text);
}

/// NW-2, SOC-11: what the sample of Windows shows: each message is one activation, and the connection stays the same.
#[tokio::test]
async fn soc_1_nw_2_a_message_starts_the_task_which_answers_on_the_same_connection() {
    let stage = Stage::new().await;
    let (ours, mut peer) = connection();
    stage.hand_over("chat", ours, "echo").await.unwrap();
    for (times, text) in [(1, b"first"), (2, b"again")] {
        peer.write_all(text).unwrap();
        expect(&mut peer, text);
        let told = stage.told_times(times).await;
        let right = json!({
            "id": "chat", "reason": "SocketActivity", "kind": "StreamSocket", "context": "echo", "attempt": 1
        });
        assert_eq!(told, right);
        stage.stands("chat", "watched").await;
    }
}

/// Not a byte is lost or comes in another place while the connection goes back and forth between broker and tasks, with both
/// directions as full as they get.
#[tokio::test]
async fn soc_6_nothing_is_lost_at_full_speed_in_both_directions() {
    const BYTES: usize = 8 << 20;
    const EACH_TIME: usize = 128 << 10;
    let stage = Stage::new().await;
    let (ours, mut peer) = connection();
    stage.hand_over("bulk", ours, &format!("echo {EACH_TIME}")).await.unwrap();
    let mut sending = peer.try_clone().unwrap();
    let sender = thread::spawn(move || {
        for block in stream().take(BYTES).collect::<Vec<_>>().chunks(61_441) {
            sending.write_all(block).unwrap();
        }
    });
    let received = tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; BYTES];
        peer.read_exact(&mut bytes).unwrap();
        bytes
    });
    let received = received.await.unwrap();
    sender.join().unwrap();
    assert!(received.iter().copied().eq(stream().take(BYTES)), "another stream came back");
    let handed_over = stage.told().len();
    assert!(handed_over >= BYTES / EACH_TIME, "{handed_over} runs for {BYTES} bytes");
}

/// A stream in which every place can be told from every other.
fn stream() -> impl Iterator<Item = u8> {
    (0_u64..).flat_map(|number| (number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes())
}

/// SOC-15: the task gets the listener itself and accepts; each connection is a socket of its own.
#[tokio::test]
async fn soc_15_a_listener_is_handed_over_and_its_connections_too() {
    let stage = Stage::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    stage.hand_over("door", listener, "accept").await.unwrap();
    for text in [b"one", b"two"] {
        let mut peer = TcpStream::connect(address).unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        peer.write_all(text).unwrap();
        expect(&mut peer, text);
    }
    let first = stage.told_times(1).await;
    assert_eq!((&first["reason"], &first["kind"]), (&json!("ConnectionAccepted"), &json!("StreamSocketListener")));
}

#[tokio::test]
async fn soc_15_datagrams_start_the_task_too() {
    let stage = Stage::new().await;
    let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = ours.local_addr().unwrap();
    stage.hand_over("time", ours, "reply").await.unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = [0; 16];
    for text in [b"now?", b"then"] {
        peer.send_to(text, address).unwrap();
        let length = peer.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], text);
    }
    assert_eq!(stage.told_times(1).await["kind"], "DatagramSocket");
}
