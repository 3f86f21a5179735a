//! How far something is, as a bar.

use super::text::{printable, short};

/// Columns of a bar.
const WIDTH: usize = 20;
/// Most columns of the words beside it.
const MAX_WORDS: usize = 40;

/// `[########............]  40 % halfway`
pub(crate) fn bar(value: u32, message: Option<&str>) -> String {
    let filled = (value.min(100) as usize * WIDTH).div_ceil(100);
    let words = message.map_or(String::new(), |words| format!(" {}", short(&printable(words), MAX_WORDS)));
    format!("[{}{}] {value:>3} %{words}", "#".repeat(filled), ".".repeat(WIDTH - filled))
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn a_bar_is_full_at_the_end_and_empty_at_the_beginning() {
        assert_eq!(bar(0, None), "[....................]   0 %");
        assert_eq!(bar(1, None), "[#...................]   1 %", "what has begun is seen");
        assert_eq!(bar(40, Some("half\nway")), "[########............]  40 % half\\nway");
        assert_eq!(bar(100, None), "[####################] 100 %");
        assert_eq!(bar(300, None), "[####################] 300 %", "a task has its own scale");
    }
}
