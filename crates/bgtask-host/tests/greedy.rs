//! Hosts that take more than they may: how each is measured, bounded, suspended and ended.

mod common;

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::thread::sleep;
use std::time::Duration;

use bgtask_host::{Exit, Host, Keeper, Keepers, Launch, Limits, NetworkMeter, tree_of};
use common::{Place, eventually, exit, kill_and_close, part, read_line, sh};

const NONE: Limits = Limits { memory: None, processes: None };

fn launch(place: &mut Place, args: &[&str], limits: Limits) -> Launch {
    place.spawner.launch(&part(args), &[], limits).unwrap()
}

fn number(launch: &mut Launch) -> u64 {
    read_line(launch).parse().unwrap()
}

/// A second of a processor is a second within 2 %, while it runs and after it.
#[test]
fn processor_time_is_what_the_process_itself_counts() {
    for mut place in Place::each() {
        let mut launch = launch(&mut place, &["spin", "1000"], NONE);
        let own = Duration::from_micros(number(&mut launch));
        let while_it_runs = launch.host.usage().unwrap().cpu;
        kill_and_close(&mut launch.host);
        let in_all = launch.host.final_usage().unwrap().used.cpu;
        eprintln!("own account {own:?}, while it runs {while_it_runs:?}, in all {in_all:?}");
        for told in [while_it_runs, in_all] {
            assert!(told.abs_diff(own) <= own / 50, "{told:?} is not {own:?} within 2 %");
        }
    }
}

/// POL-1: a suspended host, with everything it started, gets no processor time until it is released.
#[test]
fn a_spinning_host_is_suspended_and_released() {
    for mut place in Place::each() {
        let script = "spin() { while :; do :; done; }; spin & (spin) & spin";
        let mut host = place.spawner.launch(&sh(script), &[], NONE).unwrap().host;
        spins(&host);
        host.freeze().unwrap();
        stands_still(&host);
        host.freeze().unwrap();
        stands_still(&host);
        host.thaw().unwrap();
        spins(&host);
        host.thaw().unwrap();
        spins(&host);
        kill_and_close(&mut host);
        host.freeze().unwrap();
        host.thaw().unwrap();
    }
}

fn spins(host: &Host) {
    let before = host.usage().unwrap().cpu;
    eventually("it uses the processor", || host.usage().unwrap().cpu >= before + Duration::from_millis(50));
}

fn stands_still(host: &Host) {
    eventually("it stands still", || {
        let before = host.usage().unwrap().cpu;
        sleep(Duration::from_millis(100));
        host.usage().unwrap().cpu == before
    });
}

#[test]
fn a_suspended_host_dies_when_it_is_killed() {
    for mut place in Place::each() {
        let mut launch = launch(&mut place, &["spin", "3600000"], NONE);
        spins(&launch.host);
        launch.host.freeze().unwrap();
        stands_still(&launch.host);
        kill_and_close(&mut launch.host);
        assert_eq!(launch.host.usage().map_or(0, |used| used.processes), 0);
    }
}

/// A dropped host is no different.
#[test]
fn a_suspended_host_leaves_nothing_behind() {
    for mut place in Place::each() {
        let launch = launch(&mut place, &["spin", "3600000"], NONE);
        spins(&launch.host);
        launch.host.freeze().unwrap();
        drop(launch);
        let cgroups = place
            .cgroup()
            .map_or(0, |tree| std::fs::read_dir(tree).unwrap().flatten().filter(|entry| entry.path().is_dir()).count());
        assert!(cgroups <= 1, "only the waiting launcher has one");
    }
}

/// What `bgtask doctor` says of a broker is what that broker knows.
#[test]
fn who_keeps_the_limits_is_seen_from_outside() {
    let Some(place) = Place::with_cgroup() else { return };
    let own = Place::each().into_iter().filter_map(|place| place.cgroup()).chain(place.cgroup());
    let found = tree_of(std::process::id()).unwrap();
    assert!(found.parent() == place.cgroup().unwrap().parent(), "{found:?}");
    assert!(own.into_iter().all(|tree| Keepers::of_tree(&tree) == place.spawner.keepers()));
    assert_eq!(Place::new(false, 0).spawner.keepers(), Keepers::NONE);
}

/// with the controller the kernel ends it; without, whoever looks sees it.
#[test]
fn a_memory_hog_is_ended_by_the_kernel_or_seen() {
    const BOUND: u64 = 64 << 20;
    for mut place in Place::each() {
        let limits = Limits { memory: Some(BOUND), processes: None };
        let mut launch = launch(&mut place, &["hog", "128"], limits);
        if place.spawner.keepers().memory == Keeper::Kernel {
            assert_eq!(launch.host.watched(), NONE);
            assert_eq!(exit(&launch.host), Exit::Signal(9));
            kill_and_close(&mut launch.host);
            assert!(launch.host.final_usage().unwrap().out_of_memory);
            continue;
        }
        assert_eq!(launch.host.watched(), limits);
        while number(&mut launch) < 128 {}
        let used = launch.host.usage().unwrap();
        assert!(used.memory > BOUND, "{used:?}");
        // It told of 128 MiB; some more is its own.
        assert!((128 << 20..144 << 20).contains(&used.memory), "{used:?}");
        kill_and_close(&mut launch.host);
    }
}

/// The same for processes.
#[test]
fn a_breeder_is_stopped_by_the_kernel_or_seen() {
    const MOST: u32 = 50;
    for mut place in Place::each() {
        let limits = Limits { memory: None, processes: Some(MOST) };
        let mut launch = launch(&mut place, &["breed", "100"], limits);
        let children = number(&mut launch);
        let used = launch.host.usage().unwrap();
        if place.spawner.keepers().processes == Keeper::Kernel {
            assert_eq!((children, used.processes), (u64::from(MOST) - 1, MOST));
        } else {
            assert_eq!((children, used.processes), (100, 101));
            assert_eq!(launch.host.watched(), limits);
            assert_eq!(launch.host.crowd(), Some(101));
        }
        kill_and_close(&mut launch.host);
        assert_eq!(launch.host.usage().map_or(0, |used| used.processes), 0);
    }
}

/// bytes that leave the machine are counted to the end of the connection once it was seen.
#[test]
fn what_a_host_sends_is_counted() {
    const BYTES: u64 = 4_000_000;
    let Some(address) = outside() else { return };
    for mut place in Place::each() {
        let mut meter = NetworkMeter::default();
        let listener = TcpListener::bind((address, 0)).unwrap();
        let to = listener.local_addr().unwrap().to_string();
        let mut launch = launch(&mut place, &["send", &to, &BYTES.to_string()], NONE);
        let (mut peer, _) = listener.accept().unwrap();
        peer.read_exact(&mut vec![0; usize::try_from(BYTES).unwrap()]).unwrap();
        eventually("all is acknowledged", || meter.bytes_of(1, &launch.host).unwrap() >= BYTES);
        let open = meter.bytes_of(1, &launch.host).unwrap();
        assert!(open <= BYTES + 100, "{open} of {BYTES}");

        peer.write_all(&[1]).unwrap();
        peer.read_to_end(&mut Vec::new()).unwrap();
        drop(peer);
        assert_eq!(exit(&launch.host), Exit::Code(0));
        let all = BYTES + BYTES / 10 + 1;
        eventually("its end is heard", || meter.bytes_of(1, &launch.host).unwrap() >= all);
        let closed = meter.bytes_of(1, &launch.host).unwrap();
        eprintln!("{closed} bytes counted of {all}");
        assert!(closed <= all + 100, "{closed} of {all}");
        kill_and_close(&mut launch.host);
        meter.forget(1);
    }
}

/// An address of this machine that is not its loopback's, which an error in CI is not to have.
fn outside() -> Option<IpAddr> {
    let routed = ["192.0.2.1:9", "[2001:db8::1]:9"].into_iter().find_map(|far| {
        let far: SocketAddr = far.parse().unwrap();
        let any = if far.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).ok()?;
        socket.connect(far).ok()?;
        Some(socket.local_addr().ok()?.ip())
    });
    if routed.is_none() {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "cannot run in CI without a network");
        eprintln!("SKIPPED: this machine has no network");
    }
    routed
}

/// Two processes of a machine that speak with each other use no network.
#[test]
fn what_stays_on_the_machine_does_not_count() {
    for mut place in Place::each() {
        let mut meter = NetworkMeter::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap().to_string();
        let mut launch = launch(&mut place, &["send", &to, "100000"], NONE);
        let (mut peer, _) = listener.accept().unwrap();
        peer.read_exact(&mut vec![0; 100_000]).unwrap();
        assert_eq!(meter.bytes_of(1, &launch.host), Some(0));
        kill_and_close(&mut launch.host);
    }
}
