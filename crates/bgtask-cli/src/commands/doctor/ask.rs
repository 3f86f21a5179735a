//! What other programs know.

use std::process::Stdio;
use std::time::Duration;

/// How long one of them may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a program of the system answers, or why it does not.
pub(super) async fn ask(program: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(PATIENCE, command.output()).await {
        Err(_elapsed) => return Err(format!("{program} did not answer within {} s", PATIENCE.as_secs())),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!("there is no {program} here"));
        }
        Ok(Err(error)) => return Err(format!("{program} cannot be asked: {error}")),
        Ok(Ok(output)) => output,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} says: {}", said.lines().next().unwrap_or("nothing").trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The value of a line `KEY=VALUE`.
pub(super) fn value<'a>(answer: &'a str, key: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))
}
