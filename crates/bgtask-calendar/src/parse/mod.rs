//! Text to [`Calendar`].

pub(crate) mod cron;
mod systemd;

use crate::error::{Problem, quoted};
use crate::set::Field;
use crate::{Calendar, MAX_EXPRESSION_BYTES};

/// Reads an expression of either form.
pub(crate) fn parse(text: &str) -> Result<Calendar, Problem> {
    if text.len() > MAX_EXPRESSION_BYTES {
        let wrong = format!("the expression has {} bytes", text.len());
        return Err(Problem::new(wrong, format!("{MAX_EXPRESSION_BYTES} are the most; use ranges and steps")));
    }
    let tokens: Vec<&str> = text.split_ascii_whitespace().collect();
    match tokens[..] {
        [] => Err(Problem::new("it is empty", "write, for example, \"daily\", \"Mon..Fri 09:00\" or \"0 9 * * 1-5\"")),
        _ if cron::is_cron(&tokens) => cron::parse(&tokens),
        _ => systemd::parse(&tokens),
    }
}

/// A number of this field, in decimal digits.
fn number(text: &str, field: &Field) -> Result<u32, Problem> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        let help = format!("a {} is a number from {} to {}", field.name, field.first, field.last);
        return Err(Problem::new(format!("{} is not a {}", quoted(text), field.name), help));
    }
    // What has too many digits for a number is as far out of range as any.
    let value = text.parse().unwrap_or(u32::MAX);
    if (field.first..=field.last).contains(&value) {
        return Ok(value);
    }
    let help = match (field.name, value) {
        ("hour", 24) => "midnight is hour 0 of the next day".to_owned(),
        _ => format!("a {} is from {} to {}", field.name, field.first, field.last),
    };
    Err(Problem::new(format!("there is no {} {text}", field.name), help))
}

/// The number after a `/`.
fn step(text: &str, field: &Field) -> Result<u32, Problem> {
    match text.parse() {
        Ok(step) if step > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(step),
        _ => {
            let wrong = format!("{} is not a step of the {}", quoted(text), field.name);
            Err(Problem::new(wrong, "a step is a number from 1, as in 0/15"))
        }
    }
}
