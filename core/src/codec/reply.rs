//! How a probe ended, on the wire.

use super::{DecodeError, Reader, Sink};
use crate::probe::{Failure, Reply};

const STATUS: u8 = 0;
const CONNECTED: u8 = 1;
const FAILED: u8 = 2;

pub(super) fn put_reply(sink: &mut impl Sink, reply: Reply) {
    match reply {
        Reply::Status(status) => {
            sink.byte(STATUS);
            sink.put(&status.to_le_bytes());
        }
        Reply::Connected => sink.byte(CONNECTED),
        Reply::Failed(failure) => sink.put(&[FAILED, failure as u8]),
    }
}

pub(super) fn read_reply(reader: &mut Reader<'_>) -> Result<Reply, DecodeError> {
    Ok(match reader.byte("reply")? {
        STATUS => Reply::Status(u16::from_le_bytes(reader.array("status")?)),
        CONNECTED => Reply::Connected,
        FAILED => {
            let number = reader.byte("failure")?;
            let failure = Failure::from_u8(number);
            Reply::Failed(failure.ok_or(DecodeError::BadValue("failure", u64::from(number)))?)
        }
        other => return Err(DecodeError::BadValue("reply", u64::from(other))),
    })
}
