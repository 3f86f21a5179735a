//! TLS on sockets that outlive the activations of their task, by the example of the documentation.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use bgtask_wire::TransferOptions;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::harness::{Home, New, PATIENCE, SAMPLE, copy_program, eventually, example};

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn connect(address: SocketAddr, trusted: &CertificateDer<'static>) -> Stream {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let session = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(session, socket)
}

fn echoes(stream: &mut Stream, text: &[u8]) {
    stream.write_all(text).unwrap();
    let mut bytes = vec![0; text.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, text);
}

/// One session of TLS over several activations, and another when its process is gone.
#[tokio::test]
async fn a_session_of_tls_lives_in_the_process_of_its_task() {
    let home = Home::new();
    let folder = home.root("..").join("bin");
    fs::create_dir_all(&folder).unwrap();
    let tasks = folder.join("tls_tasks");
    fs::hard_link(example("tls_tasks"), &tasks).unwrap_or_else(|_| copy_program(&example("tls_tasks"), &tasks));
    let manifest = format!(
        "[app]\nid = {SAMPLE:?}\nversion = \"1\"\ncapabilities = [\"internetClient\", \"pushNotifications\"]\n\
         [[task]]\nentry_point = \"Tasks.Tls\"\ntypes = [\"systemEvent\"]\nexecutable = {tasks:?}\n"
    );
    fs::write(home.manifest(SAMPLE), manifest).unwrap();
    let broker = home.start().await;
    let user = broker.user().await;
    user.broker.request_access(SAMPLE, "").await.unwrap();
    let new = New { entry: "Tasks.Tls", ..New::default() };
    let task = user.register_for(new, "SocketActivityTrigger", &[]).await.unwrap();
    user.sources_know().await;

    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    // In the app's data folder, which its tasks may read.
    let data = home.data(SAMPLE);
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("certificate.pem"), made.cert.pem()).unwrap();
    fs::write(data.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let context = format!("{} {}", data.join("certificate.pem").display(), data.join("key.pem").display());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let options = TransferOptions { context: Some(context.into_bytes()), ..TransferOptions::default() };
    use std::os::fd::AsFd as _;
    user.broker.transfer_socket(SAMPLE, &task, "door", listener.as_fd().into(), options).await.unwrap();
    drop(listener);

    let trusted = made.cert.der().clone();
    let talk = tokio::task::spawn_blocking(move || {
        let mut stream = connect(address, &trusted);
        for text in [b"one", b"two", b"six"] {
            echoes(&mut stream, text);
        }
        (stream, trusted)
    });
    let (mut stream, trusted) = talk.await.unwrap();
    let words = user.words(&task).await;
    assert!(words.matches("started").count() >= 3, "several activations had a part in it: {words}");

    // Another version of the app: its process goes, and the sessions with it.
    let manifest = fs::read_to_string(home.manifest(SAMPLE)).unwrap().replace("version = \"1\"", "version = \"2\"");
    fs::write(home.manifest(SAMPLE), manifest).unwrap();
    eventually("the new version is installed", async || {
        user.apps().await.iter().any(|app| app.version == "2").then_some(())
    })
    .await;
    let talk = tokio::task::spawn_blocking(move || {
        let _sent = stream.write_all(b"who are you?");
        let mut answer = [0; 1];
        assert!(!matches!(stream.read(&mut answer), Ok(1)), "nobody has the keys any more");
        echoes(&mut connect(address, &trusted), b"hello again");
    });
    talk.await.unwrap();
}
