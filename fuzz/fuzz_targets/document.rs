//! Any bytes are origins or an error that says why: a document in JSON, a file in either format, the body of an import,
//! a backup. What is a document is the same when it is carried and read again.
#![no_main]

use heck_node::fuzzing::{backup, import};
use heck_node::origin::{OriginDocument, OriginsFile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(document) = serde_json::from_slice::<OriginDocument>(bytes)
        && let Ok((name, spec)) = document.to_spec()
    {
        let carried = OriginDocument::from_spec(&name, &spec);
        assert_eq!(carried.to_spec().expect("what was valid stays so"), (name, spec));
    }
    let lines = bytes.split(|&byte| byte == b'\n').count();
    assert!(import(bytes) <= lines);
    backup(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        for name in ["origins.json", "origins.toml"] {
            if let Err(problems) = OriginsFile::parse(name, text) {
                assert!(!problems.to_string().is_empty());
            }
        }
    }
});
