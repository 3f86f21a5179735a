//! A proxy that remembers what it was asked.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// It ends with the process of the test.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    seen: Vec<String>,
    refuses: bool,
}

impl Proxy {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let proxy = Self { address, shared: Arc::default() };
        let its = proxy.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let proxy = its.clone();
                // Who goes away in the middle is what this is about.
                std::thread::spawn(move || drop(proxy.attend(stream)));
            }
        });
        proxy
    }

    /// The head of each request so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.shared.lock().expect("nobody panics with it").seen.clone()
    }

    /// From now on it wants to know who asks, and is never content.
    pub(crate) fn refuses(&self) {
        self.shared.lock().expect("nobody panics with it").refuses = true;
    }

    fn attend(&self, mut client: TcpStream) -> io::Result<()> {
        let head = head(&mut client)?;
        let refuses = {
            let mut shared = self.shared.lock().expect("nobody panics with it");
            shared.seen.push(head.clone());
            shared.refuses
        };
        if refuses {
            return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
        }
        let (method, rest) = head.split_once(' ').unwrap_or_default();
        let mut server = if method == "CONNECT" {
            let server = TcpStream::connect(rest.split(' ').next().unwrap_or_default())?;
            client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
            server
        } else {
            let (authority, rest) = rest.trim_start_matches("http://").split_once('/').unwrap_or_default();
            let mut server = TcpStream::connect(authority)?;
            server.write_all(format!("{method} /{rest}").as_bytes())?;
            server
        };
        let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
        std::thread::spawn(move || {
            let _ended = io::copy(&mut from_client, &mut to_server);
            let _gone = to_server.shutdown(Shutdown::Write);
        });
        let copied = io::copy(&mut server, &mut client);
        let _gone = client.shutdown(Shutdown::Both);
        copied.map(drop)
    }
}

/// A byte at a time: what comes behind it is the server's.
fn head(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
