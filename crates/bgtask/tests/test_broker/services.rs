//! App services in the test's own process (HO-6, NEI-1 to NEI-3): the caller is the test.

use std::sync::{Arc, Mutex};

use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask::testing::TestBroker;
use bgtask::{
    AppServiceClosedStatus, AppServiceConnectionStatus as Status, BackgroundTaskCancellationReason as Reason, ValueSet,
};

use crate::sample::seconds;

const PHOTOS: &str = r#"
    app = { id = "org.example.Photos", version = "1" }
    task = [{ entry_point = "Services.Count", executable = "photos-tasks", types = ["general"] }]
    app_service = [{ name = "count", entry_point = "Services.Count", allow = ["*"] }]
"#;

/// Counts what it is asked, and remembers why it was told to stop.
#[derive(Clone, Default)]
struct Count(Arc<Mutex<Vec<Option<Reason>>>>);

impl BackgroundTask for Count {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let details = instance.app_service()?;
        let mut asked = 0_u32;
        while let Some(request) = details.connection().next_request().await {
            asked += 1;
            let caller = details.caller_app_id().unwrap_or("nobody");
            request.send_response(&ValueSet::from([(caller, asked)]))?;
        }
        self.0.lock().unwrap().push(instance.cancellation_reason());
        Ok(())
    }
}

fn broker() -> (TestBroker, String, Count) {
    let mut broker = TestBroker::new();
    let app = broker.install(PHOTOS).unwrap();
    let count = Count::default();
    broker.implement(Host::new().entry_point("Services.Count", count.clone()));
    (broker, app, count)
}

#[tokio::test(start_paused = true)]
async fn ho_6_each_connection_has_an_instance_of_its_own_that_ends_with_its_caller() {
    let (mut broker, app, count) = broker();
    let mail = broker.open_app_service(Some("org.example.Mail"), &app, "count").await.unwrap();
    let script = broker.open_app_service(None, &app, "count").await.unwrap();
    for (connection, caller) in [(&mail, "org.example.Mail"), (&script, "nobody")] {
        for asked in 1..=3_u32 {
            let answer = connection.send_message(&ValueSet::new()).await.unwrap();
            assert_eq!(answer.get::<u32>(caller), Ok(Some(asked)));
        }
    }
    drop(mail);
    broker.advance(seconds(1)).await;
    assert_eq!(count.0.lock().unwrap().len(), 1, "the other is still served");
    let answer = script.send_message(&ValueSet::new()).await.unwrap();
    assert_eq!(answer.get::<u32>("nobody"), Ok(Some(4)));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_there_or_denied_says_so() {
    let (mut broker, app, _) = broker();
    let status = async |broker: &mut TestBroker, app: &str, service: &str| {
        broker.open_app_service(None, app, service).await.unwrap_err().status()
    };
    assert_eq!(status(&mut broker, "org.example.Nobody", "count").await, Status::AppNotInstalled);
    assert_eq!(status(&mut broker, &app, "weigh").await, Status::AppServiceUnavailable);
    broker.crash();
    assert_eq!(status(&mut broker, &app, "count").await, Status::Unknown);
}

/// NEI-3: a connection does not outlive its broker, and the caller is told.
#[tokio::test(start_paused = true)]
async fn nei_3_a_connection_ends_with_its_broker() {
    let (mut broker, app, count) = broker();
    let mail = broker.open_app_service(Some("org.example.Mail"), &app, "count").await.unwrap();
    mail.send_message(&ValueSet::new()).await.unwrap();
    broker.crash();
    broker.advance(seconds(1)).await;
    assert_eq!(*count.0.lock().unwrap(), [Some(Reason::SystemPolicy)]);
    assert_eq!(mail.closed().await, AppServiceClosedStatus::Canceled);
}
