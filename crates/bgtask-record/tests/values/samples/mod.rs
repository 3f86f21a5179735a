//! At least one value of every variant of every recorded type.

mod inputs;
mod network;
mod outputs;
mod state;
mod triggers;

use std::time::Duration;

use bgtask_core::{
    AccessSetting, Account, Activation, ActivationState, App, AppAccess, AppId, AppService, AppServiceConnectionStatus,
    AppVersion, ApplicationTriggerResult, BackgroundAccessRequestKind, BackgroundAccessStatus, BootTime, CancelNotice,
    CancellationReason, Cause, Change, Class, ClassId, ClientId, Command, Completion, Condition, Config, Consent,
    ControlChannelTriggerResourceType, ControlChannelTriggerStatus, CustomSystemEventTriggerRecurrence, DayWindow,
    Demand, Details, DeviceTriggerResult, Edge, EdgeKind, EnergyLevel, EnergyUsage, Entry, EntryPoint, Event,
    EventClass, EventKind, Fact, Firing, FleetOrder, Gate, Grant, HostExit, HostId, Input, InstanceId, LastRun, Limit,
    NewControlChannel, NewOrder, NewRegistration, NewSocket, Notice, OrderId, OrderResult, OrderState, Outcome, Output,
    Pace, PathEvents, PathWatch, Policy, PolicyEntry, PolicyRule, Properties, Push, PushChannel, PushTicket, Readiness,
    Refusal, Registration, Reply, Report, Request, RequestId, Resource, Retry, RunOrder, Server, Sharing, Snapshot,
    Socket, SocketActivityConnectedStandbyAction, SocketActivityTriggerReason, SocketKey, SocketKind, SocketState,
    SourceStatus, Standing, Subject, Support, SystemConditionType, SystemTriggerType, TaskGroup, TaskId, TaskType,
    ThrottleCounts, Trigger, Unregistration, Update, Usage, Used, Wake, WakeReason, WallTime, Zone,
};

pub(crate) use inputs::*;
pub(crate) use network::*;
pub(crate) use outputs::*;
pub(crate) use state::*;
pub(crate) use triggers::*;

const TASK: TaskId = TaskId::from_random(0x1111_2222_3333_4444_5555_6666_7777_8888);
const INSTANCE: InstanceId = InstanceId::from_random(0x9999_aaaa_bbbb_cccc_dddd_eeee_ffff_0000);
const CLASS: ClassId = ClassId::from_random(0x14c5_882b_35d3_41be_86b2_5106_269b_97e6);
const HOST: HostId = HostId(7);
const CLIENT: ClientId = ClientId(u64::MAX);
const BOOT: BootTime = BootTime::from_micros(u64::MAX);
const WALL: WallTime = WallTime::from_micros(-1_234_567);

fn app_id() -> AppId {
    AppId::new("org.example.Photos").expect("well-formed")
}

fn command() -> Command {
    Command {
        env: [("LANG".into(), "C".into())].into(),
        dir: "/srv".into(),
        cpu: Some(Duration::from_secs(60)),
        memory: Some(1 << 30),
        network: false,
        nice: true,
        retry: Retry { times: 3, backoff: Duration::from_secs(30) },
        fresh_within: Some(Duration::from_secs(86_400)),
        checkpoint: true,
        file: Some("/home/anna/.config/bgtask/tasks/backup.toml".into()),
        ..Command::new(["restic", "backup", "a \"b\"\n"])
    }
}

fn entries() -> [Entry; 5] {
    let bare = Command::new(["true"]);
    let [full, bare] = [command(), bare].map(|command| Entry::Command(command.into()));
    [Entry::Component("Tasks.Example".into()), Entry::Class(CLASS), Entry::InProcess, full, bare]
}

fn group() -> Box<TaskGroup> {
    TaskGroup { id: "org.example.lib".into(), name: "The Library".into() }.into()
}

fn zone() -> Zone {
    Zone { identity: "Amérique/\"Nulle Part\"".into(), offset_seconds: -16_200 }
}

fn firing() -> Firing {
    Firing { at: WALL, count: u32::MAX, details: None, lost: 0, by_hand: false, socket: None }
}

fn details() -> Details {
    Details([0, 9, 171, 255].into())
}

fn notice(reason: CancellationReason) -> CancelNotice {
    let seconds = Duration::from_secs;
    CancelNotice { reason, budget: seconds(25), used: Duration::from_micros(24_999_999), grace: seconds(5) }
}

pub(crate) fn config() -> Config {
    let wall_budget = Duration::from_micros(25_000_001);
    Config { wall_budget, max_running: 3, idle_after: None, ..Config::default() }
}

fn app() -> App {
    let server = |program: &str, sharing| Server {
        program: program.into(),
        application: "Editor".into(),
        sharing,
        budget: None,
    };
    let types = ["general", "systemEvent", "timer", "mediaProcessing", "deviceUse", "anything"]
        .map(TaskType::from_name)
        .to_vec();
    let entry =
        |name: &str, sharing, types| EntryPoint { name: name.into(), server: server("bin/tasks", sharing), types };
    App {
        id: app_id(),
        version: "1.2.3".into(),
        entry_points: vec![entry("Tasks.Example", Sharing::InTurn, types), entry("", Sharing::Apart, vec![])],
        classes: vec![Class { id: CLASS, server: server("server --embedding", Sharing::Together("key".into())) }],
        itself: Some(server("photos", Sharing::Together("".into()))),
        applications: vec!["Editor".into()],
        raises: vec!["org.example.jack".into()],
        services: vec![service(Some(vec![app_id()])), service(None)],
        commands: None,
    }
}

fn service(allow: Option<Vec<AppId>>) -> AppService {
    AppService { name: "org.example.photos.resize".into(), entry: Entry::InProcess, allow }
}

fn bare_app() -> App {
    let none = App { itself: None, applications: vec![], raises: vec![], ..App::of_commands() };
    App { entry_points: vec![], classes: vec![], ..none }
}
