//! The bytes on a stream: a greeting by whoever opened it, then frames in both directions.
//!
//! The greeting is `HECK`, a version, and the address under which the opener is known to its peers: a stream
//! comes from a port of the system's choice, which says nothing. A frame is a length of four bytes, lowest
//! first, and one packet.

use heck_core::codec::{DecodeError, HEADER_LEN, decode_packet, encode_packet};
use heck_core::id::Addr;
use heck_core::packet::Packet;
use std::io;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};

const MAGIC: [u8; 4] = *b"HECK";
const VERSION: u8 = 1;
const GREETING_LEN: usize = MAGIC.len() + 1 + 16 + 2;
const LENGTH_LEN: usize = 4;

/// Why a stream cannot be read on.
#[derive(Debug, Error)]
pub(crate) enum StreamError {
    #[error("the stream broke: {0}")]
    Io(#[from] io::Error),
    #[error("the stream does not begin with a greeting of this protocol")]
    Greeting,
    #[error("a frame of {0} bytes is outside the limits")]
    Length(u32),
    #[error("a frame is no packet: {0}")]
    Decode(#[from] DecodeError),
}

/// The first bytes of a stream that the node at `advertised` opens.
pub(crate) fn greeting(advertised: Addr) -> [u8; GREETING_LEN] {
    let mut bytes = [0; GREETING_LEN];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4] = VERSION;
    bytes[5..21].copy_from_slice(&advertised.ip);
    bytes[21..].copy_from_slice(&advertised.port.to_le_bytes());
    bytes
}

/// Reads the greeting and gives the opener's address.
pub(crate) async fn read_greeting(from: &mut (impl AsyncRead + Unpin)) -> Result<Addr, StreamError> {
    let mut magic = [0; 5];
    from.read_exact(&mut magic).await?;
    if magic[..4] != MAGIC || magic[4] != VERSION {
        return Err(StreamError::Greeting);
    }
    let mut ip = [0; 16];
    from.read_exact(&mut ip).await?;
    Ok(Addr { ip, port: from.read_u16_le().await? })
}

/// The bytes of one frame.
pub(crate) fn frame(packet: &Packet) -> Vec<u8> {
    let mut bytes = vec![0; LENGTH_LEN];
    encode_packet(packet, &mut bytes);
    let len = (bytes.len() - LENGTH_LEN) as u32;
    bytes[..LENGTH_LEN].copy_from_slice(&len.to_le_bytes());
    bytes
}

/// Reads one frame; none when the stream ended before it. `buffer` is working memory.
pub(crate) async fn read_frame(
    from: &mut (impl AsyncRead + Unpin),
    limit: u32,
    buffer: &mut Vec<u8>,
) -> Result<Option<Box<Packet>>, StreamError> {
    let mut length = [0; LENGTH_LEN];
    if from.read(&mut length[..1]).await? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut length[1..]).await?;
    let len = u32::from_le_bytes(length);
    if len < HEADER_LEN as u32 || len > limit {
        return Err(StreamError::Length(len));
    }
    buffer.clear();
    // The buffer grows with what arrives, not with what was announced.
    let got = from.take(u64::from(len)).read_to_end(buffer).await?;
    if got < len as usize {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    let mut packet = Box::<Packet>::default();
    decode_packet(buffer, &mut packet)?;
    Ok(Some(packet))
}
