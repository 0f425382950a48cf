//! Any text is a file of settings or an error that says why; what can be read can be shown.
#![no_main]

use heck_node::seal::Key;
use heck_node::settings::{Sources, settings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = Key::parse(text);
    let sources = Sources { file: Some(("heck.toml".to_owned(), text.to_owned())), ..Sources::default() };
    match sources.read() {
        Ok((read, _)) => {
            for setting in settings() {
                let _ = setting.show(&read);
            }
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
});
