use std::fs;
use std::path::Path;

/// What brokers of a home, which have all ended, have left running or lying about.
pub(crate) fn leftovers(root: &Path, broker: u32) -> Vec<String> {
    let mut left = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let proc = entry.path();
        let cgroup = fs::read_to_string(proc.join("cgroup")).unwrap_or_default();
        let environment = fs::read(proc.join("environ")).unwrap_or_default();
        let address = format!("BGTASK_ADDRESS=unix:path={}", root.display());
        let is_host = environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(address.as_bytes()));
        if cgroup.contains(&format!("bgtask-hosts-{broker}-")) || (is_host && runs_hosted(&environment)) {
            let name = fs::read_to_string(proc.join("cmdline")).unwrap_or_default().replace('\0', " ");
            left.push(format!("process {} {name}", entry.file_name().display()));
        }
    }
    if let Ok(tree) = fs::read_to_string(root.join("run/hosts/tree")) {
        let path = tree.lines().nth(1).unwrap_or_default();
        if Path::new(path).exists() {
            left.push(format!("cgroup {path}"));
        }
    }
    left
}

/// Only hosts are given the channel; apps of a test have the address too.
fn runs_hosted(environment: &[u8]) -> bool {
    environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(b"BGTASK_HOST_FD="))
}
