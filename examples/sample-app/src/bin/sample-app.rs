//! The app. With `--in-process` it is the twin, which runs its tasks itself.

fn main() -> std::process::ExitCode {
    bgtask_sample_app::app()
}
