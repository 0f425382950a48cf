//! Doors for the fuzz targets to what reads the words of strangers and is not public otherwise. Built for fuzzing alone.

use crate::backup::Backup;
use crate::frame::{read_packet, welcome};
use crate::seal::Sealers;
use futures_util::FutureExt as _;
use tokio::io::{join, sink};

pub use crate::api::fuzzing::{import, query};
pub use crate::probe::fuzzing::health_answer;

/// Most bytes of a frame, as a node has it unless told otherwise.
const FRAME_LIMIT: u32 = 16 << 20;

/// Reads bytes as what a peer sends over a stream that it opened, and says how many packets were in it.
pub fn stream(bytes: &[u8], sealers: Option<&Sealers>) -> usize {
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
///
/// # Panics
/// When it is not.
pub fn backup(bytes: &[u8]) {
    if let Ok(backup) = Backup::read(bytes) {
        let mut written = Vec::new();
        backup.write(&mut written).expect("memory takes it");
        assert!(Backup::read(written.as_slice()).is_ok_and(|again| again == backup));
    }
}
