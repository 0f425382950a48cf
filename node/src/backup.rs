//! The backup of a cluster as one node holds it: a file of one JSON object a line.
//!
//! ```text
//! {"kind":"backup","version":1,"cluster":"heck","node":"edge-1","exported":"2026-11-21T14:00:00Z"}
//! {"kind":"key","id":"1bf182ad323287","key":"…"}                  keys of the cluster, the one that seals first
//! {"kind":"life","boot":1795268256709}                             the last life of that node
//! {"kind":"origin","name":"web","source":"file","record":"…"}      also `key-value`, `message`, `health`, `fence`
//! {"kind":"context","record":"…"}                                  what was seen of everything
//! {"kind":"end","lines":5,"sum":"0123456789abcdef"}                lines before this one, and the xxh3-64 of their bytes
//! ```
//!
//! `record` is base64 of a record of the journal, dots included. So whatever still lives of the cluster recognises what
//! comes back instead of getting it a second time, and the position of a subscriber to messages stays good. The other
//! members are not in it: whoever imports a backup elsewhere does not reach for them.

use crate::seal::{Key, Keys};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use heck_core::codec::{decode_record, encode_record};
use heck_core::effects::Record;
use heck_core::entry::Body;
use heck_core::id::{Boot, Name};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Write};
use std::time::SystemTime;
use thiserror::Error;
use xxhash_rust::xxh3::Xxh3;

const VERSION: u32 = 1;
/// More than the longest line takes: a record of every dot that was seen in a shard.
const LINE_LIMIT: u64 = 64 << 20;

/// A cluster as one node holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Backup {
    /// The cluster's label.
    pub cluster: Name,
    /// The node that it was exported from.
    pub node: Name,
    /// Its last life.
    pub boot: Boot,
    /// The cluster's keys, unless they were left out.
    pub keys: Option<Keys>,
    /// Entries and what was seen; no lives, names or members.
    pub records: Vec<Record>,
}

/// How many of what a backup holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Content {
    pub origins: usize,
    pub keys: usize,
    pub messages: usize,
}

/// Why a file is no backup that can be used.
#[derive(Debug, Error)]
pub(crate) enum BackupError {
    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("line {line}: {what}")]
    Line { line: usize, what: String },
    #[error("the file has version {0} of the format, this program knows {VERSION}")]
    Version(u32),
    #[error("the file ends too early or was changed: what its last line says is not what it holds")]
    Incomplete,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Line {
    Backup { version: u32, cluster: String, node: String, exported: String },
    Key { id: String, key: String },
    Life { boot: u64 },
    Origin { name: String, source: String, record: String },
    KeyValue { name: String, record: String },
    Message { topic: String, record: String },
    Health { origin: String, record: String },
    Fence { record: String },
    Context { record: String },
    End { lines: usize, sum: String },
}

/// The line of a record; none for those that belong to one node and not to the cluster.
fn to_line(record: &Record) -> Option<Line> {
    let mut bytes = Vec::new();
    encode_record(record, &mut bytes);
    let text = STANDARD.encode(&bytes);
    let entry = match record {
        Record::Entry { carried, .. } => &carried.entry,
        Record::Joined(_) => return Some(Line::Context { record: text }),
        Record::Boot(_) | Record::Member | Record::Known(_) | Record::Named(_) => return None,
    };
    let line = match &entry.body {
        Body::Origin { name, source, .. } => {
            Line::Origin { name: name.to_string(), source: source.to_string(), record: text }
        }
        Body::Key { name, .. } => Line::KeyValue { name: name.to_string(), record: text },
        Body::Message { topic, .. } => Line::Message { topic: topic.to_string(), record: text },
        Body::Claim(claim) => Line::Health { origin: claim.origin.to_string(), record: text },
        Body::Fence(_) => Line::Fence { record: text },
        // A removal leaves nothing live, so that none is among the entries of a state.
        Body::OriginRemoved { .. } | Body::KeyDeleted { .. } => return None,
    };
    Some(line)
}

impl Backup {
    /// What it holds.
    pub(crate) fn content(&self) -> Content {
        let mut content = Content::default();
        for record in &self.records {
            match to_line(record) {
                Some(Line::Origin { .. }) => content.origins += 1,
                Some(Line::KeyValue { .. }) => content.keys += 1,
                Some(Line::Message { .. }) => content.messages += 1,
                _ => {}
            }
        }
        content
    }

    /// Writes it.
    ///
    /// # Errors
    /// When the writer refuses.
    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let exported = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        let (cluster, node) = (self.cluster.to_string(), self.node.to_string());
        let head = Line::Backup { version: VERSION, cluster, node, exported };
        let keys = self.keys.iter().flat_map(Keys::as_slice);
        let keys = keys.map(|key| Line::Key { id: key.id().to_string(), key: key.to_text().to_string() });
        let life = Line::Life { boot: self.boot.0 };
        let (mut sum, mut lines) = (Xxh3::new(), 0);
        for line in
            [head].into_iter().chain(keys).chain([life]).chain(self.records.iter().filter_map(to_line))
        {
            let mut bytes = serde_json::to_vec(&line)?;
            bytes.push(b'\n');
            sum.update(&bytes);
            lines += 1;
            to.write_all(&bytes)?;
        }
        serde_json::to_writer(&mut *to, &Line::End { lines, sum: format!("{:016x}", sum.digest()) })?;
        to.write_all(b"\n")?;
        to.flush()
    }

    /// Reads one that [`Self::write`] wrote, whole.
    ///
    /// # Errors
    /// When it is something else, of a later version, incomplete or changed.
    pub(crate) fn read(from: impl BufRead) -> Result<Self, BackupError> {
        let mut reader = Reader::default();
        let (mut sum, mut from) = (Xxh3::new(), from);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            // A line without an end is read as far as a line may go, and refused as what it is.
            if io::Read::take(&mut from, LINE_LIMIT).read_until(b'\n', &mut bytes)? == 0 {
                return Err(BackupError::Incomplete);
            }
            reader.lines += 1;
            let line: Line = serde_json::from_slice(&bytes).map_err(|error| reader.wrong(&error))?;
            if let Line::End { lines, sum: told } = line {
                let is_whole = lines == reader.lines - 1 && told == format!("{:016x}", sum.digest());
                return if is_whole { reader.finish() } else { Err(BackupError::Incomplete) };
            }
            sum.update(&bytes);
            reader.take(line)?;
        }
    }
}

#[derive(Default)]
struct Reader {
    lines: usize,
    named: Option<(Name, Name)>,
    boot: Boot,
    keys: Vec<Key>,
    records: Vec<Record>,
}

impl Reader {
    fn wrong(&self, what: &dyn std::fmt::Display) -> BackupError {
        BackupError::Line { line: self.lines, what: what.to_string() }
    }

    fn take(&mut self, line: Line) -> Result<(), BackupError> {
        let text = match line {
            Line::Backup { version, cluster, node, .. } => {
                if version != VERSION {
                    return Err(BackupError::Version(version));
                }
                let name = |text: &str| Name::new(text).map_err(|error| self.wrong(&error));
                self.named = Some((name(&cluster)?, name(&node)?));
                return Ok(());
            }
            Line::Key { key, .. } => {
                self.keys.push(Key::parse(&key).map_err(|error| self.wrong(&error))?);
                return Ok(());
            }
            Line::Life { boot } => {
                self.boot = Boot(boot);
                return Ok(());
            }
            Line::Origin { record, .. }
            | Line::KeyValue { record, .. }
            | Line::Message { record, .. }
            | Line::Health { record, .. }
            | Line::Fence { record }
            | Line::Context { record } => record,
            Line::End { .. } => return Ok(()),
        };
        let bytes = STANDARD.decode(text).map_err(|error| self.wrong(&error))?;
        let record = decode_record(&bytes).map_err(|error| self.wrong(&error))?;
        if to_line(&record).is_none() {
            return Err(self.wrong(&"this record has no place in a backup"));
        }
        self.records.push(record);
        Ok(())
    }

    fn finish(self) -> Result<Backup, BackupError> {
        let Some((cluster, node)) = self.named else { return Err(self.wrong(&"the first line is missing")) };
        let keys = Keys::from_list(self.keys);
        Ok(Backup { cluster, node, boot: self.boot, keys, records: self.records })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heck_core::entry::{Entry, Superseded};
    use heck_core::id::{NodeId, Writer};
    use heck_core::packet::Carried;
    use heck_core::time::{Span, Time};

    fn backup() -> Backup {
        let name = |text: &str| Name::new(text).unwrap();
        let writer = Writer { node: NodeId::of(&name("n")), boot: Boot(3) };
        let entry = |serial, body| Record::Entry {
            at: Time(5),
            carried: Carried {
                entry: Entry::new(writer, serial, serial, Superseded::new(), body).into(),
                age: Span::ZERO,
            },
        };
        let key = Body::Key { name: name("k"), value: b"v".as_slice().into() };
        let message = Body::Message { topic: name("t"), payload: b"p".as_slice().into() };
        Backup {
            cluster: name("c"),
            node: name("n"),
            boot: Boot(3),
            keys: Some(Keys::new(Key::generate().unwrap())),
            records: vec![entry(1, key), entry(1, message)],
        }
    }

    fn written(backup: &Backup) -> Vec<u8> {
        let mut bytes = Vec::new();
        backup.write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_backup_comes_back_and_says_what_it_holds() {
        let backup = backup();
        assert_eq!(Backup::read(written(&backup).as_slice()).unwrap(), backup);
        assert_eq!(backup.content(), Content { origins: 0, keys: 1, messages: 1 });
        let without = Backup { keys: None, ..backup };
        assert_eq!(Backup::read(written(&without).as_slice()).unwrap(), without);
    }

    #[test]
    fn a_backup_that_was_cut_short_or_changed_anywhere_is_refused() {
        let whole = written(&backup());
        for len in 0..whole.len() - 1 {
            assert!(Backup::read(&whole[..len]).is_err(), "{len}");
        }
        for at in 0..whole.len() - 1 {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(Backup::read(changed.as_slice()).is_err(), "{at}");
        }
    }

    #[test]
    fn what_belongs_to_one_node_alone_is_neither_written_nor_taken() {
        let mut backup = backup();
        backup.records.push(Record::Member);
        let back = Backup::read(written(&backup).as_slice()).unwrap();
        assert_eq!(back.records, backup.records[..2]);
        let mut bytes = Vec::new();
        encode_record(&Record::Member, &mut bytes);
        let line = format!("{{\"kind\":\"context\",\"record\":\"{}\"}}\n", STANDARD.encode(bytes));
        let error = Backup::read(line.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "line 1: this record has no place in a backup");
        assert!(
            Backup::read(&b"{\"kind\":\"new\"}\n"[..])
                .unwrap_err()
                .to_string()
                .starts_with("line 1: unknown variant")
        );
    }
}
