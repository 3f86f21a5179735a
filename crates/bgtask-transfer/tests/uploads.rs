//! Uploads: the server gets the whole file, however often that takes.

mod flawed;

use std::future::pending;
use std::time::Duration;

use bgtask_transfer::{End, Folder, Kind, Order, Phase, Settings, carry};
use flawed::{Content, Flaw, Seen, Server};

const FILM: Content = Content { len: 3_000_001, seed: 7 };

async fn upload(flaws: impl IntoIterator<Item = Flaw>) -> (Vec<Seen>, Phase, End) {
    let temp = tempfile::tempdir().expect("a folder");
    let server = Server::start(FILM);
    server.flaws(flaws);
    let file = temp.path().join("film.mkv");
    std::fs::write(&file, FILM.bytes()).expect("the film");
    let order = Order::new(Kind::Upload, "org.example.Photos", server.uri("/film.mkv"), &file);
    let folder = Folder::new(temp.path().join("state"));
    folder.put(&order).expect("it is kept");
    let settings = Settings { pause: Duration::from_millis(1), stall: Duration::from_secs(1), ..Settings::default() };
    let end = carry(&order, &folder, &settings, &mut |_| {}, pending()).await;
    assert!(file.exists(), "what is given stays");
    (server.seen(), folder.state(order.id).expect("its state").phase, end)
}

#[tokio::test]
async fn a_file_goes_as_it_is() {
    let (seen, phase, end) = upload([]).await;
    assert_eq!((end, phase), (End::Completed, Phase::Completed));
    assert_eq!((seen.len(), seen[0].body, seen[0].body_is_right), (1, FILM.len, true));
    assert_eq!(seen[0].line.trim_end(), "PUT /film.mkv HTTP/1.1");
}

#[tokio::test]
async fn what_broke_is_given_again_from_its_beginning() {
    let (seen, _, end) = upload([Flaw::CutAfter(1_000_000), Flaw::Status(503, None)]).await;
    assert_eq!(end, End::Completed);
    assert_eq!(seen.len(), 2, "one was cut before it was seen");
    assert!(seen.iter().all(|seen| seen.body == FILM.len && seen.body_is_right));
}

#[tokio::test]
async fn what_the_server_does_not_want_is_told_at_once() {
    let (seen, phase, end) = upload([Flaw::Status(403, None)]).await;
    assert!(matches!(&end, End::Failed(why) if why.contains("403")), "{end:?}");
    assert_eq!((seen.len(), phase), (1, Phase::Failed));
}

#[tokio::test]
async fn what_is_not_there_cannot_be_given() {
    let server = Server::start(FILM);
    let temp = tempfile::tempdir().unwrap();
    let order = Order::new(Kind::Upload, "org.example.Photos", server.uri("/"), temp.path().join("none"));
    let folder = Folder::new(temp.path().join("state"));
    folder.put(&order).unwrap();
    let end = carry(&order, &folder, &Settings::default(), &mut |_| {}, pending()).await;
    assert!(matches!(&end, End::Failed(why) if why.contains("none")), "{end:?}");
    assert!(server.seen().is_empty());
}
