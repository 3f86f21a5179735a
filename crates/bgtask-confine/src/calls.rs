//! System calls that no task needs and every escape does: seccomp.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, apply_filter, sock_filter,
};

/// Changing what the machine is, what others see, and what is mounted; looking into other processes; ways around the other
/// walls; and parts of the kernel that are large, seldom needed and often broken. Refused as not permitted.
const DENIED: &[libc::c_long] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_adjtimex,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_clock_adjtime,
    libc::SYS_clock_settime,
    libc::SYS_delete_module,
    libc::SYS_fanotify_init,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setdomainname,
    libc::SYS_sethostname,
    libc::SYS_setns,
    libc::SYS_settimeofday,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_syslog,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
];

/// The flags by which `clone` makes namespaces.
const NAMESPACES: libc::c_int = libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWUTS;

/// From this number on x86-64 has its calls once more, for programs with short pointers.
#[cfg(target_arch = "x86_64")]
const X32: u32 = 0x4000_0000;

/// What a plan changes about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Whether sockets of the internet may be made.
    pub(crate) internet: bool,
    /// Whether sockets of devices may be made.
    pub(crate) devices: bool,
    /// Whether sessions may be made.
    pub(crate) sessions: bool,
}

/// The filters, compiled before anybody waits for them.
#[derive(Debug)]
pub(crate) struct Calls {
    always: Vec<BpfProgram>,
    no_internet: BpfProgram,
    no_devices: BpfProgram,
    no_sessions: BpfProgram,
}

impl Calls {
    pub(crate) fn compile() -> Result<Self, String> {
        let local = [libc::AF_UNIX, libc::AF_NETLINK];
        let internet = [libc::AF_UNIX, libc::AF_NETLINK, libc::AF_INET, libc::AF_INET6];
        let mut always = vec![denied()?, unknown()?];
        if cfg!(target_arch = "x86_64") {
            always.push(native_only());
        }
        Ok(Self {
            always,
            no_internet: only_sockets(&local, libc::EACCES)?,
            no_devices: only_sockets(&internet, libc::EAFNOSUPPORT)?,
            no_sessions: filter([(libc::SYS_setsid, vec![])], libc::EPERM)?,
        })
    }

    /// From here on. The last thing before `execve`, as the filters forbid what other walls are put up with.
    pub(crate) fn enforce(&self, choice: Choice) -> io::Result<()> {
        let chosen = [
            (!choice.internet, &self.no_internet),
            (!choice.devices, &self.no_devices),
            (!choice.sessions, &self.no_sessions),
        ];
        let chosen = chosen.into_iter().filter_map(|(wanted, program)| wanted.then_some(program));
        for program in self.always.iter().chain(chosen) {
            apply_filter(program).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

fn denied() -> Result<BpfProgram, String> {
    let mut rules: BTreeMap<_, _> = DENIED.iter().map(|call| (*call, vec![])).collect();
    let flags = (0..32).map(|bit| 1 << bit).filter(|flag| NAMESPACES & flag != 0);
    let flags = flags.map(|flag| has(0, flag)).collect::<Result<_, _>>()?;
    rules.insert(libc::SYS_clone, flags);
    rules.insert(libc::SYS_ioctl, vec![is(1, libc::TIOCSTI)?, is(1, libc::TIOCLINUX)?]);
    filter(rules, libc::EPERM)
}

/// What `clone3` is asked for stands in memory, where no filter can read it: to whom it is unknown takes `clone`.
fn unknown() -> Result<BpfProgram, String> {
    filter([(libc::SYS_clone3, vec![])], libc::ENOSYS)
}

fn only_sockets(families: &[libc::c_int], errno: libc::c_int) -> Result<BpfProgram, String> {
    let others = families.iter().map(|family| condition(0, SeccompCmpOp::Ne, *family)).collect::<Result<_, _>>()?;
    let others = SeccompRule::new(others).map_err(|error| error.to_string())?;
    filter([(libc::SYS_socket, vec![others.clone()]), (libc::SYS_socketpair, vec![others])], errno)
}

/// The same calls by other numbers are unknown.
#[cfg(target_arch = "x86_64")]
fn native_only() -> BpfProgram {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_IF_NOT_LESS: u16 = 0x35;
    const RETURN: u16 = 0x06;
    let step = |code, jt, k| sock_filter { code, jt, jf: 0, k };
    vec![
        step(LOAD_NUMBER, 0, 0),
        step(JUMP_IF_NOT_LESS, 1, X32),
        step(RETURN, 0, libc::SECCOMP_RET_ALLOW),
        step(RETURN, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn native_only() -> BpfProgram {
    BpfProgram::new()
}

fn filter(
    rules: impl IntoIterator<Item = (libc::c_long, Vec<SeccompRule>)>,
    errno: libc::c_int,
) -> Result<BpfProgram, String> {
    let architecture: TargetArch =
        std::env::consts::ARCH.try_into().map_err(|_| format!("no filter is known for {}", std::env::consts::ARCH))?;
    let refused = SeccompAction::Errno(errno.cast_unsigned());
    let rules = rules.into_iter().collect();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, architecture);
    filter.and_then(TryInto::try_into).map_err(|error| error.to_string())
}

fn condition(argument: u8, how: SeccompCmpOp, value: libc::c_int) -> Result<SeccompCondition, String> {
    let value = u64::from(value.cast_unsigned());
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, how, value).map_err(|error| error.to_string())
}

fn has(argument: u8, flag: libc::c_int) -> Result<SeccompRule, String> {
    let mask = u64::from(flag.cast_unsigned());
    let condition = condition(argument, SeccompCmpOp::MaskedEq(mask), flag)?;
    SeccompRule::new(vec![condition]).map_err(|error| error.to_string())
}

fn is(argument: u8, request: libc::Ioctl) -> Result<SeccompRule, String> {
    let request = libc::c_int::try_from(request).map_err(|error| error.to_string())?;
    SeccompRule::new(vec![condition(argument, SeccompCmpOp::Eq, request)?]).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_fit_the_kernel() {
        let calls = Calls::compile().expect("this architecture is known");
        let rest = [&calls.no_internet, &calls.no_devices, &calls.no_sessions];
        assert!(calls.always.iter().chain(rest).all(|program| (1..4_096).contains(&program.len())));
    }
}
