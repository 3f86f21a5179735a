//! What the library decides by itself about sockets.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use super::*;
use crate::TaskId;

fn task() -> TaskId {
    TaskId::read("3f2504e0-4f89-41d3-9a0c-0305e82c3301").expect("an id")
}

fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let stream = TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
    (stream, listener.accept().expect("it connects").0)
}

/// SOC-16: and the trigger says so beforehand.
#[test]
fn soc_5_wake_is_refused_at_once_and_do_not_wake_works() {
    use SocketActivityConnectedStandbyAction::{DoNotWake, Wake};
    let mut socket = StreamSocket::from(connected().0);
    let refused = socket.enable_transfer_ownership(task(), Wake).expect_err("SOC-5");
    assert!(refused.is_not_supported() && refused.to_string().contains("DoNotWake"), "{refused}");
    socket.enable_transfer_ownership(task(), DoNotWake).expect("every machine can");
    assert!(!crate::SocketActivityTrigger::new().is_wake_from_low_power_supported());
}

#[tokio::test]
async fn soc_3_a_socket_is_enabled_for_a_task_before_it_is_handed_over() {
    let mut socket = StreamSocket::from(connected().0);
    let refused = socket.transfer_ownership("chat", SocketActivityContext::default(), None).await.expect_err("SOC-3");
    assert!(refused.is_invalid_argument() && refused.to_string().contains("enable_transfer_ownership"), "{refused}");
    assert!(socket.as_fd().is_ok(), "what failed leaves it where it is");
}

#[test]
fn soc_6_a_socket_that_was_handed_over_is_not_there_any_more() {
    let mut socket = StreamSocket::from(connected().0);
    socket.0.forget();
    assert!(socket.as_fd().expect_err("it is gone").is_invalid_argument());
    assert!(socket.into_fd().expect_err("it is gone").is_invalid_argument());
}

#[test]
fn a_descriptor_becomes_the_socket_that_it_is_and_no_other() {
    let stream: OwnedFd = connected().0.into();
    assert!(StreamSocketListener::try_from(stream.try_clone().expect("a copy")).expect_err("another").is_wrong_kind());
    assert!(DatagramSocket::try_from(stream.try_clone().expect("a copy")).expect_err("another").is_wrong_kind());
    StreamSocket::try_from(stream).expect("it is one");
    let file: OwnedFd = std::fs::File::open("/dev/null").expect("a file").into();
    assert!(StreamSocket::try_from(file).expect_err("no socket").is_wrong_kind());
}

#[tokio::test]
async fn every_usual_type_becomes_one_and_comes_back() {
    use std::io::{Read as _, Write as _};
    let (stream, mut peer) = connected();
    stream.set_nonblocking(true).expect("it can be");
    let stream = tokio::net::TcpStream::from_std(stream).expect("a runtime");
    let socket = StreamSocket::try_from(stream).expect("the runtime lets go of it");
    let mut back = TcpStream::from(socket.into_fd().expect("it is there"));
    back.write_all(b"hello").expect("it is connected");
    let mut bytes = [0; 5];
    peer.read_exact(&mut bytes).expect("it arrives");
    assert_eq!(&bytes, b"hello");
    let pair = std::os::unix::net::UnixStream::pair().expect("a pair");
    drop((StreamSocket::from(pair.0), DatagramSocket::from(std::net::UdpSocket::bind("127.0.0.1:0").expect("one"))));
}

#[tokio::test]
async fn soc_13_a_getter_of_another_kind_fails_and_takes_nothing() {
    let information = SocketActivityInformation::example("chat", task(), SocketActivityKind::StreamSocketListener);
    let refused = information.stream_socket().await.expect_err("it listens");
    assert!(refused.is_wrong_kind() && refused.to_string().contains("StreamSocketListener"), "{refused}");
}

#[test]
fn cct_1_cct_2_cct_8_what_is_out_of_range_is_said_before_the_broker_is_asked() {
    let refused = |id: &str, minutes| ControlChannelTrigger::new(id, minutes).expect_err("out of range");
    assert!(refused("", 25).is_invalid_argument());
    assert!(refused(&"é".repeat(65), 25).to_string().contains("1 to 64 characters"));
    assert!(refused("mail", 14).to_string().contains("15 to 1439 (CCT-2)"));
    assert!(refused("mail", 1_440).is_invalid_argument());
    for (id, minutes) in [("é".repeat(64), 15), ("mail".to_owned(), 1_439)] {
        let mut channel = ControlChannelTrigger::new(&id, minutes).expect("in range");
        assert_eq!(
            (channel.control_channel_trigger_id(), channel.server_keep_alive_interval_in_minutes()),
            (&*id, minutes)
        );
        assert!(!channel.is_wake_from_low_power_supported());
        assert!(channel.set_server_keep_alive_interval_in_minutes(1_440).is_err());
        channel.set_server_keep_alive_interval_in_minutes(20).expect("in range");
        assert_eq!(channel.current_keep_alive_interval_in_minutes(), 20);
    }
    let hardware = ControlChannelTriggerResourceType::RequestHardwareSlot;
    let refused = ControlChannelTrigger::with_resource_type("mail", 25, hardware).expect_err("CCT-8");
    assert!(refused.is_not_supported() && refused.to_string().contains("RequestSoftwareSlot"), "{refused}");
}

#[test]
fn cct_7_its_triggers_name_the_channel_and_the_side() {
    let channel = ControlChannelTrigger::new("mail", 25).expect("in range");
    let of = |trigger: ControlChannelEventTrigger| {
        trigger.properties().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(of(channel.push_notification_trigger()), ["channel=mail", "on=push"]);
    assert_eq!(of(channel.keep_alive_trigger()), ["channel=mail", "on=keep-alive"]);
}

#[tokio::test]
async fn cct_5_cct_6_a_step_that_is_left_out_is_named() {
    let mut channel = ControlChannelTrigger::new("mail", 25).expect("in range");
    let refused = channel.wait_for_push_enabled().await.expect_err("CCT-5");
    assert!(refused.is_invalid_argument() && refused.to_string().contains("using_transport"), "{refused}");
    assert!(channel.flush_transport().await.is_err());
    channel.using_transport(&connected().0).expect("a descriptor is left");
    let refused = channel.wait_for_push_enabled().await.expect_err("CCT-6");
    assert!(refused.is_invalid_argument() && refused.to_string().contains("background_activated"), "{refused}");
    channel.close().await.expect("it was never open");
}

#[tokio::test]
async fn cct_12_flushing_waits_until_everything_is_sent() {
    use std::io::{Read as _, Write as _};
    let (mut stream, mut peer) = connected();
    let mut channel = ControlChannelTrigger::new("mail", 25).expect("in range");
    channel.using_transport(&stream).expect("a descriptor is left");
    channel.flush_transport().await.expect("there is nothing to send");
    // More than both ends keep: it is sent only when it is read.
    stream.set_nonblocking(true).expect("it is settable");
    let mut written = 0;
    while let Ok(more) = stream.write(&[7; 65_536]) {
        written += more;
    }
    let flushed = tokio::spawn(async move { channel.flush_transport().await });
    tokio::task::yield_now().await;
    assert!(!flushed.is_finished(), "{written} bytes wait");
    let read = tokio::task::spawn_blocking(move || peer.read_exact(&mut vec![0; written]).map(|()| peer));
    let _peer = read.await.expect("it reads").expect("all of it");
    flushed.await.expect("it ends").expect("everything is sent");
}
