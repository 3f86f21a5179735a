//! Fifty processes of one app register and unregister at the same time.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::Stdio;

use super::{own_copy, program};
use crate::harness::{Home, New, SAMPLE, User, eventually, eventually_now};

const PROCESSES: usize = 50;

/// As many as fifty may have at the same time.
const EACH: usize = 20;

/// RE-5: what was answered is what the store holds, exactly: every registration that stays, none that was taken away, none twice.
#[tokio::test]
async fn fifty_processes_at_once() {
    let home = Home::new();
    let (app, results) = (own_copy(&home), home.root("results"));
    fs::create_dir_all(&results).unwrap();
    let task = "[[task]]\nentry_point = \"Tasks.Quick\"\ntypes = [\"systemEvent\"]\n";
    let manifest = format!("[app]\nid = {SAMPLE:?}\nversion = \"1\"\nexecutable = {app:?}\n{task}");
    fs::write(home.manifest(SAMPLE), manifest).unwrap();
    let broker = home.start().await;
    let mut crowd: Vec<_> = (0..PROCESSES)
        .map(|number| {
            let mut member = program(&app, "crowd::one_of_many");
            member.env("SOCKET", home.socket()).env("RESULT", results.join(number.to_string()));
            member.stdin(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let connected = || results.read_dir().unwrap().count() == PROCESSES;
    eventually("all of them are connected", async || connected().then_some(())).await;
    // The end of their input lets them go.
    crowd.iter_mut().for_each(|member| drop(member.stdin.take()));
    for mut member in crowd {
        let ended = eventually_now("every process ends", || member.try_wait().unwrap());
        assert!(ended.success(), "{ended}");
    }

    let answered = (0..PROCESSES).map(|number| fs::read_to_string(results.join(number.to_string())).unwrap());
    let words: Vec<_> = answered.collect::<Vec<_>>().join("").lines().map(str::to_owned).collect();
    let of =
        |kind: &str| words.iter().filter_map(|line| line.strip_prefix(kind).map(str::to_owned)).collect::<Vec<_>>();
    let (kept, gone) = (of("kept "), of("gone "));
    assert_eq!((kept.len(), gone.len()), (PROCESSES * EACH / 2, PROCESSES * EACH / 2));
    let kept: BTreeSet<_> = kept.into_iter().collect();
    assert_eq!(kept.len(), PROCESSES * EACH / 2, "every id is given once");
    assert_eq!(held(&broker.user().await).await, kept);

    broker.kill();
    let broker = home.start().await;
    let user = broker.user().await;
    assert_eq!(held(&user).await, kept, "what was answered was durable");
    for task in gone.iter().step_by(50) {
        assert_eq!(user.words(task).await, "registered unregistered");
    }
}

async fn held(user: &User) -> BTreeSet<String> {
    let listed = user.broker.list_tasks(SAMPLE).await.unwrap();
    let ids: BTreeSet<_> = listed.iter().map(|task| task.id.clone()).collect();
    assert_eq!(ids.len(), listed.len(), "nothing is listed twice");
    ids
}

#[tokio::test]
#[ignore = "not a test: the program of another test"]
async fn one_of_many() {
    let (Some(socket), Some(result)) = (std::env::var_os("SOCKET"), std::env::var_os("RESULT")) else { return };
    let user = User::connect(&PathBuf::from(socket)).await.unwrap();
    user.broker.list_tasks("").await.unwrap();
    fs::write(&result, "").unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let mut words = String::new();
    for number in 0..EACH {
        let task = user.register(New::default()).await.unwrap();
        if number % 2 == 0 {
            user.broker.unregister(&task, false).await.unwrap();
            words += &format!("gone {task}\n");
        } else {
            words += &format!("kept {task}\n");
        }
    }
    fs::write(&result, words).unwrap();
}
