//! Both ends of a connection, without a broker.

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::*;
use crate::host::{BackgroundTask, TaskError, TaskInstance};
use crate::testing::TaskTest;
use crate::{BackgroundTaskCancellationReason as Reason, MAX_VALUE_SET_BYTES, ValueSet};
use AppServiceResponseStatus as Status;

const SERVICE: &str = "org.example.photos.resize";
const MAIL: &str = "org.example.Mail";

fn pair() -> (AppServiceConnection, AppServiceConnection) {
    let (one, other) = UnixStream::pair().expect("a pair");
    let end = |stream| AppServiceConnection::over(stream, None).expect("within a runtime");
    (end(one), end(other))
}

fn number(value: u32) -> ValueSet {
    ValueSet::from([("number", value)])
}

fn in_it(set: &ValueSet) -> u32 {
    set.get("number").expect("a number").expect("it is there")
}

/// Answers each message with the next number, until the connection is closed.
async fn count(end: &AppServiceConnection) -> u32 {
    let mut served = 0;
    while let Some(request) = end.next_request().await {
        let next = in_it(request.message()) + 1;
        request.send_response(&number(next)).expect("it is small");
        served += 1;
    }
    served
}

#[tokio::test]
async fn a_message_is_answered_and_both_ends_can_ask() {
    let (caller, task) = pair();
    let ask = async { assert_eq!(caller.send_message(&number(1)).await.map(|answer| in_it(&answer)), Ok(2)) };
    let asked_back = async {
        let request = caller.next_request().await.expect("the other end asks too");
        let value = in_it(request.message());
        request.send_response(&number(value * 10)).expect("it is small");
    };
    let serve = async {
        let request = task.next_request().await.expect("a message");
        assert_eq!(task.send_message(&number(7)).await.map(|answer| in_it(&answer)), Ok(70), "before it answers");
        request.send_response(&number(2)).expect("it is small");
    };
    tokio::join!(ask, asked_back, serve);
}

#[tokio::test]
async fn many_at_once_each_get_their_own_answer() {
    let (caller, task) = pair();
    let ask = async {
        let asked = (0..40).map(|it| {
            let caller = &caller;
            async move { caller.send_message(&number(it)).await }
        });
        let answers = futures_util::future::join_all(asked).await;
        let numbers: Vec<_> = answers.into_iter().map(|answer| in_it(&answer.expect("answered"))).collect();
        assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
        caller.close().await;
    };
    let ((), served) = tokio::join!(ask, count(&task));
    assert_eq!(served, 40);
}

/// NEI-2: an answer is optional, and who waits for one is told that there is none.
#[tokio::test]
async fn a_message_that_is_dropped_is_a_failure() {
    let (caller, task) = pair();
    let message = number(1);
    let (answer, ()) = tokio::join!(caller.send_message(&message), async { drop(task.next_request().await) });
    let failure = answer.expect_err("no answer");
    assert_eq!((failure.status(), failure.why()), (Status::Failure, "the message was taken and not answered"));
}

/// NEI-3: why a connection ended is known at the other end; without a word it is not.
#[tokio::test]
async fn an_end_says_why_it_closes() {
    for status in [AppServiceClosedStatus::Completed, AppServiceClosedStatus::Canceled] {
        let (caller, task) = pair();
        task.hold().close(status).await;
        assert_eq!(caller.closed().await, status);
        assert!(caller.next_request().await.is_none());
        let failure = caller.send_message(&number(1)).await.expect_err("nobody is there");
        assert_eq!(failure.status(), Status::Unknown);
        assert!(failure.why().contains(status.name()), "{failure}");
    }
    let (one, other) = UnixStream::pair().expect("a pair");
    let caller = AppServiceConnection::over(one, None).expect("within a runtime");
    drop(other);
    assert_eq!(caller.closed().await, AppServiceClosedStatus::Unknown);
}

/// What was sent before the end is read at the other.
#[tokio::test]
async fn an_answer_goes_out_before_the_end() {
    let (caller, task) = pair();
    let serve = async move {
        let request = task.next_request().await.expect("a message");
        request.send_response(&number(2)).expect("it is small");
    };
    let message = number(1);
    let (answer, ()) = tokio::join!(caller.send_message(&message), serve);
    assert_eq!(answer.map(|answer| in_it(&answer)), Ok(2));
    assert_eq!(caller.closed().await, AppServiceClosedStatus::Completed);
}

#[tokio::test]
async fn who_waits_when_the_connection_ends_is_told() {
    let (caller, task) = pair();
    let serve = async {
        let request = task.next_request().await.expect("a message");
        task.hold().close(AppServiceClosedStatus::ResourceLimitsExceeded).await;
        drop(request);
    };
    let message = number(1);
    let (answer, ()) = tokio::join!(caller.send_message(&message), serve);
    assert_eq!(answer.expect_err("no answer").status(), Status::Unknown);
}

#[tokio::test]
async fn the_largest_message_and_the_largest_answer() {
    let (caller, task) = pair();
    let of_bytes = |bytes: usize| ValueSet::from([("a", "x".repeat(bytes))]);
    let frame = 25;
    let largest = of_bytes(MAX_VALUE_SET_BYTES - frame);
    let too_large = of_bytes(MAX_VALUE_SET_BYTES - frame + 1);
    let serve = async {
        let request = task.next_request().await.expect("the largest");
        request.send_response(&number(1)).expect("it is small");
        let request = task.next_request().await.expect("the next");
        let failure = request.send_response(&too_large).expect_err("too large");
        assert_eq!(failure.status(), Status::MessageSizeTooLarge);
    };
    let ask = async {
        caller.send_message(&largest).await.expect("it is answered");
        let refused = caller.send_message(&too_large).await.expect_err("too large");
        assert_eq!(refused.status(), Status::MessageSizeTooLarge);
        let unanswered = caller.send_message(&number(1)).await.expect_err("its answer is too large");
        assert_eq!(unanswered.status(), Status::MessageSizeTooLarge);
    };
    tokio::join!(serve, ask);
}

/// A flood is refused, and costs the other end no more than its bound.
#[tokio::test]
async fn the_messages_without_an_answer_are_bounded() {
    let (caller, task) = pair();
    let asked = (0..=MAX_UNANSWERED_REQUESTS as u32).map(|it| {
        let caller = &caller;
        async move { caller.send_message(&number(it)).await }
    });
    let serve = async {
        // The last one is refused while the others wait.
        let mut taken = Vec::new();
        while taken.len() < MAX_UNANSWERED_REQUESTS {
            taken.push(task.next_request().await.expect("a message"));
        }
        assert!(tokio::time::timeout(Duration::from_millis(1), task.next_request()).await.is_err(), "no more");
        taken
    };
    let asking = futures_util::future::join_all(asked);
    let mut asking = std::pin::pin!(asking);
    let taken = tokio::select! { taken = serve => taken, _ = &mut asking => panic!("nothing was answered") };
    for request in taken {
        let value = in_it(request.message());
        request.send_response(&number(value)).expect("it is small");
    }
    let answers = asking.await;
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).map(|failure| failure.status()).collect();
    assert_eq!(refused, [Status::ResourceLimitsExceeded]);
}

/// Who says what is not of the contract is told so, and too much ends it.
#[tokio::test]
async fn a_peer_that_breaks_the_contract_costs_only_itself() {
    use zbus::Message;
    let (mut raw, other) = UnixStream::pair().expect("a pair");
    let task = AppServiceConnection::over(other, None).expect("within a runtime");
    let call = Message::method_call("/a", "Nonsense").build(&1u32).expect("a call");
    std::io::Write::write_all(&mut raw, call.data().bytes()).expect("sent");
    let heard = tokio::task::spawn_blocking(move || {
        let mut buffer = [0; 4_096];
        let read = raw.read(&mut buffer).expect("an answer");
        (String::from_utf8_lossy(&buffer[..read]).into_owned(), raw)
    });
    let (answer, mut raw) = heard.await.expect("no panic");
    assert!(answer.contains("org.freedesktop.DBus.Error.UnknownMethod"), "{answer}");
    // A message that claims to be longer than any may be.
    let mut claim = [0_u8; 16];
    claim[..4].copy_from_slice(&[b'l', 1, 0, 1]);
    claim[4..8].copy_from_slice(&(64_u32 << 20).to_le_bytes());
    std::io::Write::write_all(&mut raw, &claim).expect("sent");
    assert_eq!(task.closed().await, AppServiceClosedStatus::Unknown);
}

#[test]
fn outside_of_a_runtime_it_says_what_is_missing() {
    let (one, _other) = UnixStream::pair().expect("a pair");
    let error = AppServiceConnection::over(one, None).expect_err("no runtime");
    assert!(error.is_invalid_argument() && error.to_string().contains("tokio runtime"), "{error}");
}

struct Counts;

impl BackgroundTask for Counts {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let details = instance.app_service()?;
        assert_eq!((details.name(), details.caller_app_id()), (SERVICE, Some(MAIL)));
        assert!(instance.app_service().expect_err("once").to_string().contains("taken already"));
        count(details.connection()).await;
        if instance.cancellation_reason().is_some() {
            return Ok(());
        }
        Err("nobody asks any more".into())
    }
}

/// NEI-1: the task gets its connection with who asks for what; NEI-3: how it ended is told its caller.
#[tokio::test]
async fn nei_1_nei_3_a_task_serves_its_caller_until_it_ends() {
    let (test, caller) = TaskTest::new(Counts).app_service(SERVICE, MAIL).expect("a connection");
    let ask = async {
        assert_eq!(caller.send_message(&number(1)).await.map(|answer| in_it(&answer)), Ok(2));
        drop(caller);
    };
    let (run, ()) = tokio::join!(test.run(), ask);
    assert!(run.check_result().is_err(), "it ended because its caller did");

    let (test, caller) = TaskTest::new(Counts).app_service(SERVICE, MAIL).expect("a connection");
    let run = test.cancel_after(0, Reason::ExecutionTimeExceeded).run().await;
    run.check_result().expect("it was told to stop");
    assert_eq!(caller.closed().await, AppServiceClosedStatus::ResourceLimitsExceeded);
}

/// A connection that the task has given away does not outlive its activation.
#[tokio::test]
async fn the_end_of_the_activation_is_that_of_the_connection() {
    struct GivesAway(std::sync::Mutex<Option<AppServiceConnection>>);
    impl BackgroundTask for GivesAway {
        async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
            *self.0.lock().expect("whole") = Some(instance.app_service()?.into_connection());
            Ok(())
        }
    }
    let (test, caller) = TaskTest::new(GivesAway(std::sync::Mutex::default())).app_service(SERVICE, MAIL).expect("one");
    test.run().await.check_result().expect("it ends well");
    assert_eq!(caller.closed().await, AppServiceClosedStatus::Completed);
}

#[tokio::test]
async fn a_task_that_something_else_started_has_no_caller() {
    struct Asks;
    impl BackgroundTask for Asks {
        async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
            drop(instance.app_service()?);
            Ok(())
        }
    }
    let failure = TaskTest::new(Asks).run().await.check_result().expect_err("no caller");
    assert!(failure.to_string().contains("serves no caller"), "{failure}");
}

#[test]
fn statuses_have_the_numbers_of_windows() {
    assert_eq!(AppServiceConnectionStatus::ALL.len(), 12);
    assert_eq!(AppServiceConnectionStatus::DisabledByPolicy.number(), 10);
    assert_eq!(AppServiceResponseStatus::ALL.len(), 11);
    assert_eq!(AppServiceResponseStatus::MessageSizeTooLarge.number(), 5);
    assert_eq!(AppServiceClosedStatus::ResourceLimitsExceeded.number(), 2, "NEI-3");
}
