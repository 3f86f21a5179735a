//! No privileges, and never any new ones.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

/// Sees to it that no program gets a capability again. Those that this process has it keeps: the walls are put up with them.
pub(crate) fn gain_none() {
    for capability in CapabilitySet::all() {
        // Who may not take one out of the bounding set has none that `no_new_privs` would let it keep.
        if capability_is_in_bounding_set(capability).unwrap_or_default() {
            let _without_the_privilege = remove_capability_from_bounding_set(capability);
        }
    }
    let _old_kernel = clear_ambient_capability_set();
}

/// Gives up every capability for good, root's included, which then is a user that owns the system's files.
pub(crate) fn drop_all() -> io::Result<()> {
    set_no_new_privs(true)?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}

/// Bounds processes and threads. Inside a user namespace the kernel counts only those in it.
pub(crate) fn bound_processes(most: u32) -> io::Result<()> {
    let most = Some(u64::from(most));
    let hard = getrlimit(Resource::Nproc).maximum;
    let bound = hard.map_or(most, |hard| most.map(|most| most.min(hard)));
    Ok(setrlimit(Resource::Nproc, Rlimit { current: bound, maximum: bound })?)
}
