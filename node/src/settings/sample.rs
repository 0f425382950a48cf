//! The documented sample file: every setting with its explanation, at its default.

use super::Settings;
use super::table::settings;
use std::fmt::Write as _;

const WIDTH: usize = 100;

const HEADER: &str = "\
# The settings of `heck node`, each at its default: `heck node --config heck.toml`.
#
# `section.key` is the flag `--section-key` and the variable HECK_SECTION_KEY as well. A flag counts before a
# variable, a variable before this file, this file before the default. A key that is not known is an error.
# A line that begins with `#key` is a setting that is unset unless it is given.
";

/// The sample file.
#[must_use]
pub fn sample() -> String {
    let defaults = Settings::default();
    let mut text = HEADER.to_owned();
    let mut section = "";
    for setting in settings() {
        text.push('\n');
        if setting.section() != section {
            section = setting.section();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "[{section}]\n");
        }
        for line in wrapped(setting.help) {
            let _ = writeln!(text, "# {line}");
        }
        let _ = match setting.show(&defaults) {
            Some(value) => writeln!(text, "{} = {value}", setting.short_key()),
            None => writeln!(text, "#{} = {}", setting.short_key(), setting.metavar),
        };
    }
    text
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        if lines.last().is_some_and(|line| line.len() + word.len() > WIDTH) {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Sources;
    use std::path::Path;

    #[test]
    fn the_sample_file_is_up_to_date_reads_and_holds_exactly_the_defaults() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("heck.toml");
        if std::env::var_os("HECK_REWRITE").is_some() {
            std::fs::write(&path, sample()).unwrap();
        }
        let held = std::fs::read_to_string(&path).unwrap();
        assert_eq!(held, sample(), "HECK_REWRITE=1 writes it anew");
        let sources = Sources { file: Some(("heck.toml".into(), held)), ..Sources::default() };
        let (read, _) = sources.read().unwrap();
        assert_eq!(read, Settings::default());
    }
}
