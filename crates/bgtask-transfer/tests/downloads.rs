//! Downloads from a server that does everything wrong (NW-7): in the end the file is right, or the reason is told.

mod flawed;
#[path = "flawed/proxy.rs"]
mod proxy;

use std::future::pending;
use std::path::Path;
use std::time::Duration;

use bgtask_transfer::{
    End, Folder, Kind, MAX_REDIRECTS, MAX_RESTARTS, MAX_SERVER_FAULTS, Order, Phase, Proxies, Settings, Sha256, State,
    carry, part_of,
};
use flawed::{Content, Flaw, Server, Tells};

const FILM: Content = Content { len: 1_000_003, seed: 7 };

/// A transfer of the film into a folder that goes with the test.
struct Stage {
    folder: Folder,
    order: Order,
    temp: tempfile::TempDir,
}

impl Stage {
    fn new(uri: String) -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        let order = Order::new(Kind::Download, "org.example.Photos", uri, temp.path().join("film.mkv"));
        let folder = Folder::new(temp.path().join("state"));
        folder.put(&order).expect("it is kept");
        Self { folder, order, temp }
    }

    async fn carry(&self) -> End {
        self.carry_until(pending()).await
    }

    async fn carry_until(&self, stop: impl Future<Output = ()>) -> End {
        carry(&self.order, &self.folder, &quick(), &mut |_| {}, stop).await
    }

    fn state(&self) -> State {
        self.folder.state(self.order.id).expect("its state")
    }

    /// The film is there, whole, and nothing else but what is kept of the transfer.
    fn has(&self, content: Content) {
        assert!(std::fs::read(&self.order.file).expect("the film") == content.bytes(), "its bytes are wrong");
        assert_eq!(self.state().phase, Phase::Completed, "{:?}", self.state());
        assert_eq!(self.state().done, content.len);
        self.has_no_part();
    }

    fn has_no_part(&self) {
        let names = |path: &Path| -> Vec<_> {
            std::fs::read_dir(path).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect()
        };
        assert!(
            !names(self.temp.path()).iter().any(|name| name.as_encoded_bytes().starts_with(b".")),
            "a part is left"
        );
    }
}

/// As patient as a test.
fn quick() -> Settings {
    Settings {
        pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(20),
        stall: Duration::from_millis(300),
        patience: 50,
        ..Settings::default()
    }
}

async fn film(flaws: impl IntoIterator<Item = Flaw>) -> (Server, Stage, End) {
    let server = Server::start(FILM);
    server.flaws(flaws);
    let stage = Stage::new(server.uri("/film.mkv"));
    let end = stage.carry().await;
    (server, stage, end)
}

#[tokio::test]
async fn a_file_comes_as_it_is() {
    let (server, stage, end) = film([]).await;
    assert_eq!(end, End::Completed);
    stage.has(FILM);
    assert_eq!(server.seen().len(), 1);
    assert_eq!(server.seen()[0].header("range"), None);
    // Asked again it does nothing.
    assert_eq!(stage.carry().await, End::Completed);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let server = Server::start(Content { len: 0, seed: 0 });
    let stage = Stage::new(server.uri("/"));
    assert_eq!(stage.carry().await, End::Completed);
    stage.has(Content { len: 0, seed: 0 });
}

#[tokio::test]
async fn a_cut_connection_goes_on_where_it_was() {
    let (server, stage, end) = film([300_000, 200_000, 1, 0].map(Flaw::CutAfter)).await;
    assert_eq!(end, End::Completed);
    stage.has(FILM);
    let ranges: Vec<_> = server.seen().iter().map(|seen| seen.header("range").map(str::to_owned)).collect();
    let from = |bytes: u64| Some(format!("bytes={bytes}-"));
    assert_eq!(ranges, [None, from(300_000), from(500_000), from(500_001), from(500_001)]);
    assert_eq!(stage.state().restarts, 0);
}

#[tokio::test]
async fn the_date_of_the_last_change_tells_versions_apart_too() {
    let server = Server::start(FILM);
    server.tells(Tells::Date).flaws([Flaw::CutAfter(300_000)]);
    let stage = Stage::new(server.uri("/"));
    assert_eq!(stage.carry().await, End::Completed);
    stage.has(FILM);
    assert_eq!(server.seen()[1].header("if-range"), Some("Sun, 08 Nov 2026 02:30:00 GMT"));
}

#[tokio::test]
async fn without_a_strong_validator_it_begins_anew() {
    for tells in [Tells::WeakTag, Tells::Nothing] {
        let server = Server::start(FILM);
        server.tells(tells).flaws([Flaw::CutAfter(300_000)]);
        let stage = Stage::new(server.uri("/"));
        assert_eq!(stage.carry().await, End::Completed);
        stage.has(FILM);
        assert_eq!(server.seen()[1].header("range"), None, "{tells:?}");
    }
}

#[tokio::test]
async fn a_file_that_changes_begins_anew_and_is_the_new_one() {
    for changed in [Content { len: 700_001, seed: 8 }, Content { len: 1_000_003, seed: 9 }, Content { len: 5, seed: 1 }]
    {
        let (_, stage, end) = film([Flaw::CutAfter(300_000), Flaw::Changed(changed)]).await;
        assert_eq!(end, End::Completed);
        stage.has(changed);
        assert_eq!(stage.state().restarts, 1);
    }
}

#[tokio::test]
async fn a_part_that_was_not_asked_for_is_not_taken() {
    let (_, stage, end) = film([Flaw::CutAfter(300_000), Flaw::WrongRange(1_000)]).await;
    assert_eq!(end, End::Completed);
    stage.has(FILM);
}

#[tokio::test]
async fn a_server_that_knows_no_ranges_sends_everything_again() {
    let (_, stage, end) = film([Flaw::CutAfter(300_000), Flaw::IgnoreRange]).await;
    assert_eq!(end, End::Completed);
    stage.has(FILM);
}

#[tokio::test]
async fn what_has_another_checksum_is_fetched_anew_and_not_for_ever() {
    let server = Server::start(FILM);
    server.flaws([Flaw::CutAfter(300_000), Flaw::Damaged]);
    let mut stage = Stage::new(server.uri("/"));
    stage.order.sha256 = Some(Sha256::of(&FILM.bytes()[..]).unwrap());
    assert_eq!(stage.carry().await, End::Completed);
    stage.has(FILM);

    let mut stage = Stage::new(server.uri("/"));
    stage.order.sha256 = Some(Sha256::of(&b"something else"[..]).unwrap());
    let before = server.seen().len();
    assert!(matches!(stage.carry().await, End::Failed(_)));
    assert!(!stage.order.file.exists());
    stage.has_no_part();
    assert_eq!(server.seen().len() - before, MAX_RESTARTS as usize + 1);
}

#[tokio::test]
async fn what_the_server_cannot_do_now_is_asked_again() {
    let (server, stage, end) = film([500, 502, 503, 429].map(|status| Flaw::Status(status, None))).await;
    assert_eq!(end, End::Completed);
    stage.has(FILM);
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn a_server_that_never_can_is_not_asked_for_ever() {
    let flaws = (0..MAX_SERVER_FAULTS).map(|_| Flaw::Status(500, None));
    let (server, stage, end) = film(flaws).await;
    assert!(matches!(&end, End::Failed(why) if why.contains("500") && why.contains("20th")), "{end:?}");
    assert_eq!(server.seen().len(), MAX_SERVER_FAULTS as usize);
    assert_eq!(stage.state().phase, Phase::Failed);
    stage.has_no_part();
}

#[tokio::test]
async fn who_asks_to_be_asked_later_is() {
    let (server, stage, end) = film([Flaw::Status(503, Some(3_600))]).await;
    assert!(matches!(&end, End::Later(why) if why.contains("503")), "{end:?}");
    assert_eq!(stage.carry().await, End::Completed);
    stage.has(FILM);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn what_is_not_there_is_told_at_once() {
    for status in [401, 403, 404, 410, 204, 304] {
        let (server, stage, end) = film([Flaw::Status(status, None)]).await;
        assert!(matches!(&end, End::Failed(why) if why.contains(&status.to_string())), "{end:?}");
        assert_eq!((server.seen().len(), stage.state().status), (1, Some(status)));
        assert!(!stage.order.file.exists());
        stage.has_no_part();
    }
}

#[tokio::test]
async fn silence_drips_garbage_and_closed_doors_are_survived() {
    let drip = Flaw::Drip(Duration::from_millis(5));
    let flaws = [Flaw::StallAfter(400_000), drip, Flaw::Garbage, Flaw::HangUp, Flaw::CutAfter(100_000)];
    let (_, stage, end) = film(flaws).await;
    assert_eq!(end, End::Completed);
    stage.has(FILM);
}

#[tokio::test]
async fn more_than_was_announced_is_not_taken() {
    let (_, stage, end) = film([Flaw::TooMuch(17)]).await;
    assert_eq!(end, End::Completed);
    stage.has(FILM);
}

#[tokio::test]
async fn redirects_are_followed_and_not_in_circles() {
    let server = Server::start(FILM);
    server.flaws([Flaw::Redirect("elsewhere".into()), Flaw::Redirect(server.uri("/there?x=y"))]);
    let stage = Stage::new(server.uri("/a/b"));
    assert_eq!(stage.carry().await, End::Completed);
    stage.has(FILM);
    let lines: Vec<_> = server.seen().into_iter().map(|seen| seen.line.trim_end().to_owned()).collect();
    assert_eq!(lines, ["GET /a/b HTTP/1.1", "GET /a/elsewhere HTTP/1.1", "GET /there?x=y HTTP/1.1"]);

    let circle = (0..1_000).map(|_| Flaw::Redirect("/a".into()));
    let (server, _, end) = film(circle).await;
    assert!(matches!(&end, End::Failed(why) if why.contains("redirects")), "{end:?}");
    assert_eq!(server.seen().len(), (MAX_REDIRECTS + 1) * MAX_SERVER_FAULTS as usize);
}

#[tokio::test]
async fn told_to_stop_it_goes_on_from_there_in_another_life() {
    let server = Server::start(FILM);
    server.flaws([Flaw::StallAfter(400_000)]);
    let stage = Stage::new(server.uri("/"));
    let part = part_of(&stage.order);
    let there = async {
        while std::fs::metadata(&part).map_or(0, |part| part.len()) < 400_000 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert_eq!(stage.carry_until(there).await, End::Stopped);
    assert_eq!((stage.state().phase, stage.state().done), (Phase::Going, 400_000));
    assert_eq!(stage.carry().await, End::Completed);
    stage.has(FILM);
    assert_eq!(server.seen()[1].header("range"), Some("bytes=400000-"));
}

/// The machine went down between the last two steps: the film was in its place, and that was not written yet.
#[tokio::test]
async fn what_was_placed_is_not_fetched_again() {
    let (server, stage, _) = film([]).await;
    stage.folder.keep(stage.order.id, &State { phase: Phase::Placing, ..stage.state() }).unwrap();
    assert_eq!(stage.carry().await, End::Completed);
    stage.has(FILM);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn after_too_many_faults_of_the_network_it_is_better_tried_later() {
    let server = Server::start(FILM);
    server.flaws([Flaw::HangUp, Flaw::HangUp, Flaw::HangUp]);
    let stage = Stage::new(server.uri("/"));
    let settings = Settings { patience: 3, ..quick() };
    let end = carry(&stage.order, &stage.folder, &settings, &mut |_| {}, pending()).await;
    assert!(matches!(end, End::Later(_)), "{end:?}");
    assert_eq!((stage.state().faults, stage.state().phase), (0, Phase::Going), "it is nobody's fault");
    assert_eq!(stage.carry().await, End::Completed);
    stage.has(FILM);
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_told_at_once() {
    let server = Server::start(FILM);
    let mut stage = Stage::new(server.uri("/"));
    stage.order.file = stage.temp.path().join("no such folder/film.mkv");
    let end = stage.carry().await;
    assert!(matches!(&end, End::Failed(why) if why.contains("no such folder")), "{end:?}");
    assert!(server.seen().is_empty());
}

/// A certificate for `localhost`, and a server's side of it.
fn certificate() -> (String, std::sync::Arc<rustls::ServerConfig>) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![own.cert.der().clone()], key).unwrap();
    (own.cert.pem(), std::sync::Arc::new(config))
}

/// Over TLS, with a certificate that only this test trusts; without that trust nothing is asked for.
#[tokio::test]
async fn a_safe_connection_is_one_to_a_server_that_is_trusted() {
    let (own, config) = certificate();
    let server = Server::start_with(FILM, Some(config));
    server.flaws([Flaw::CutAfter(300_000)]);
    let stage = Stage::new(server.uri("/film.mkv"));
    let trust = stage.temp.path().join("trusted.pem");
    let settings = Settings { trust: Some(trust.clone()), ..quick() };
    std::fs::write(&trust, "").unwrap();
    let end = carry(&stage.order, &stage.folder, &settings, &mut |_| {}, pending()).await;
    assert!(matches!(&end, End::Failed(why) if why.contains("not trusted")), "{end:?}");
    assert!(server.seen().is_empty());

    std::fs::write(&trust, own).unwrap();
    let stage = Stage::new(server.uri("/film.mkv"));
    assert_eq!(carry(&stage.order, &stage.folder, &settings, &mut |_| {}, pending()).await, End::Completed);
    stage.has(FILM);
    assert_eq!(server.seen().len(), 2);
}

/// Through a proxy, which is told whole addresses, and of TLS only where it goes; over breaks, too.
#[tokio::test]
async fn a_proxy_leads_to_servers_of_both_kinds() {
    for tls in [false, true] {
        let (own, config) = certificate();
        let server = Server::start_with(FILM, tls.then_some(config));
        server.flaws([Flaw::CutAfter(300_000)]);
        let proxy = proxy::Proxy::start();
        let stage = Stage::new(server.uri("/film.mkv"));
        let trust = stage.temp.path().join("trusted.pem");
        std::fs::write(&trust, own).unwrap();
        let named = |name: &str| (name == "all_proxy").then(|| format!("http://ada:secret@{}", proxy.address));
        let settings = Settings { trust: Some(trust), proxies: Proxies::of(named).unwrap(), ..quick() };
        assert_eq!(carry(&stage.order, &stage.folder, &settings, &mut |_| {}, pending()).await, End::Completed);
        stage.has(FILM);
        assert_eq!(server.seen().len(), 2);
        let heads = proxy.seen();
        let asked = if tls { "CONNECT localhost:".to_owned() } else { format!("GET {} ", stage.order.uri) };
        assert!(heads.len() == 2 && heads.iter().all(|head| head.starts_with(&asked)), "{heads:?}");
        let login = |head: &String| head.to_lowercase().contains("proxy-authorization: basic ");
        assert!(heads.iter().all(login), "{heads:?}");
        assert!(server.seen().iter().all(|seen| seen.header("proxy-authorization").is_none() || !tls));
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_the_one_who_is_named() {
    let (_, config) = certificate();
    let server = Server::start_with(FILM, Some(config));
    let proxy = proxy::Proxy::start();
    proxy.refuses();
    let stage = Stage::new(server.uri("/film.mkv"));
    let named = |name: &str| (name == "https_proxy").then(|| proxy.address.to_string());
    let settings = Settings { proxies: Proxies::of(named).unwrap(), patience: 3, ..quick() };
    let end = carry(&stage.order, &stage.folder, &settings, &mut |_| {}, pending()).await;
    assert!(matches!(&end, End::Later(why) if why.contains("the proxy 127.0.0.1") && why.contains("407")), "{end:?}");
    assert!(server.seen().is_empty());
}
