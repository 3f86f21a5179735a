//! What an app asks for: each call as the broker gets it, each answer as the app gets it.

use super::*;

#[tokio::test]
async fn tasks_are_listed_oldest_first_and_readable() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let broker = async {
        let mut client = Client::attached(&listener).await;
        let (call, message) = client.call().await;
        assert!(matches!(call, Call::ListTasks(app) if app.is_empty()));
        let mut unknown = task_info("new", 2);
        unknown.trigger = "TriggerOfALaterVersion".into();
        client.answer(&message, &vec![unknown, task_info("old", 1)]).await;
    };
    let (tasks, ()) = tokio::join!(session.all_tasks(), broker);
    let tasks = tasks.unwrap();
    assert_eq!(tasks.iter().map(|task| task.name()).collect::<Vec<_>>(), ["old", "new"]);
    assert_eq!(tasks[0].trigger(), Some(&Trigger::System(SystemTrigger::new(SystemTriggerType::TimeZoneChange, true))));
    assert_eq!(tasks[0].conditions(), [SystemCondition::new(SystemConditionType::UserPresent)]);
    assert_eq!(tasks[0].task_entry_point(), "Tasks.Example");
    assert!(tasks[0].cancel_on_condition_loss() && !tasks[0].is_network_requested());
    assert_eq!(tasks[1].trigger(), None, "REG-2");
}

#[tokio::test]
async fn a_task_is_registered_and_taken_away() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let id = TaskId::new();
    let broker = async {
        let mut client = Client::attached(&listener).await;
        let (call, message) = client.call().await;
        let Call::Register(register) = call else { panic!("{call:?}") };
        let Registering { app, name, entry_point, trigger, conditions, options } = *register;
        assert_eq!((app.as_str(), name.as_str(), entry_point.as_str()), ("", "Name", "Tasks.Example"));
        assert_eq!(trigger.class, "SystemTrigger");
        assert_eq!(String::try_from(trigger.properties["type"].try_clone().unwrap()).unwrap(), "TimeZoneChange");
        assert!(bool::try_from(trigger.properties["one_shot"].try_clone().unwrap()).unwrap());
        assert_eq!(conditions, ["UserPresent", "InternetAvailable"]);
        assert_eq!((options.cancel_on_condition_loss, options.is_network_requested), (Some(true), Some(false)));
        client.answer(&message, &id.to_string()).await;

        let (call, message) = client.call().await;
        assert!(matches!(call, Call::Unregister(task, true) if task == id.to_string()));
        client.answer(&message, &()).await;
        let (_, message) = client.call().await;
        client.refuse(&message, ErrorKind::UnknownTask).await;
    };
    let app = async {
        let builder = BackgroundTaskBuilder::new()
            .name("Name")
            .task_entry_point("Tasks.Example")
            .trigger(SystemTrigger::new(SystemTriggerType::TimeZoneChange, true))
            .condition(SystemCondition::new(SystemConditionType::UserPresent))
            .condition(SystemCondition::new(SystemConditionType::InternetAvailable))
            .cancel_on_condition_loss(true);
        let task = session.register(&builder).await.unwrap();
        assert_eq!((task.task_id(), task.name()), (id, "Name"));
        task.unregister(true).await.unwrap();
        assert!(task.unregister(false).await.unwrap_err().is_unknown_task());
    };
    tokio::join!(app, broker);
    let error = session.register(&BackgroundTaskBuilder::new().name("Name")).await.unwrap_err();
    assert!(error.is_invalid_argument() && error.to_string().contains("no trigger"), "BLD-1: {error}");
}

#[tokio::test]
async fn access_is_asked_for_and_given_back() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let broker = async {
        let mut client = Client::attached(&listener).await;
        for status in [5_u32, 7, 42] {
            let (_, message) = client.call().await;
            client.answer(&message, &status).await;
        }
        let (call, message) = client.call().await;
        assert!(matches!(call, Call::RemoveAccess(app, application) if app.is_empty() && application.is_empty()));
        client.answer(&message, &()).await;
    };
    let app = async {
        assert_eq!(session.info().await.unwrap().data_dir, "/data");
        let status = session.request_access("").await.unwrap();
        assert_eq!(status, BackgroundAccessStatus::AllowedSubjectToSystemPolicy);
        assert_eq!(session.access_status("", false).await.unwrap(), BackgroundAccessStatus::DeniedByUser);
        assert!(session.access_status("", false).await.unwrap_err().to_string().contains("42"));
        session.remove_access("").await.unwrap();
    };
    tokio::join!(app, broker);
}

/// Every property of every trigger goes to the broker and comes back (TR-5).
#[tokio::test]
async fn every_trigger_goes_and_comes_back() {
    let text = |value: &OwnedVariant| value.to_string();
    let wire = |trigger: &Trigger| {
        let (class, properties) = trigger.to_wire().unwrap();
        let mut properties: Vec<_> = properties.iter().map(|(name, value)| format!("{name} {}", text(value))).collect();
        properties.sort();
        format!("{class} {}", properties.join(", "))
    };
    let event = CustomSystemEventTrigger::new("org.example.Event", CustomSystemEventTriggerRecurrence::Once);
    let base = |trigger: &str| TaskInfo { trigger: trigger.into(), trigger_type: String::new(), ..task_info("", 0) };
    let cases: [(Trigger, &str, TaskInfo); 6] = [
        (
            SystemTrigger::new(SystemTriggerType::TimeZoneChange, true).into(),
            "SystemTrigger one_shot true, type \"TimeZoneChange\"",
            task_info("", 0),
        ),
        (
            TimeTrigger::new(15, true).into(),
            "TimeTrigger freshness uint32 15, one_shot true",
            TaskInfo { freshness: Some(15), ..base("TimeTrigger") },
        ),
        (
            MaintenanceTrigger::new(60, true).into(),
            "MaintenanceTrigger freshness uint32 60, one_shot true",
            TaskInfo { freshness: Some(60), ..base("MaintenanceTrigger") },
        ),
        (ApplicationTrigger::new().into(), "ApplicationTrigger ", base("ApplicationTrigger")),
        (MediaProcessingTrigger::new().into(), "MediaProcessingTrigger ", base("MediaProcessingTrigger")),
        (
            (&event).into(),
            "CustomSystemEventTrigger id \"org.example.Event\", recurrence \"Once\"",
            TaskInfo {
                event_id: Some("org.example.Event".into()),
                recurrence: Some("Once".into()),
                ..base("CustomSystemEventTrigger")
            },
        ),
    ];
    for (trigger, sent, info) in cases {
        assert_eq!(wire(&trigger), sent);
        assert_eq!(Trigger::read(&info), Some(trigger), "{info:?}");
    }
    assert_eq!(Trigger::read(&base("TimeTrigger")), None, "REG-2");
}

/// BLD-9, BLD-11, GRP-2, D5.
#[tokio::test]
async fn a_task_is_registered_or_updated_with_its_group_and_class() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let (id, class) = (TaskId::new(), Uuid::from_u128(7));
    let broker = async {
        let mut client = Client::attached(&listener).await;
        // A lost connection is no trouble here.
        let (call, _) = client.call().await;
        assert!(matches!(call, Call::RegisterOrUpdate(_)));
        drop(client);
        let mut client = Client::attached(&listener).await;
        for update in ["registered", "unchanged", "replaced", "improved"] {
            let (call, message) = client.call().await;
            let Call::RegisterOrUpdate(register) = call else { panic!("{call:?}") };
            assert_eq!((register.name.as_str(), register.entry_point.as_str()), ("Name", ""));
            assert_eq!(register.options.class_id, Some(class.to_string()));
            assert_eq!(register.options.group.as_deref(), Some("org.example.group"));
            assert_eq!(register.options.group_name.as_deref(), Some("Example"));
            client.answer(&message, &(id.to_string(), update)).await;
        }
    };
    let app = async {
        let group = BackgroundTaskRegistrationGroup::of(&session, "org.example.group", "Example");
        let trigger = ApplicationTrigger::new();
        let builder = BackgroundTaskBuilder::new().name("Name").trigger(&trigger);
        let builder = builder.set_task_entry_point_clsid(class).task_group(&group);
        for expected in [RegistrationUpdate::Registered, RegistrationUpdate::Unchanged, RegistrationUpdate::Replaced] {
            let (task, update) = session.register_or_update(&builder).await.unwrap();
            assert_eq!((task.task_id(), update), (id, expected));
            assert_eq!((task.task_group(), task.task_entry_point_clsid()), (Some(&group), Some(class)));
        }
        let error = session.register_or_update(&builder).await.unwrap_err();
        assert!(error.to_string().contains("improved"), "{error}");
    };
    tokio::join!(app, broker);
    let error = session.register_or_update(&BackgroundTaskBuilder::new().name("Name")).await.unwrap_err();
    assert!(error.is_invalid_argument() && error.to_string().contains("no trigger"), "BLD-1: {error}");
}

fn grouped(name: &str, registered_at: i64, group: &str) -> TaskInfo {
    let named = format!("the group {group}");
    TaskInfo { group: Some(group.into()), group_name: Some(named), ..task_info(name, registered_at) }
}

/// BLD-22: what the builder's properties are when nobody set them.
#[tokio::test]
async fn what_is_not_set_is_off() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let broker = async {
        let mut client = Client::attached(&listener).await;
        let (call, message) = client.call().await;
        let Call::Register(register) = call else { panic!("{call:?}") };
        assert_eq!(register.conditions, Vec::<String>::new());
        let options = register.options;
        let flags = [options.cancel_on_condition_loss, options.is_network_requested];
        assert!(flags.iter().all(|flag| !flag.unwrap_or(false)));
        assert_eq!((options.group, options.group_name, options.class_id), (None, None, None));
        client.answer(&message, &TaskId::new().to_string()).await;
    };
    let app = async {
        let trigger = SystemTrigger::new(SystemTriggerType::TimeZoneChange, false);
        let builder = BackgroundTaskBuilder::new().name("Name").task_entry_point("Tasks.Example").trigger(trigger);
        session.register(&builder).await.unwrap();
    };
    tokio::join!(app, broker);
}

/// REG-1, GR-2, GR-3, GR-5, GRP-4.
#[tokio::test]
async fn grouped_tasks_are_listed_with_their_group_alone() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let class = Uuid::from_u128(7);
    let broker = async {
        let mut client = Client::attached(&listener).await;
        for _ in 0..4 {
            let (_, message) = client.call().await;
            let mut single = task_info("single", 3);
            single.class_id = Some(class.to_string());
            client
                .answer(&message, &vec![grouped("b", 2, "two"), grouped("a", 1, "one"), grouped("c", 4, "two"), single])
                .await;
        }
    };
    let app = async {
        let names =
            |tasks: Vec<BackgroundTaskRegistration>| tasks.iter().map(|it| it.name().to_owned()).collect::<Vec<_>>();
        let tasks = session.all_tasks().await.unwrap();
        assert_eq!((tasks[0].task_group(), tasks[0].task_entry_point_clsid()), (None, Some(class)));
        assert_eq!(names(tasks), ["single"]);
        let groups = session.all_task_groups().await.unwrap();
        let told: Vec<_> = groups.iter().map(|group| (group.id(), group.name())).collect();
        assert_eq!(told, [("one", "the group one"), ("two", "the group two")]);
        assert_eq!(names(groups[1].all_tasks().await.unwrap()), ["b", "c"]);
        let unknown = BackgroundTaskRegistrationGroup::of(&session, "three", "three");
        assert_eq!(unknown.all_tasks().await.unwrap(), [], "an empty group has an empty list");
    };
    tokio::join!(app, broker);
}

#[tokio::test]
async fn a_timer_says_when_it_is_due() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let task = registration(&session, TaskId::new());
    let broker = async {
        let mut client = Client::attached(&listener).await;
        for due in [Some(1_000_000), None] {
            let (call, message) = client.call().await;
            assert!(matches!(call, Call::GetTask(id) if id == task.task_id().to_string()));
            client.answer(&message, &TaskInfo { due, ..task_info("Name", 1) }).await;
        }
    };
    let app = async {
        assert_eq!(task.next_due().await.unwrap(), Some(std::time::UNIX_EPOCH + Duration::from_secs(1)));
        assert_eq!(task.next_due().await.unwrap(), None);
    };
    tokio::join!(app, broker);
}

/// ACC-15, ACC-18, ACC-19, ACC-21.
#[tokio::test]
async fn access_is_asked_for_by_kind_and_application() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let broker = async {
        let mut client = Client::attached(&listener).await;
        let (call, message) = client.call().await;
        assert!(matches!(call, Call::RequestAccess(_, application) if application == "Second"));
        client.answer(&message, &4_u32).await;
        for standby in [false, true] {
            let (call, message) = client.call().await;
            let Call::RequestAccessKind { kind, standby: asked, reason, .. } = call else { panic!("{call:?}") };
            assert_eq!((kind, asked, reason.as_str()), (1, standby, "to sync"));
            client.answer(&message, &standby).await;
        }
        let (call, message) = client.call().await;
        assert!(matches!(call, Call::GetAccessStatus { application, standby: true, .. } if application == "Second"));
        client.answer(&message, &6_u32).await;
    };
    let app = async {
        assert_eq!(session.request_access("Second").await.unwrap(), BackgroundAccessStatus::AlwaysAllowed);
        let kind = BackgroundAccessRequestKind::AllowedSubjectToSystemPolicy;
        assert!(!session.request_access_kind(kind, false, "to sync").await.unwrap());
        assert!(session.request_access_kind(kind, true, "to sync").await.unwrap());
        let status = session.access_status("Second", true).await.unwrap();
        assert_eq!(status, BackgroundAccessStatus::DeniedBySystemPolicy);
    };
    tokio::join!(app, broker);
}

/// Nobody knows how long a person takes.
#[tokio::test]
async fn the_answer_of_the_user_is_waited_for() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let broker = async {
        let mut client = Client::attached(&listener).await;
        let (_, message) = client.call().await;
        tokio::time::pause();
        tokio::time::sleep(CALL_TIMEOUT * 100).await;
        tokio::time::resume();
        client.answer(&message, &true).await;
        client
    };
    let kind = BackgroundAccessRequestKind::AlwaysAllowed;
    let (approved, _client) = tokio::join!(session.request_access_kind(kind, false, ""), broker);
    assert!(approved.unwrap());
}

/// REQ-1, REQ-4, SYS-6.
#[tokio::test]
async fn an_app_fires_its_own_trigger_and_raises_events() {
    let place = Place::new();
    let (listener, session) = (place.listen(), place.session());
    let arguments =
        ValueSet::from([("a", PropertyValue::from(Uuid::from_u128(1))), ("b", ValueSet::from([("c", 1)]).into())]);
    let broker = async {
        let mut client = Client::attached(&listener).await;
        let (call, message) = client.call().await;
        let Call::RequestTrigger { class, details, .. } = call else { panic!("{call:?}") };
        assert_eq!(class, "ApplicationTrigger");
        assert_eq!(ValueSet::from_wire(&details).unwrap(), arguments);
        client.answer(&message, &(1_u32, "it still runs")).await;

        let (call, message) = client.call().await;
        assert!(matches!(call, Call::Raise(event) if event == "org.example.Event"));
        client.answer(&message, &3_u32).await;

        let (_, message) = client.call().await;
        drop((client, message));
    };
    let app = async {
        let response = session.request_trigger("ApplicationTrigger", &arguments).await.unwrap();
        assert_eq!(response, (1, "it still runs".into()));
        assert_eq!(session.raise("org.example.Event").await.unwrap(), 3);
        let error = session.request_trigger("ApplicationTrigger", &arguments).await.unwrap_err();
        assert!(error.is_connection_lost(), "it is not fired twice: {error}");
    };
    tokio::join!(app, broker);
    let too_much = ValueSet::from([("a", vec![0_u8; crate::MAX_VALUE_SET_BYTES])]);
    let error = session.request_trigger("ApplicationTrigger", &too_much).await.unwrap_err();
    assert!(error.is_limit_reached(), "{error}");
}
