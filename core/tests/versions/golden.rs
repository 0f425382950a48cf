//! The bytes of each example are kept in `wire-1.txt`. They were sent and written by nodes that may still run, so no line of it
//! ever changes: what today's code makes of a value, and of those bytes, is held against them.

use crate::examples::{Value, examples};
use heck_core::codec::{
    DecodeError, HEADER_LEN, Reader, decode_packet, decode_record, encode_packet, encode_record,
};
use heck_core::effects::Record;
use heck_core::packet::{Packet, PacketKind};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

const WHAT_TO_DO: &str = "\
The wire format is not what it was: nodes and disks of earlier builds would be misread.
- If that was not meant, mend the codec.
- A field that is appended where ARCHITECTURE.md (`Versions`) allows it changes no line: give it a default that is not
  written, and add an example that has it.
- Anything else is a new version: raise VERSION in core/src/codec/packet.rs, go on reading the version before, keep this
  file for that, and begin a file of the new version.
`HECK_REWRITE=1 cargo test -p heck-core --test versions` adds the lines of examples that have none, and changes no other.";

fn encode(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    match value {
        Value::Packet(packet) => encode_packet(packet, &mut bytes),
        Value::Record(record) => encode_record(record, &mut bytes),
    }
    bytes
}

/// Reads the bytes as what the example is.
fn decode(bytes: &[u8], example: &Value) -> Result<Value, String> {
    match example {
        Value::Packet(_) => {
            let mut packet = Packet::default();
            decode_packet(bytes, &mut packet).map_err(|error| error.to_string())?;
            Ok(Value::Packet(Box::new(packet)))
        }
        Value::Record(_) => {
            let record = decode_record(bytes).map_err(|error| error.to_string())?;
            Ok(Value::Record(Box::new(record)))
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes everything");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("two hex digits");
    (0..text.len()).step_by(2).map(byte).collect()
}

/// The lines of the file: name and bytes.
fn lines(text: &str) -> BTreeMap<&str, Vec<u8>> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| line.split_once(": ").expect("`name: hex`"))
        .map(|(name, text)| (name, unhex(text)))
        .collect()
}

#[test]
fn what_was_once_said_or_written_is_read_as_it_was_meant_and_said_in_the_same_bytes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/versions/wire-1.txt");
    let mut text = std::fs::read_to_string(&path).unwrap_or_default();
    if std::env::var_os("HECK_REWRITE").is_some() {
        let missing: Vec<_> = {
            let kept = lines(&text);
            examples().into_iter().filter(|example| !kept.contains_key(example.name)).collect()
        };
        for example in missing {
            let bytes = hex(&encode(&example.value));
            write!(text, "\n# {}\n{}: {bytes}\n", example.holds, example.name)
                .expect("a text takes everything");
        }
        std::fs::write(&path, &text).expect("the file can be written");
    }
    let kept = lines(&text);
    let examples = examples();
    let names: BTreeSet<&str> = examples.iter().map(|example| example.name).collect();
    assert_eq!(
        names,
        kept.keys().copied().collect(),
        "an example without a line, or the reverse\n{WHAT_TO_DO}"
    );
    for example in &examples {
        let (bytes, name) = (&kept[example.name], example.name);
        assert_eq!(decode(bytes, &example.value).as_ref(), Ok(&example.value), "`{name}`\n{WHAT_TO_DO}");
        assert_eq!(hex(&encode(&example.value)), hex(bytes), "`{name}`\n{WHAT_TO_DO}");
    }
}

#[test]
fn there_is_an_example_of_each_packet_section_body_and_record() {
    let (mut kinds, mut sections, mut bodies, mut records) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for example in examples() {
        match &example.value {
            Value::Packet(packet) => {
                kinds.insert(packet.kind);
                sections.extend(sections_of(&encode(&example.value)));
            }
            Value::Record(record) => {
                records.insert(encode(&example.value)[0]);
                if let Record::Entry { carried, .. } = &**record {
                    bodies.insert((carried.entry.body.store(), carried.entry.body.is_removal()));
                }
            }
        }
    }
    assert_eq!(kinds, (0..=u8::MAX).filter_map(PacketKind::from_u8).collect());
    assert_eq!(sections, (1..=13).collect(), "a section was added: it needs an example");
    assert_eq!(bodies.len(), 7);
    assert_eq!(records, (0..=5).collect());
    // What lies beyond is refused: there is nothing of which the file has no example.
    let unknown_body = [vec![0; 8], vec![0, 1, 1, 0, 7]].concat();
    let body = heck_core::codec::decode_entry(&mut Reader::new(&unknown_body));
    assert_eq!(body.unwrap_err(), DecodeError::BadValue("body", 7));
    assert_eq!(decode_record(&[6]).unwrap_err(), DecodeError::BadValue("record", 6));
}

/// The tags of a packet's sections.
fn sections_of(bytes: &[u8]) -> BTreeSet<u8> {
    let (mut tags, mut rest) = (BTreeSet::new(), &bytes[HEADER_LEN..]);
    while let [tag, after @ ..] = rest {
        tags.insert(*tag);
        let (len, content) = crate::newer::varint(after);
        rest = &content[len as usize..];
    }
    tags
}
