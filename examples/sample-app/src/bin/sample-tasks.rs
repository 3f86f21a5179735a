//! The task program. The broker starts it; by hand it only explains itself.

fn main() -> std::process::ExitCode {
    bgtask_sample_app::tasks()
}
