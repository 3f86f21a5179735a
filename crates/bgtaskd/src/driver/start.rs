//! The first moments: places, store, hosts, doors, and the state the core starts from.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use bgtask_convert::Program;
use bgtask_core::{App, AppId, Core, Input, Limits, Snapshot, SocketKey, limits};
use bgtask_host::{Containment, HostSpec, Keeper, Keepers, Spawner, SpawnerConfig};
use bgtask_log::Logs;
use bgtask_manifest::App as Declared;
use bgtask_record::{Loading, Recorder};
use bgtask_sources::{BusKind, World};
use bgtask_store::{StateRow, Store};
use bgtask_wire::{ADDRESS_VARIABLE, Address, host_names};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::clock::Clock;
use super::doubts::Doubts;
use super::durable::Durable;
use super::launches::Launches;
use super::notify::Notifier;
use super::{Driver, STORE_REST};
use crate::app_services::AppServices;
use crate::apps::{self, Apps};
use crate::calendars::Calendars;
use crate::clients::{self, Clients, Entrance, SessionBus};
use crate::config::Config;
use crate::confinement::{Confinement, Walls};
use crate::consent::Consents;
use crate::containment;
use crate::devices::Devices;
use crate::failure::Failure;
use crate::fleet::Fleet;
use crate::hosts::{self, Hosts};
use crate::inbox::{Incoming, MAX_WAITING};
use crate::inhibitor::Inhibitor;
use crate::listeners::Listeners;
use crate::options::Options;
use crate::places::Places;
use crate::policy::{self, Policies};
use crate::push::Push;
use crate::service_manager::{self, HandedOver, Watchdog};
use crate::session;
use crate::sockets::Sockets;
use crate::sources::Sources;
use crate::task_files::{self, TaskFiles};
use crate::transfers::Transfers;

/// The variables of the broker's own environment that a host gets, if set; and every `LC_*`.
const PASSED_ON: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PATH",
    "LANG",
    "LANGUAGE",
    "TZ",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_DATA_HOME",
    "XDG_DATA_DIRS",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
];

/// How many files the broker may want open: a connection and a process for each client, the sockets that apps have handed over,
/// and as many again for hosts, sources and the store as programs usually get for everything.
const OPEN_FILES: u64 = 2 * clients::MAX_CLIENTS as u64 + limits::MAX_SOCKETS as u64 + 1_024;

/// The launcher's program, beside the broker's or where a package puts it.
const LAUNCHER: &str = "bgtask-launcher";
const LAUNCHER_PLACES: &[&str] = &["/usr/libexec/bgtask", "/usr/lib/bgtask"];

/// What every host's environment is made from.
pub(super) struct Environment {
    passed_on: Vec<(OsString, OsString)>,
    address: Address,
    /// What every command has.
    commands: Vec<(OsString, OsString)>,
    home: PathBuf,
    walls: Walls,
}

impl Driver {
    pub(super) async fn start(options: &Options) -> Result<Self, Failure> {
        let places = Places::of(options)?;
        let mut config = Config::read(&places.config)?;
        let occupied = places.occupy()?;
        let store = Store::open(&places.state).map_err(|error| Failure::new("the store cannot be opened", error))?;
        let (post, inbox) = mpsc::channel(MAX_WAITING);
        let (heard, reports) = mpsc::channel(MAX_WAITING);
        let (seen, changes) = mpsc::channel(MAX_WAITING);
        let (happened, events) = mpsc::channel(MAX_WAITING);
        let (gone, device_events) = mpsc::channel(MAX_WAITING);
        let world = World::new(&options.sysroot);
        let session_bus = world.bus_address(BusKind::Session);
        let (push, push_reports) = Push::new(config.push.clone(), &places.state, session_bus)?;
        let (fleet, fleet_reports) = Fleet::new(config.fleet.take(), &places.state)?;
        let use_cgroups = containment::settle(config.containment, places.private).await?;
        let hosts = Hosts::new(spawner(&places, &config, use_cgroups)?, post.clone());
        make_room_for_files();
        let seed = seed()?;
        let recorder = options.record.as_deref().map(|path| recorder(path, &config, seed)).transpose()?;
        let entrance = Entrance::new(post.clone());
        let bus = if places.private { None } else { SessionBus::open(entrance.clone()).await };
        let clock = Clock::new(&options.sysroot)
            .map_err(|error| Failure::new("the timer of the broker cannot be made", error))?;
        let centre = world.notifications();
        centre.keep_in(&places.runtime);
        let mut handed_over = HandedOver::take();
        let sockets =
            Sockets::new(&mut handed_over).map_err(|error| Failure::new("sockets cannot be watched", error))?;
        let transfers = Transfers::read(places.transfers(), places.socket())?;
        let mut driver = Self {
            core: Core::new(config.core, seed),
            durable: Durable::new(store),
            clock,
            apps: Apps::new(places.apps.clone()),
            clients: Clients::new(bus),
            hosts,
            launches: Launches::default(),
            commands: HashMap::new(),
            logs: Logs::open(places.logs())
                .map_err(|error| Failure::new("the logs of commands cannot be kept", error))?,
            sources: Sources::new(world.clone(), heard),
            calendars: Calendars::new(world.clone()),
            listeners: Listeners::new(World::new("/"), world.clone(), seen, happened),
            devices: Devices::new(world.clone(), gone),
            inhibitor: Inhibitor::new(world.clone()),
            sockets,
            app_services: AppServices::new(post.clone()),
            doubts: Doubts::new(world, post.clone()),
            notifier: Notifier::new(centre, post.clone()),
            push,
            task_files: TaskFiles::new(places.task_files()),
            transfers,
            access_changes: false,
            environment: Environment::of(&places, config.confinement),
            inbox,
            reports,
            changes,
            events,
            device_events,
            push_reports,
            fleet,
            fleet_reports,
            recorder,
            asked: HashMap::new(),
            last_request: 0,
            own_request: None,
            wake: None,
            follow_ups: VecDeque::new(),
            untidy: Some(STORE_REST),
            watchdog: Watchdog::new(),
            heard_others: false,
            stopping: false,
            _occupied: occupied,
            policies: Policies::new(options.sysroot.join(policy::FOLDER)),
            consents: Consents::new(places.private, post.clone()),
            places,
        };
        policy::watch(&options.sysroot.join(policy::FOLDER), post.clone())?;
        apps::watch(&driver.places.apps, post.clone())?;
        task_files::watch(&driver.places.task_files(), post.clone())?;
        driver.restore()?;
        obey_signals(&post)?;
        clients::listen(&driver.places.socket(), entrance, &mut handed_over)?;
        Ok(driver)
    }

    /// What decides first, then the apps, then the past: it is compared with the apps, so that an update meanwhile is
    /// noticed, and nothing of it starts that may not.
    fn restore(&mut self) -> Result<(), Failure> {
        let now = Clock::now();
        let session = session::identity(&self.places.runtime)
            .map_err(|error| Failure::new("it cannot be told which session of the user this is", error))?;
        let snapshot = Snapshot { session: session.into(), ..self.kept()? };
        let policy = self.policies.read().unwrap_or_default();
        self.handle(now, Input::Policy(policy));
        for input in self.apps.read() {
            self.handle(now, input);
        }
        self.handle(now, Input::AppInstalled(App::of_commands()));
        self.handle(now, Input::AppInstalled(App::of_transfers()));
        let gone = self.gone(&snapshot);
        let lost = self.settle_sockets(&snapshot);
        self.handle(now, Input::Restore(Box::new(snapshot)));
        if !lost.is_empty() {
            tracing::warn!(
                "{} sockets did not outlive the last broker: their tasks hear that they are closed",
                lost.len()
            );
            self.handle(now, Input::SocketsGone(lost));
        }
        for app in gone {
            self.handle(now, Input::AppRemoved(app));
        }
        self.read_task_files(now);
        self.restore_transfers(now);
        self.finish_turn()
    }

    /// What the store holds.
    fn kept(&self) -> Result<Snapshot, Failure> {
        let mut loading = Loading::default();
        let mut take = |row: StateRow<'_>| Ok(loading.take(row.kind, row.key, row.value)?);
        self.durable.store().load(&mut take).map_err(|error: Box<dyn std::error::Error + Send + Sync>| {
            Failure::new("the store's content cannot be understood, it was left as it is", error)
        })?;
        Ok(loading.done())
    }

    /// Compares the sockets that the broker should have with those that it has; answers which got lost.
    fn settle_sockets(&mut self, snapshot: &Snapshot) -> Vec<SocketKey> {
        let carried = snapshot.activations.iter().filter_map(|(_, activation)| activation.firing.socket);
        let known: HashSet<_> = carried.chain(snapshot.sockets.iter().map(|socket| socket.key)).collect();
        self.sockets.continue_after(known.iter().map(|key| key.0).max().unwrap_or(0));
        self.sockets.retain(&known);
        let held = snapshot.sockets.iter().filter(|socket| socket.state.is_held());
        self.sockets.missing(held.map(|socket| socket.key))
    }

    /// Apps whose manifest was removed while no broker ran. Access is not asked: it outlives the manifest (RE-8).
    fn gone(&self, snapshot: &Snapshot) -> BTreeSet<AppId> {
        let registered = snapshot.registrations.iter().map(|registration| &registration.app);
        let unread = snapshot.completions.iter().map(|completion| &completion.app);
        let seen = snapshot.versions.iter().map(|(app, _)| app);
        registered
            .chain(unread)
            .chain(seen)
            .filter(|app| !App::BUILT_IN.contains(&app.as_str()) && self.apps.is_gone(app))
            .cloned()
            .collect()
    }

    pub(super) fn announce_ready(&self) {
        let address = &self.environment.address;
        match self.hosts.containment() {
            Containment::Cgroup { path } => tracing::info!("ready at {address}, hosts live below {}", path.display()),
            Containment::Session { why } => {
                tracing::info!("ready at {address}");
                tracing::warn!("hosts are held together by their session only: {why}");
            }
        }
        let Keepers { memory, processes, weight } = self.hosts.keepers();
        let kept = |keeper| if keeper == Keeper::Kernel { "bounded by the kernel" } else { "watched" };
        let weight = if weight { "their cgroup's and their nice value" } else { "their nice value" };
        tracing::info!("hosts: memory {}, processes {}, priority by {weight}", kept(memory), kept(processes));
        service_manager::ready();
    }
}

impl Environment {
    fn of(places: &Places, confinement: Confinement) -> Self {
        let wanted =
            |name: &OsString| name.to_str().is_some_and(|name| PASSED_ON.contains(&name) || name.starts_with("LC_"));
        Self {
            passed_on: std::env::vars_os().filter(|(name, _)| wanted(name)).collect(),
            commands: hosts::environment_of_commands(&Address::of_path(places.socket())),
            address: Address::of_path(places.socket()),
            walls: Walls::new(confinement, places),
            home: std::env::var_os("HOME").map_or_else(|| "/".into(), PathBuf::from),
        }
    }

    pub(super) fn command(&self) -> Vec<(OsString, OsString)> {
        self.commands.clone()
    }

    /// Whether programs run behind walls here.
    pub(super) fn has_walls(&self) -> bool {
        self.walls.are_there()
    }

    /// The user's home folder, or what there is.
    pub(super) fn home(&self) -> &Path {
        if self.home.is_dir() { &self.home } else { Path::new("/") }
    }

    /// What a host of this app is given.
    pub(super) fn host(
        &self,
        id: &AppId,
        app: &Declared,
        walls: bool,
        program: Program,
        data: &Path,
        limits: Limits,
    ) -> HostSpec {
        let mut env = self.passed_on.clone();
        let mut set = |name: &str, value: OsString| env.push((name.into(), value));
        set(ADDRESS_VARIABLE, self.address.to_string().into());
        set(host_names::APP_VARIABLE, id.as_str().into());
        set(host_names::DATA_VARIABLE, data.into());
        set(host_names::CHANNEL_VARIABLE, "3".into());
        let args = program.arguments.into_iter().map(Into::into).collect();
        let confine = self.walls.around(app, walls, &program.path, data, self.home(), limits);
        if confine.as_ref().is_some_and(|plan| !plan.all_files) {
            env.push(("TMPDIR".into(), "/tmp".into()));
        }
        HostSpec { program: program.path, args, env, dir: self.home().to_owned(), confine }
    }
}

fn spawner(places: &Places, config: &Config, use_cgroups: bool) -> Result<Spawner, Failure> {
    let config = SpawnerConfig {
        launcher: launcher()?,
        launcher_args: Vec::new(),
        spares: config.waiting_launchers,
        records: places.runtime.join("hosts"),
        walls: config.confinement.has_walls(),
        priority: config.priority,
        use_cgroups,
    };
    Spawner::new(config).map_err(|error| Failure::new("no host can be started", error))
}

/// The usual limit is less than the clients the broker serves. Hosts keep it: they are made by a spawner that saw it.
fn make_room_for_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
    if current.is_some_and(|current| current < wanted) {
        let _at_most_as_many = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
    // Whoever hands over a socket for which there is no room hears it.
    if wanted < OPEN_FILES - limits::MAX_SOCKETS as u64 {
        tracing::warn!(
            "only {wanted} files may be open, too few for {} clients: raise the hard limit",
            clients::MAX_CLIENTS
        );
    }
}

fn launcher() -> Result<PathBuf, Failure> {
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join(LAUNCHER)));
    let installed = LAUNCHER_PLACES.iter().map(|place| Path::new(place).join(LAUNCHER));
    beside.into_iter().chain(installed).find(|path| path.is_file()).ok_or_else(|| {
        Failure::plain(format!(
            "the program {LAUNCHER} is missing: it has to be beside bgtaskd or in {}",
            LAUNCHER_PLACES.join(" or ")
        ))
    })
}

fn recorder(path: &Path, config: &Config, seed: u64) -> Result<Recorder<BufWriter<File>>, Failure> {
    let cannot = |error| Failure::new(format!("the recording {} cannot be written", path.display()), error);
    let file = File::create(path).map_err(cannot)?;
    Recorder::begin(BufWriter::new(file), &config.core, seed).map_err(cannot)
}

fn seed() -> Result<u64, Failure> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|errno| Failure::new("the system gives no random numbers", errno))?;
    Ok(u64::from_ne_bytes(bytes))
}

fn obey_signals(post: &mpsc::Sender<Incoming>) -> Result<(), Failure> {
    let kinds = [(SignalKind::terminate(), "told to by SIGTERM"), (SignalKind::interrupt(), "told to by SIGINT")];
    for (kind, why) in kinds {
        let mut signals =
            signal(kind).map_err(|error| Failure::new("the signals of the broker cannot be heard", error))?;
        let post = post.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                let _stopping = post.send(Incoming::Stop(why)).await;
            }
        });
    }
    Ok(())
}
