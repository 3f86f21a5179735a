//! The broker: asked when the model wants to know, heard when something happens, found again when it was away.

use std::num::NonZeroUsize;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use bgtask_log::{Follower, Logs, Query};
use bgtask_wire::{BROKER_INTERFACE, BrokerProxy, ErrorKind, HistoryInfo, HistoryQuery};
use futures_util::StreamExt as _;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::task::JoinSet;
use zbus::message::Type;
use zbus::{MatchRule, Message, MessageStream};

use crate::message::{Ask, Deed, News};
use crate::model::{MAX_HISTORY, MAX_LOG, MAX_PAST};

/// Opens a connection to the broker; the error is for people.
pub type Reconnect =
    Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<BrokerProxy<'static>, String>> + Send>> + Send + Sync>;

/// How many signals may wait while one is taken.
const MAX_QUEUED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();
/// Most lines the broker answers with at once.
const PAGE: u32 = 1000;
/// How long a broker that is gone is left alone before it is looked for again.
const RETRY: Duration = Duration::from_secs(1);
/// Least time between two readings of what changed: a flood of events is not answered with a flood of questions.
const PACE: Duration = Duration::from_millis(100);

/// Serves the model until it is gone.
pub(crate) async fn serve(
    first: BrokerProxy<'static>,
    reconnect: Reconnect,
    mut asks: Receiver<Ask>,
    news: Sender<News>,
) {
    let mut broker = first;
    loop {
        let Some(why) = session(&broker, &mut asks, &news).await else { return };
        let mut why = why;
        broker = loop {
            if news.send(News::Lost(why)).await.is_err() {
                return;
            }
            tokio::time::sleep(RETRY).await;
            match reconnect().await {
                Ok(broker) => break broker,
                Err(error) => why = error,
            }
        };
        // What was asked of the broker that is gone is asked again.
        while asks.try_recv().is_ok() {}
    }
}

/// One connection; answers why it ended, or nothing when nobody asks any more.
async fn session(broker: &BrokerProxy<'static>, asks: &mut Receiver<Ask>, news: &Sender<News>) -> Option<String> {
    let mut signals = match listen(broker).await {
        Ok(signals) => signals,
        Err(error) => return Some(words(error)),
    };
    news.send(News::Connected).await.ok()?;
    let mut answers = JoinSet::new();
    let mut follower = None;
    loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Some(Ok(signal)) => if let Some(heard) = heard(&signal) {
                    news.send(heard).await.ok()?;
                },
                Some(Err(error)) => return Some(words(error)),
                None => return Some("the broker ended".to_owned()),
            },
            ask = asks.recv() => match ask? {
                Ask::Log(task, file) => follower = follow(task, file.as_deref()),
                ask => drop(answers.spawn(answer(broker.clone(), ask, news.clone()))),
            },
            lines = written(&mut follower) => news.send(lines).await.ok()?,
            Some(_answered) = answers.join_next() => {}
        }
    }
}

/// In this order nothing that happens before the tasks are listed is missed.
async fn listen(broker: &BrokerProxy<'static>) -> zbus::Result<MessageStream> {
    let rule = MatchRule::builder().msg_type(Type::Signal).interface(BROKER_INTERFACE).build()?;
    let signals = MessageStream::for_match_rule(rule, broker.inner().connection(), Some(MAX_QUEUED)).await?;
    broker.watch("").await?;
    Ok(signals)
}

fn heard(signal: &Message) -> Option<News> {
    match signal.header().member()?.as_str() {
        "Event" => signal.body().deserialize().ok().map(News::Event),
        "Progressed" => signal.body().deserialize().ok().map(News::Progressed),
        _ => None,
    }
}

async fn answer(broker: BrokerProxy<'static>, ask: Ask, news: Sender<News>) {
    let said = said(&broker, ask.clone()).await.unwrap_or_else(|error| News::Refused(ask, words(error)));
    // The screen was left meanwhile.
    let _left = news.send(said).await;
}

async fn said(broker: &BrokerProxy<'static>, ask: Ask) -> zbus::Result<News> {
    Ok(match ask {
        Ask::Tasks => News::Tasks(broker.list_tasks("").await?),
        Ask::Refresh(ids) => {
            let mut some = Vec::with_capacity(ids.len());
            for id in ids {
                let task = known(broker.get_task(&id).await)?;
                some.push((id, task));
            }
            tokio::time::sleep(PACE).await;
            News::Refreshed(some)
        }
        Ask::Why(task) => {
            let why = known(broker.why(&task).await)?;
            News::Why(task, why)
        }
        Ask::History(task) => {
            let query = HistoryQuery { task: Some(task.clone()), ..HistoryQuery::default() };
            News::History(task, pages(broker, query, MAX_HISTORY).await?)
        }
        Ask::Past(since) => {
            let query = HistoryQuery { since: Some(since), ..HistoryQuery::default() };
            News::Past(pages(broker, query, MAX_PAST).await?)
        }
        Ask::Apps => News::Apps(broker.list_apps().await?),
        Ask::Sources => News::Sources(broker.list_sources().await?),
        Ask::Do(deed) => News::Done(done(broker, deed).await?),
        Ask::Log(..) => unreachable!("the session follows the log itself"),
    })
}

async fn done(broker: &BrokerProxy<'static>, deed: Deed) -> zbus::Result<String> {
    Ok(match deed {
        Deed::Run { task, name } => {
            broker.run_now(&task, false).await?;
            format!("{name}: runs now")
        }
        Deed::Pause { task, name, paused } => {
            broker.set_paused(&task, paused).await?;
            format!("{name}: {}", if paused { "paused, it does not fire" } else { "fires again" })
        }
        Deed::Cancel { task, name } => match broker.cancel(&task).await? {
            0 => format!("{name}: nothing of it runs or waits"),
            _ => format!("{name}: told to stop"),
        },
        Deed::Access { app, setting } => {
            broker.set_access(&app, setting).await?;
            format!("{app}: {setting}")
        }
    })
}

/// The last lines of a query, oldest first, in as many calls as it takes.
async fn pages(broker: &BrokerProxy<'static>, query: HistoryQuery, most: usize) -> zbus::Result<Vec<HistoryInfo>> {
    let (mut pages, mut before, mut count) = (Vec::new(), None, 0);
    while count < most {
        let page = broker.history(HistoryQuery { before, limit: Some(PAGE), ..query.clone() }).await?;
        before = page.first().map(|line| line.sequence);
        count += page.len();
        if page.is_empty() {
            break;
        }
        pages.push(page);
    }
    Ok(pages.into_iter().rev().flatten().collect())
}

/// A task that is gone is an answer too.
fn known<T>(answer: zbus::Result<T>) -> zbus::Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error @ zbus::Error::InputOutput(_)) => Err(error),
        Err(error) => match bgtask_wire::Error::from(error.clone()).kind {
            ErrorKind::UnknownTask => Ok(None),
            _ => Err(error),
        },
    }
}

fn follow(task: String, file: Option<&str>) -> Option<(String, Follower)> {
    let file = Path::new(file?);
    let (parent, name) = (file.parent()?, file.file_stem()?.to_str()?);
    let query = Query { last: Some(MAX_LOG), ..Query::default() };
    let follower = Logs::open(parent).and_then(|logs| logs.follow(name, query)).ok()?;
    Some((task, follower))
}

/// The next lines of the log that is followed; never, where none is or it can no longer be read.
async fn written(follower: &mut Option<(String, Follower)>) -> News {
    if let Some((task, lines)) = follower
        && let Ok(lines) = lines.next().await
    {
        return News::Log(task.clone(), lines);
    }
    *follower = None;
    std::future::pending().await
}

fn words(error: zbus::Error) -> String {
    match &error {
        zbus::Error::InputOutput(cause) => format!("the connection to the broker was lost: {cause}"),
        _ => bgtask_wire::Error::from(error).message,
    }
}
