//! Uploads: the server gets the whole file, however often that takes.

mod flawed;

use std::future::pending;
use std::time::Duration;

use bgtask_transfer::{End, Folder, Kind, Order, Phase, Settings, carry};
use flawed::{Content, Flaw, Seen, Server};

const FILM: Content = Content { len: 3_000_001, seed: 7 };

/// The film, its order and the server that it is for.
struct Stage {
    _temp: tempfile::TempDir,
    server: Server,
    folder: Folder,
    order: Order,
}

impl Stage {
    fn set(resumable: bool) -> Self {
        let temp = tempfile::tempdir().expect("a folder");
        let server = Server::start(FILM);
        let file = temp.path().join("film.mkv");
        std::fs::write(&file, FILM.bytes()).expect("the film");
        let order = Order::new(Kind::Upload, "org.example.Photos", server.uri("/film.mkv"), &file);
        let order = Order { resumable, ..order };
        let folder = Folder::new(temp.path().join("state"));
        folder.put(&order).expect("it is kept");
        Self { _temp: temp, server, folder, order }
    }

    async fn carries(&self, patience: u32) -> End {
        let (pause, stall) = (Duration::from_millis(1), Duration::from_secs(1));
        let settings = Settings { pause, stall, patience, ..Settings::default() };
        let end = carry(&self.order, &self.folder, &settings, &mut |_| {}, pending()).await;
        assert!(self.order.file.exists(), "what is given stays");
        end
    }

    /// What it has asked: methods and where it went on.
    fn asked(&self) -> Vec<String> {
        let seen = self.server.seen();
        let word = |seen: &Seen| {
            let method = seen.line.split(' ').next().unwrap_or_default().to_owned();
            seen.header("upload-offset").map_or(method.clone(), |offset| format!("{method} {offset}"))
        };
        seen.iter().map(word).collect()
    }
}

async fn upload(flaws: impl IntoIterator<Item = Flaw>) -> (Vec<Seen>, Phase, End) {
    let stage = Stage::set(false);
    stage.server.flaws(flaws);
    let end = stage.carries(6).await;
    (stage.server.seen(), stage.folder.state(stage.order.id).expect("its state").phase, end)
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

/// By tus 1.0: over breaks and over lives of the worker the server is given only what it has not got.
#[tokio::test]
async fn a_resumable_upload_goes_on_where_it_broke() {
    let stage = Stage::set(true);
    stage.server.flaws([Flaw::None, Flaw::CutAfter(1_000_000)]);
    assert!(matches!(stage.carries(1).await, End::Later(_)), "this worker does not try again");
    stage.server.flaws([Flaw::None, Flaw::CutAfter(500_000)]);
    assert_eq!(stage.carries(6).await, End::Completed);
    assert_eq!(stage.asked(), ["POST", "HEAD", "HEAD", "PATCH 1500000"], "what was cut was not seen");
    assert_eq!(stage.server.kept(), Some(FILM.len));
    let seen = stage.server.seen().pop().unwrap();
    assert!(seen.line.starts_with("PATCH /the-place ") && seen.body_is_right, "{seen:?}");
    assert_eq!(seen.header("content-type"), Some("application/offset+octet-stream"));
}

/// Whoever has no beginning of this very file any more gets all of it.
#[tokio::test]
async fn a_resumable_upload_begins_anew_where_nothing_is_left_to_go_on_with() {
    for file_changes in [false, true] {
        let stage = Stage::set(true);
        stage.server.flaws([Flaw::None, Flaw::CutAfter(1_000_000)]);
        assert!(matches!(stage.carries(1).await, End::Later(_)));
        if file_changes {
            let file = std::fs::File::options().append(true).open(&stage.order.file).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(7)).unwrap();
        } else {
            stage.server.forgets();
        }
        assert_eq!(stage.carries(6).await, End::Completed);
        assert_eq!(stage.asked().last().unwrap(), "PATCH 0");
        assert_eq!(stage.server.kept(), Some(FILM.len));
        assert_eq!(stage.folder.state(stage.order.id).unwrap().restarts, 1);
    }
}

/// A server that takes whatever comes, and one that holds the place for the connection that broke.
#[tokio::test]
async fn a_server_that_does_not_speak_tus_is_told_apart_from_one_that_is_busy() {
    let stage = Stage::set(true);
    stage.server.flaws([Flaw::Status(200, None)]);
    let end = stage.carries(6).await;
    assert!(matches!(&end, End::Failed(why) if why.contains("does not speak tus 1.0")), "{end:?}");
    let stage = Stage::set(true);
    stage.server.flaws([Flaw::None, Flaw::CutAfter(9), Flaw::Status(423, None), Flaw::Status(503, None)]);
    assert_eq!(stage.carries(6).await, End::Completed);
    assert_eq!(stage.asked(), ["POST", "HEAD", "HEAD", "HEAD", "PATCH 9"]);
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
