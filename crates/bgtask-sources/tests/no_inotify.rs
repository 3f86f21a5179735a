//! A process that may open no more files. Its limit is its own, so this test has a process to itself.

mod common;

use std::fs;
use std::time::Duration;

use bgtask_sources::{PathEvents, PathReport, PathSpec, Status, World, watch_path};
use common::{DEADLINE, pass};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::mpsc;
use tokio::time::timeout;

#[tokio::test]
async fn without_an_inotify_instance_a_path_watch_is_missing_until_there_is_one() {
    let root = tempfile::tempdir().unwrap();
    let world = World::new(root.path());
    let limit = getrlimit(Resource::Nofile);
    // What is open stays open.
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..limit }).unwrap();
    let (sender, mut reports) = mpsc::channel(4);
    let spec = PathSpec { path: "/".into(), recursive: true, on: PathEvents::default(), settle: Duration::ZERO };
    let _watching = watch_path(1, spec, &world, sender);
    let mut next = async || timeout(DEADLINE, reports.recv()).await.expect("it says nothing").unwrap().1;
    let PathReport::Status(Status::Missing { why, help }) = next().await else { panic!("must be missing") };
    assert!(why.starts_with("the kernel gives no inotify instance: Too many open files"), "{why}");
    assert!(help.contains("raise fs.inotify.max_user_instances"), "{help}");
    setrlimit(Resource::Nofile, limit).unwrap();
    pass(Duration::from_secs(30)).await;
    assert_eq!(next().await, PathReport::Status(Status::Available { how: "inotify".into() }));
    fs::write(root.path().join("file"), "").unwrap();
    assert!(matches!(next().await, PathReport::Burst(_)));
}
