//! Rows for people.

use crate::cli::say;

/// A table whose columns are as wide as they have to be.
pub(super) fn show(heads: &[&str], rows: &[Vec<String>]) {
    say(text(heads, rows));
}

fn text(heads: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let width = |at: usize, head: &str| {
        let widest = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
        widest.unwrap_or(0).max(head.len())
    };
    let widths: Vec<usize> = heads.iter().enumerate().map(|(at, head)| width(at, head)).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.into_iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = line(heads.to_vec());
    let body = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    std::iter::once(head).chain(body).collect::<Vec<_>>().join("\n")
}

/// Text that does nothing to a terminal, whoever wrote it.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A length of time, roughly: what matters of an age.
pub(super) fn age(ms: Option<u64>) -> String {
    match ms {
        None => "-".to_owned(),
        Some(ms @ 0..10_000) => format!("{}.{}s", ms / 1_000, ms % 1_000 / 100),
        Some(ms @ 10_000..600_000) => format!("{}s", ms / 1_000),
        Some(ms @ 600_000..36_000_000) => format!("{}m", ms / 60_000),
        Some(ms) => format!("{}h", ms / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be_and_escapes_do_nothing() {
        let rows =
            [vec!["a".to_owned(), "healthy".to_owned()], vec!["longer\u{1b}[2J".to_owned(), "ü".to_owned()]];
        assert_eq!(
            text(&["NAME", "STATE"], &rows),
            "NAME        STATE\na           healthy\nlonger\u{fffd}[2J  ü"
        );
    }

    #[test]
    fn ages_are_short() {
        let shown = [None, Some(1_260), Some(12_345), Some(600_000), Some(90_000_000)].map(age);
        assert_eq!(shown, ["-", "1.2s", "12s", "10m", "25h"]);
    }
}
