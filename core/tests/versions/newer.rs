//! How a later version may say what this one says: fields that are appended, sections and flags that nobody knows here.

use crate::values;
use heck_core::codec::{
    HEADER_LEN, Sink, decode_entry, decode_packet, encode_entry, encode_packet, varint_len,
};
use heck_core::entry::{Body, Claim, Confirmation, Entry, OriginSpec};
use heck_core::packet::{Carried, Packet};
use heck_core::policy::{Policy, Rule};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// What a later version says in fields of its own.
pub const LATER: &[u8] = b"\x01said by a later version";

/// A cause of a claim that says "none", so that something can follow it.
const NO_CAUSE: u8 = 255;
const ENTRIES: u8 = 3;
const UNKNOWN_SECTION: u8 = 100;
const UNKNOWN_FLAGS: u8 = 0b1110_0000;

/// The number at the start of `bytes`, and what follows it.
pub fn varint(bytes: &[u8]) -> (u64, &[u8]) {
    let len = 1 + bytes.iter().take_while(|byte| **byte >= 0x80).count();
    let number = bytes[..len].iter().rev().fold(0, |sum, byte| sum << 7 | u64::from(byte & 0x7F));
    (number, &bytes[len..])
}

/// What is left out of an entry because it is usual, and has to be there when something follows.
fn left_out(entry: &Entry) -> Vec<u8> {
    match &entry.body {
        Body::Claim(Claim { confirmation, cause: None, .. }) if *confirmation == Confirmation::default() => {
            vec![0, 0, 0, NO_CAUSE]
        }
        Body::Claim(Claim { cause: None, .. }) => vec![NO_CAUSE],
        Body::Origin { spec: OriginSpec { policy, .. }, .. } => {
            let Rule::Streaks { .. } = policy.rule else { return Vec::new() };
            let usual = Policy {
                interval: policy.interval,
                timeout: policy.timeout,
                rule: policy.rule,
                ..Policy::default()
            };
            if **policy != usual {
                return Vec::new();
            }
            let mut bytes = Vec::new();
            bytes.varint(usual.fast_interval.as_us());
            bytes.varint(0);
            bytes.put(&[0, 1]);
            bytes.put(&200_u16.to_le_bytes());
            bytes.put(&299_u16.to_le_bytes());
            bytes.varint(0);
            bytes
        }
        _ => Vec::new(),
    }
}

/// An entry with fields of a later version behind those of this one.
pub fn newer_entry(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_entry(entry, &mut bytes);
    if entry.appended().is_empty() {
        bytes.put(&left_out(entry));
        bytes.put(LATER);
    }
    bytes
}

/// A packet of a later version: entries that it wrote with fields of its own, a section and flags that are unknown here.
pub fn newer_packet(packet: &Packet, is_its_own: impl Fn(&Entry) -> bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_packet(packet, &mut bytes);
    let (header, mut rest) = bytes.split_at(HEADER_LEN);
    let mut newer = header.to_vec();
    newer[2] |= UNKNOWN_FLAGS;
    while let [tag, after @ ..] = rest {
        let (len, content) = varint(after);
        let (content, after) = content.split_at(len as usize);
        newer.byte(*tag);
        if *tag == ENTRIES {
            newer.blob(&newer_entries(&packet.entries, &is_its_own));
        } else {
            newer.blob(content);
        }
        rest = after;
    }
    newer.byte(UNKNOWN_SECTION);
    newer.blob(LATER);
    newer
}

fn newer_entries(entries: &[Carried], is_its_own: impl Fn(&Entry) -> bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Carried { entry, age } in entries {
        let mut content = Vec::new();
        if is_its_own(entry) {
            content = newer_entry(entry);
        } else {
            encode_entry(entry, &mut content);
        }
        bytes.varint((content.len() + varint_len(age.as_us())) as u64);
        bytes.varint(age.as_us());
        bytes.put(&content);
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500, rng_seed: RngSeed::Fixed(21), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn what_a_later_version_adds_changes_nothing_of_what_is_known_here(packet in values::packet()) {
        let mut read = Packet::default();
        prop_assert_eq!(decode_packet(&newer_packet(&packet, |_| true), &mut read), Ok(()));
        for (read, said) in read.entries.iter().zip(&packet.entries) {
            prop_assert!(read.entry.appended().ends_with(LATER));
            let (read, said) = (&read.entry, &said.entry);
            prop_assert_eq!((read.dot, read.serial, &read.supersedes, &read.body),
                (said.dot, said.serial, &said.supersedes, &said.body));
        }
        let ages = |packet: &Packet| packet.entries.iter().map(|carried| carried.age).collect::<Vec<_>>();
        prop_assert_eq!(ages(&read), ages(&packet));
        read.entries.clone_from(&packet.entries);
        prop_assert_eq!(read, packet);
    }

    #[test]
    fn what_a_later_version_appends_to_an_entry_is_handed_on_as_it_came(packet in values::packet()) {
        for Carried { entry, .. } in &packet.entries {
            let bytes = newer_entry(entry);
            let read = decode_entry(&mut heck_core::codec::Reader::new(&bytes)).expect("an entry");
            let mut said = Vec::new();
            encode_entry(&read, &mut said);
            prop_assert_eq!(said.len(), read.wire_len() as usize);
            prop_assert_eq!(said, bytes);
        }
    }
}

#[test]
fn an_entry_with_more_appended_than_a_later_version_may_is_refused() {
    use heck_core::codec::{DecodeError, Reader};
    use heck_core::entry::{APPENDED_LIMIT, Superseded};
    let name = heck_core::id::Name::new("a").expect("a name");
    let entry =
        Entry::new(heck_core::id::Writer::default(), 1, 1, Superseded::new(), Body::KeyDeleted { name });
    let mut bytes = Vec::new();
    encode_entry(&entry, &mut bytes);
    bytes.resize(bytes.len() + APPENDED_LIMIT, 7);
    assert!(decode_entry(&mut Reader::new(&bytes)).is_ok());
    bytes.push(7);
    let refused = DecodeError::BadValue("appended", APPENDED_LIMIT as u64 + 1);
    assert_eq!(decode_entry(&mut Reader::new(&bytes)), Err(refused));
}
