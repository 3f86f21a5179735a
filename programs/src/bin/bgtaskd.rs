//! The broker.

fn main() -> std::process::ExitCode {
    bgtaskd::main()
}
