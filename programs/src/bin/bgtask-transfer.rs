//! The worker: carries one background transfer.

fn main() -> std::process::ExitCode {
    bgtask_transfer::worker::main()
}
