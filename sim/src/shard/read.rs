//! Reading the parts of a job: each by itself, then all together in the order of their runs.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::job::Header;
use super::part::{FORMAT, Kind, MAGIC, PartError, block_hash};
use super::part_of;

/// A whole file of a part, before its first record.
#[derive(Debug)]
pub struct Part {
    /// Where it stands.
    pub path: PathBuf,
    /// What it is a part of.
    pub header: Header,
    blocks: Blocks,
}

#[derive(Debug)]
struct Blocks {
    path: PathBuf,
    file: BufReader<File>,
    hash: u64,
    /// Bytes that follow.
    left: u64,
}

impl Part {
    /// Opens the file of a part, and reads it once to see that it is whole.
    ///
    /// # Errors
    /// When it is no part, is damaged or ends early, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, PartError> {
        let mut blocks = Blocks::open(path)?;
        let (kind, bytes) = blocks.next()?;
        if kind != Kind::Header {
            return Err(blocks.bad("is damaged: it does not begin with what the job is"));
        }
        let header: Header = blocks.decode(&bytes)?;
        let (hash, left) = (blocks.hash, blocks.left);
        let begin = blocks.io("read", Seek::stream_position)?;
        let mut records = 0;
        while blocks.next()?.0 == Kind::Record {
            records += 1;
        }
        if blocks.left > 0 {
            return Err(blocks.bad(&format!("is damaged: {} bytes follow its end", blocks.left)));
        }
        if let Some(expected) = header.records()
            && expected != records
        {
            return Err(blocks.bad(&format!("has {records} runs where part {} has {expected}", header.shard)));
        }
        blocks.io("read", |file| file.seek(SeekFrom::Start(begin)))?;
        (blocks.hash, blocks.left) = (hash, left);
        Ok(Self { path: path.to_owned(), header, blocks })
    }

    /// Its next record; none when there is no more.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn record<R: DeserializeOwned>(&mut self) -> Result<Option<R>, PartError> {
        if self.blocks.left == 0 {
            return Ok(None);
        }
        let before = (self.blocks.hash, self.blocks.left);
        let begin = self.blocks.io("read", Seek::stream_position)?;
        let (kind, bytes) = self.blocks.next()?;
        if kind == Kind::Record {
            return self.blocks.decode(&bytes).map(Some);
        }
        // The end stays to be read.
        self.blocks.io("read", |file| file.seek(SeekFrom::Start(begin)))?;
        (self.blocks.hash, self.blocks.left) = before;
        Ok(None)
    }

    /// What it ends with, after the last record.
    ///
    /// # Errors
    /// When it cannot be read, or records are left.
    pub fn end<T: DeserializeOwned>(mut self) -> Result<T, PartError> {
        match self.blocks.next()? {
            (Kind::End, bytes) => self.blocks.decode(&bytes),
            _ => Err(self.blocks.bad("has more records than its job")),
        }
    }

    /// That something is wrong with it.
    #[must_use]
    pub fn bad(&self, what: &str) -> PartError {
        self.blocks.bad(what)
    }
}

impl Blocks {
    fn open(path: &Path) -> Result<Self, PartError> {
        let failed = |source| PartError::Io { action: "read", path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let left = file.metadata().map_err(failed)?.len();
        let mut blocks = Self { path: path.to_owned(), file: BufReader::new(file), hash: 0, left };
        let line = blocks.bytes(MAGIC.len() as u64 + 2).ok();
        let format = line.as_ref().and_then(|line| line.strip_prefix(MAGIC));
        match format {
            Some([FORMAT, b'\n']) => Ok(blocks),
            Some([other, b'\n']) => {
                let (other, known) = (char::from(*other), char::from(FORMAT));
                Err(blocks.bad(&format!("is a part of format {other}, of which this program knows {known}")))
            }
            _ => Err(blocks.bad("is no part of a job, as `heck-sim run --shard` writes them")),
        }
    }

    fn next(&mut self) -> Result<(Kind, Vec<u8>), PartError> {
        let word = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or_default();
        let kind = self.bytes(1)?[0];
        let length = word(&self.bytes(8)?);
        let hash = word(&self.bytes(8)?);
        let bytes = self.bytes(length)?;
        if hash != block_hash(self.hash, kind, &bytes) {
            return Err(self.bad("is damaged: what stands in it is not what was written"));
        }
        self.hash = hash;
        let kinds = [Kind::Header, Kind::Record, Kind::End];
        let kind = kinds.into_iter().find(|known| *known as u8 == kind);
        Ok((kind.ok_or_else(|| self.bad("is damaged: it holds a block of an unknown kind"))?, bytes))
    }

    /// The next bytes, of which no more are asked for than the file has.
    fn bytes(&mut self, count: u64) -> Result<Vec<u8>, PartError> {
        if count > self.left {
            return Err(self.bad("ends early: its part was not written to the end, or not copied whole"));
        }
        self.left -= count;
        self.io("read", |file| {
            let mut bytes = Vec::new();
            let read = file.take(count).read_to_end(&mut bytes)?;
            if read as u64 == count { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
        })
    }

    fn io<T>(
        &mut self,
        action: &'static str,
        act: impl FnOnce(&mut BufReader<File>) -> io::Result<T>,
    ) -> Result<T, PartError> {
        act(&mut self.file).map_err(|source| PartError::Io { action, path: self.path.clone(), source })
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, PartError> {
        postcard::from_bytes(bytes).map_err(|error| self.bad(&format!("holds what cannot be read: {error}")))
    }

    fn bad(&self, what: &str) -> PartError {
        PartError::Bad { path: self.path.clone(), what: what.to_owned() }
    }
}

/// All parts of one job, each once, by their numbers.
#[derive(Debug)]
pub struct Parts(Vec<Part>);

impl Parts {
    /// These parts, in whatever order, if they are all parts of one job. Unless `any_build`, they must also have been written
    /// by one and the same program, and `build` is that of this one.
    ///
    /// # Errors
    /// In words, one complaint after the other: parts of other jobs, parts that are there twice or are missing.
    pub fn of_one_job(mut parts: Vec<Part>, this: (&str, u64), any_build: bool) -> Result<Self, Vec<String>> {
        parts.sort_by(|one, other| {
            let key = |part: &Part| (part.header.shard.part(), part.path.clone());
            key(one).cmp(&key(other))
        });
        let Some(first) = parts.first() else { return Err(vec!["no part is given".to_owned()]) };
        let mut wrong = Vec::new();
        let (version, build) = this;
        if first.header.heck_sim != version {
            let (path, theirs) = (first.path.display(), &first.header.heck_sim);
            wrong.push(format!("{path}: was written by heck-sim {theirs}, and this is {version}"));
        } else if first.header.build != build && !any_build {
            let path = first.path.display();
            wrong.push(format!("{path}: was written by another build of heck-sim {version}{OTHER_BUILD}"));
        }
        for part in &parts[1..] {
            let (one, other) = (first.path.display(), part.path.display());
            if let Some(found) = first.header.difference(&part.header) {
                wrong.push(format!(
                    "{one} and {other} are no parts of one job: they differ in the {}: {} and {}",
                    found.what, found.one, found.other
                ));
            } else if first.header.build != part.header.build && !any_build {
                wrong.push(format!("{one} and {other} were written by different builds{OTHER_BUILD}"));
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let of = first.header.shard.of();
        for pair in parts.windows(2) {
            if pair[0].header.shard == pair[1].header.shard {
                let (one, other) = (pair[0].path.display(), pair[1].path.display());
                wrong.push(format!("part {} is there twice: {one} and {other}", pair[0].header.shard));
            }
        }
        let is_there = |number: &u32| parts.iter().any(|part| part.header.shard.part() == *number);
        let missing: Vec<String> =
            (1..=of).filter(|number| !is_there(number)).map(|number| number.to_string()).collect();
        match missing.as_slice() {
            [] => {}
            [one] => wrong.push(format!("of {of} parts one is missing: {one}")),
            several => {
                wrong.push(format!("of {of} parts {} are missing: {}", several.len(), several.join(", ")));
            }
        }
        if wrong.is_empty() { Ok(Self(parts)) } else { Err(wrong) }
    }

    /// What all have in common, and part 1.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.0[0].header
    }

    /// The next `count` runs, each from the part that made it, in the order of their numbers.
    ///
    /// # Errors
    /// When one of the files cannot be read.
    pub fn runs<R: DeserializeOwned>(&mut self, count: u64) -> Result<Vec<R>, PartError> {
        let of = self.header().shard.of();
        let mut runs = Vec::new();
        for number in 0..count {
            let part = &mut self.0[part_of(number, of) as usize - 1];
            let run = part.record()?;
            runs.push(run.ok_or_else(|| part.bad("has fewer runs than its part of the job"))?);
        }
        Ok(runs)
    }

    /// The parts themselves.
    #[must_use]
    pub fn into_parts(self) -> Vec<Part> {
        self.0
    }
}

/// What is told where builds differ.
const OTHER_BUILD: &str =
    ": all parts and their merge want one and the same program, unless --other-builds is given";
