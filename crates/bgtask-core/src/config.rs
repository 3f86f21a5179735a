use std::time::Duration;

/// What the owner of the machine may set. Every value has the default of the design (D2, D7, D10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long one activation may run before it is told to stop (D10: 25 s).
    pub wall_budget: Duration,
    /// How long it may take to stop after that (CA-3, D10: 5 s); then its host is killed.
    pub cancel_grace: Duration,
    /// How long a host may linger for the next activation after its work is done; zero ends it at once.
    pub warm_linger: Duration,
    /// How many hosts may linger at the same time; the one that lingers longest goes first.
    pub max_warm_hosts: usize,
    /// How many activations may run at the same time on the whole machine (D2).
    pub max_running: usize,
    /// How often one activation is tried when the broker dies under it (D7: 3).
    pub max_attempts: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            wall_budget: Duration::from_secs(25),
            cancel_grace: Duration::from_secs(5),
            warm_linger: Duration::from_secs(30),
            max_warm_hosts: 8,
            max_running: 16,
            max_attempts: 3,
        }
    }
}
