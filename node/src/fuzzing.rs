//! What a node makes of the words of strangers, each kind behind one door: for fuzz targets, and for the tests that feed
//! the same doors with bounded numbers of mutated examples.

use crate::api::fuzzing as api;
use crate::backup::Backup;
use crate::frame::{read_packet, welcome};
use crate::origin::{OriginDocument, OriginsFile};
use crate::probe::fuzzing::health_answer;
use crate::seal::{Datagrams, Key, Keyring, Keys, Sealers};
use crate::settings::{Sources, settings as all_settings};
use futures_util::FutureExt as _;
use heck_core::id::Name;
use tokio::io::{join, sink};

#[cfg(test)]
#[path = "fuzzing_tests.rs"]
mod tests;

/// Most bytes of a frame, as a node has it unless told otherwise.
const FRAME_LIMIT: u32 = 16 << 20;

/// A cluster's key that nobody else has.
///
/// # Panics
/// When the system has no random numbers.
#[must_use]
pub fn sealers() -> Sealers {
    let key = Key::generate().expect("the system has random numbers");
    Keyring::new(Keys::new(key), &Name::new("fuzz").expect("a name"), None).sealers()
}

/// Any bytes are no datagram of a cluster whose key the sender does not have. What was sealed opens, and does not once any
/// byte of it was changed.
///
/// # Panics
/// When one of that does not hold.
pub fn datagram(sealers: &Sealers, arrives: &[u8], packet: &[u8], at: u16, change: u8) {
    assert!(sealers.open(&mut arrives.to_vec()).is_err());
    let (mut datagrams, mut sealed) = (Datagrams::default(), Vec::new());
    Datagrams::begin(&mut sealed);
    sealed.extend_from_slice(packet);
    datagrams.seal(sealers.first(), &mut sealed).expect("the system has random numbers");
    let mut changed = sealed.clone();
    let opened = sealers.open(&mut sealed).expect("what was sealed opens");
    assert_eq!(sealed[opened], *packet);
    let at = usize::from(at) % changed.len();
    changed[at] ^= change.max(1);
    assert!(sealers.open(&mut changed).is_err());
}

/// Any bytes are origins or an error that says why: a document in JSON, a file in either format, the body of an import, a
/// backup. What is a document is the same when it is carried and read again.
///
/// # Panics
/// When one of that does not hold.
pub fn document(bytes: &[u8]) {
    if let Ok(document) = serde_json::from_slice::<OriginDocument>(bytes)
        && let Ok((name, spec)) = document.to_spec()
    {
        let carried = OriginDocument::from_spec(&name, &spec);
        assert_eq!(carried.to_spec().expect("what was valid stays so"), (name, spec));
    }
    let lines = bytes.split(|&byte| byte == b'\n').count();
    assert!(api::import(bytes) <= lines);
    backup(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        for name in ["origins.json", "origins.toml"] {
            if let Err(problems) = OriginsFile::parse(name, text) {
                assert!(!problems.to_string().is_empty());
            }
        }
    }
}

/// Any text is a file of settings or an error that says why; what can be read can be shown.
///
/// # Panics
/// When one of that does not hold.
pub fn settings(text: &str) {
    let _ = Key::parse(text);
    let sources = Sources { file: Some(("heck.toml".to_owned(), text.to_owned())), ..Sources::default() };
    match sources.read() {
        Ok((read, _)) => {
            for setting in all_settings() {
                let _ = setting.show(&read);
            }
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}

/// Any bytes are frames of a peer's stream or end it, sealed or not; no more is held than was sent. Any bytes are an answer
/// of a gRPC server or none.
///
/// # Panics
/// When one of that does not hold.
pub fn stream(sealers: &Sealers, bytes: &[u8]) {
    packets(bytes, None);
    assert_eq!(packets(bytes, Some(sealers)), 0, "who has no key says nothing");
    health_answer(bytes);
}

/// Any text is a query, cursor, position, tag or wait of a client, or an error that says why.
///
/// # Panics
/// When what can be read is another when it is written and read again.
pub fn query(text: &str) {
    api::query(text);
}

/// Reads bytes as what a peer sends over a stream that it opened, and says how many packets were in it.
fn packets(bytes: &[u8], sealers: Option<&Sealers>) -> usize {
    let mut connection = join(bytes, sink());
    // All is there at once, so nothing waits.
    let Some(Ok((_, mut codec))) = welcome(&mut connection, sealers).now_or_never() else { return 0 };
    let (mut packets, mut buffer) = (0, Vec::new());
    while let Some(Ok(Some(_))) =
        read_packet(&mut connection, &mut codec.receiving, FRAME_LIMIT, &mut buffer).now_or_never()
    {
        packets += 1;
        assert!(buffer.len() <= bytes.len(), "what is held was sent");
    }
    packets
}

/// Reads bytes as a backup; what is one is the same when it is written and read again.
fn backup(bytes: &[u8]) {
    if let Ok(backup) = Backup::read(bytes) {
        let mut written = Vec::new();
        backup.write(&mut written).expect("memory takes it");
        assert!(Backup::read(written.as_slice()).is_ok_and(|again| again == backup));
    }
}
