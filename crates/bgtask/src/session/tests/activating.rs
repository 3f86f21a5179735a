//! Tasks that run in the app, over its own connection (BLD-9).

use bgtask_wire::{CancelInfo, HostCall, HostSignal, InstanceInfo};

use super::*;
use crate::BackgroundTaskCancellationReason as Reason;
use crate::core_application::{BackgroundActivatedEventArgs, entry};
use crate::host::{CANCEL_GRACE, MAX_INSTANCES, TaskError, TaskInstance};
use crate::session::activate::MAX_WAITING_CALLS;

impl Client {
    async fn activating(listener: &UnixListener) -> Self {
        let mut client = Self::accept(listener).await;
        client.activates = true;
        client.attach().await;
        client
    }

    /// Has the app run an activation and answers which.
    async fn run(&self) -> String {
        let instance = InstanceId::new().to_string();
        let info = InstanceInfo {
            instance: instance.clone(),
            task: TaskId::new().to_string(),
            name: "Name".into(),
            entry_point: String::new(),
            class_id: None,
            group: None,
            trigger: "ApplicationTrigger".into(),
            trigger_type: String::new(),
            event_id: None,
            trigger_details: Default::default(),
            fired_at: 0,
            fired_count: 1,
            attempt: 1,
            budget: 600_000_000,
            throttled_cpu: None,
            throttled_network: None,
            socket: None,
        };
        self.connection.send(&HostCall::Run(Box::new(info)).message().unwrap()).await.unwrap();
        instance
    }

    async fn cancel(&self, instance: &str, reason: Reason) {
        let info = CancelInfo { budget: 600_000_000, used: 1, grace: 5_000_000 };
        let call = HostCall::Cancel { instance: instance.into(), reason: reason.number(), info };
        self.connection.send(&call.message().unwrap()).await.unwrap();
    }

    /// The next word of an activation: a signal, or what its run ended with.
    async fn hears(&mut self) -> Result<HostSignal, Result<(), String>> {
        let message = self.messages.next().await.unwrap().unwrap();
        match message.message_type() {
            Type::Signal => Ok(HostSignal::read(&message).unwrap()),
            Type::MethodReturn => Err(Ok(())),
            _ => Err(Err(WireError::from(zbus::Error::from(message)).message)),
        }
    }

    async fn hears_started(&mut self, instance: &str) {
        assert_eq!(self.hears().await, Ok(HostSignal::Started(instance.into())));
    }
}

/// Sets the app's handler.
fn handle<R>(session: &Session, handler: impl Fn(TaskInstance) -> R + Send + Sync + 'static)
where
    R: Future<Output = Result<(), TaskError>> + Send + 'static,
{
    let handler = move |args: BackgroundActivatedEventArgs| handler(args.task_instance().clone());
    session.on_activated(None, entry(handler));
}

#[tokio::test]
async fn an_app_that_runs_is_activated_where_it_is() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    handle(&session, async |instance: TaskInstance| {
        // What a component's task has, this one has: progress, deferrals, cancel notices, the app's data folder.
        let deferral = instance.deferral();
        instance.progress(1);
        let reason = instance.cancelled().await;
        instance.progress(2);
        deferral.complete();
        instance.local_settings()?.set(instance.task().name(), "stopped")?;
        Err(format!("stopped: {reason}").into())
    });
    let mut client = Client::accept(&listener).await;
    (client.activates, client.data_dir) = (true, place.folder.path().to_owned());
    client.attach().await;
    let (one, other) = (client.run().await, client.run().await);
    let mut began = [client.hears().await, client.hears().await, client.hears().await, client.hears().await];
    began.sort_by_key(|heard| format!("{heard:?}"));
    let progress = |instance: &str, value| Ok(HostSignal::Progress(instance.to_owned(), value));
    let started = |instance: &str| Ok(HostSignal::Started(instance.to_owned()));
    let mut expected = [started(&one), started(&other), progress(&one, 1), progress(&other, 1)];
    expected.sort_by_key(|heard| format!("{heard:?}"));
    assert_eq!(began, expected, "side by side");

    for (instance, reason) in [(&other, Reason::Abort), (&one, Reason::ConditionLoss)] {
        client.cancel(instance, reason).await;
        assert_eq!(client.hears().await, progress(instance, 2));
        assert_eq!(client.hears().await, Err(Err(format!("stopped: {reason}"))));
    }
    let settings = crate::ApplicationDataContainer::open(place.folder.path()).unwrap();
    assert_eq!(settings.get::<String>("Name").unwrap().as_deref(), Some("stopped"));
}

/// Events and calls go on beside activations, on the same connection.
#[tokio::test]
async fn a_handler_may_use_the_session() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let own = Arc::downgrade(&session);
    handle(&session, move |_| {
        let session = own.upgrade().expect("it lives");
        async move {
            session.raise("org.example.Event").await?;
            Ok(())
        }
    });
    let mut client = Client::activating(&listener).await;
    let instance = client.run().await;
    client.hears_started(&instance).await;
    let (call, message) = client.call().await;
    assert!(matches!(call, Call::Raise(_)));
    client.answer(&message, &1_u32).await;
    assert_eq!(client.hears().await, Err(Ok(())));
}

/// A process without a handler is not activated: one that only lists, beside the one that runs things.
#[tokio::test]
async fn an_app_offers_to_run_tasks_once_it_has_a_handler() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let (info, mut client) = tokio::join!(session.info(), Client::attached(&listener));
    info.unwrap();
    handle(&session, async |_| Ok(()));
    client.activates = true;
    client.attach().await;
    let instance = client.run().await;
    client.hears_started(&instance).await;
    assert_eq!(client.hears().await, Err(Ok(())));
    // A second handler changes nothing for the broker, and a broker that comes back hears of the offer at once.
    handle(&session, async |_| Err("the second".into()));
    drop((client, listener));
    let listener = place.listen();
    let mut client = Client::accept(&listener).await;
    client.activates = true;
    client.attach().await;
    let instance = client.run().await;
    client.hears_started(&instance).await;
    assert_eq!(client.hears().await, Err(Err("the second".into())));
}

#[tokio::test]
async fn an_offer_may_be_refused() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let (info, mut client) = tokio::join!(session.info(), Client::attached(&listener));
    info.unwrap();
    handle(&session, async |_| Ok(()));
    let (_, message) = client.call().await;
    client.refuse(&message, ErrorKind::AccessDenied).await;
    assert!(
        client.messages.next().await.is_none_or(|message| message.is_err()),
        "it hangs up, and says why at the next call"
    );
}

/// D7: a broker that went away may run the activation again, in this very process: the old attempt has to have ended.
#[tokio::test]
async fn what_runs_ends_before_a_new_broker_runs_anything() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let (tell, mut told) = unbounded_channel();
    handle(&session, move |instance: TaskInstance| {
        let tell = tell.clone();
        async move {
            let deferral = instance.deferral();
            tell.send("begins".to_owned())?;
            let reason = instance.cancelled().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            tell.send(format!("ends with {reason}"))?;
            deferral.complete();
            Ok(())
        }
    });
    let mut client = Client::activating(&listener).await;
    let instance = client.run().await;
    client.hears_started(&instance).await;
    assert_eq!(told.recv().await.unwrap(), "begins");
    drop((client, listener));

    let listener = place.listen();
    let mut client = Client::activating(&listener).await;
    let instance = client.run().await;
    client.hears_started(&instance).await;
    assert_eq!(told.recv().await.unwrap(), "ends with SystemPolicy");
    assert_eq!(told.recv().await.unwrap(), "begins");
}

#[tokio::test]
async fn what_does_not_end_is_dropped_when_its_grace_is_over() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    handle(&session, async |_| std::future::pending().await);
    let mut client = Client::activating(&listener).await;
    let instance = client.run().await;
    client.hears_started(&instance).await;
    drop((client, listener));
    let begun = Instant::now();
    let listener = place.listen();
    let mut client = Client::activating(&listener).await;
    let instance = client.run().await;
    tokio::time::pause();
    client.hears_started(&instance).await;
    assert!(begun.elapsed() >= CANCEL_GRACE, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_app_runs_no_more_instances_than_its_bound_and_loses_no_call() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    handle(&session, async |_| std::future::pending().await);
    let mut client = Client::activating(&listener).await;
    let calls = 2 * MAX_WAITING_CALLS;
    for _ in 0..calls {
        client.run().await;
    }
    let (mut started, mut refused) = (0, 0);
    while started + refused < calls {
        match client.hears().await {
            Ok(_) => started += 1,
            Err(Err(text)) if text.contains("instances already") => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(started, MAX_INSTANCES);
}

/// D4: two processes of one app each have a connection and hear of everything.
#[tokio::test]
async fn several_processes_of_an_app_hear_of_the_same_completion() {
    let place = Place::new();
    let (listener, one, other) = (place.listen(), place.session(), place.session());
    let (task, instance) = (TaskId::new(), InstanceId::new());
    let mut told = [listen(&registration(&one, task)), listen(&registration(&other, task))];
    let mut clients = [Client::attached(&listener).await, Client::attached(&listener).await];
    for client in &clients {
        client.completed(1, task, instance, true).await;
    }
    for (client, told) in clients.iter_mut().zip(&mut told) {
        assert_eq!(told.recv().await, Some(instance));
        assert_eq!(client.hears_acknowledgement().await, 1);
    }
}
