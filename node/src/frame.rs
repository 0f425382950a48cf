//! The bytes on a stream: a greeting by whoever opened it, then frames in both directions.
//!
//! The greeting is `HECK`, a version, and the address under which the opener is known to its peers: a stream
//! comes from a port of the system's choice, which says nothing. A frame is a length of four bytes, lowest
//! first, and one packet.
//!
//! Where gossip is sealed, the greeting is `HECK`, version 2, and the offer of a [`Session`]; the other end answers with
//! its salt. What a frame holds is sealed, the first one of the opener is its address, and an empty one is the end.

use crate::seal::{
    KeyId, OFFER_LEN, SALT_LEN, SealError, SealedFrames, Sealers, Session, new_salt, offer, read_offer,
};
use heck_core::codec::{DecodeError, HEADER_LEN, decode_packet, encode_packet};
use heck_core::id::Addr;
use heck_core::packet::Packet;
use std::io;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const MAGIC: [u8; 4] = *b"HECK";
const VERSION: u8 = 1;
const SEALED_VERSION: u8 = 2;
const ADDR_LEN: usize = 16 + 2;
const LENGTH_LEN: usize = 4;
/// More than a sealed address takes.
const ADDR_FRAME_LIMIT: u32 = 64;

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
    #[error("what arrived does not open: {0}")]
    Seal(#[from] SealError),
    #[error("the system gives no random numbers")]
    NoRandomness,
    #[error("the key of the stream was removed")]
    KeyRemoved,
}

/// What stands between packets and the bytes of one direction of a stream.
pub(crate) enum Frames {
    /// Nothing.
    Plain,
    /// Seals.
    Sealed(Box<SealedFrames>),
}

/// How the bytes of both directions are made.
pub(crate) struct Codec {
    pub(crate) sending: Frames,
    pub(crate) receiving: Frames,
    /// The key that seals it; none where nothing is sealed.
    pub(crate) key: Option<KeyId>,
}

impl Codec {
    fn sealed(key: KeyId, session: Session) -> Self {
        let Session { sending, receiving } = session;
        let (sending, receiving) = (Frames::Sealed(sending.into()), Frames::Sealed(receiving.into()));
        Self { sending, receiving, key: Some(key) }
    }

    const PLAIN: Self = Self { sending: Frames::Plain, receiving: Frames::Plain, key: None };
}

impl Frames {
    /// Makes what [`frame`] gave ready to be written.
    pub(crate) fn close(&mut self, bytes: &mut Vec<u8>) {
        if let Self::Sealed(sealed) = self {
            sealed.seal(bytes, LENGTH_LEN);
            put_length(bytes);
        }
    }

    /// What is written last; nothing where the end of the stream says it all.
    pub(crate) fn last(&mut self) -> Vec<u8> {
        match self {
            Self::Plain => Vec::new(),
            Self::Sealed(_) => {
                let mut bytes = vec![0; LENGTH_LEN];
                self.close(&mut bytes);
                bytes
            }
        }
    }

    /// Reads what one frame holds into `buffer`; false when this direction has ended, as its sender wanted.
    async fn read(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        limit: u32,
        buffer: &mut Vec<u8>,
    ) -> Result<bool, StreamError> {
        let mut length = [0; LENGTH_LEN];
        if from.read(&mut length[..1]).await? == 0 {
            // A sealed stream says that it ends; this one was cut.
            let is_end = matches!(self, Self::Plain);
            return if is_end {
                Ok(false)
            } else {
                Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
            };
        }
        from.read_exact(&mut length[1..]).await?;
        let len = u32::from_le_bytes(length);
        if len > limit {
            return Err(StreamError::Length(len));
        }
        buffer.clear();
        // The buffer grows with what arrives, not with what was announced.
        let got = from.take(u64::from(len)).read_to_end(buffer).await?;
        if got < len as usize {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        match self {
            Self::Plain => Ok(true),
            Self::Sealed(sealed) => {
                sealed.open(buffer)?;
                Ok(!buffer.is_empty())
            }
        }
    }
}

fn put_length(bytes: &mut [u8]) {
    let len = (bytes.len() - LENGTH_LEN) as u32;
    bytes[..LENGTH_LEN].copy_from_slice(&len.to_le_bytes());
}

fn put_addr(addr: Addr, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&addr.ip);
    bytes.extend_from_slice(&addr.port.to_le_bytes());
}

fn read_addr(bytes: &[u8; ADDR_LEN]) -> Addr {
    let (mut ip, mut port) = ([0; 16], [0; 2]);
    ip.copy_from_slice(&bytes[..16]);
    port.copy_from_slice(&bytes[16..]);
    Addr { ip, port: u16::from_le_bytes(port) }
}

/// Greets the other end of a stream that the node at `advertised` opens; sealed where there are `sealers`.
pub(crate) async fn greet(
    connection: &mut (impl AsyncRead + AsyncWrite + Unpin),
    advertised: Addr,
    sealers: Option<&Sealers>,
) -> Result<Codec, StreamError> {
    let mut bytes = MAGIC.to_vec();
    let Some(sealers) = sealers else {
        bytes.push(VERSION);
        put_addr(advertised, &mut bytes);
        connection.write_all(&bytes).await?;
        return Ok(Codec::PLAIN);
    };
    let salt = new_salt().map_err(|_| StreamError::NoRandomness)?;
    bytes.push(SEALED_VERSION);
    bytes.extend_from_slice(&offer(sealers.first(), &salt));
    connection.write_all(&bytes).await?;
    let mut other = [0; SALT_LEN];
    connection.read_exact(&mut other).await?;
    let mut codec = Codec::sealed(sealers.first().id(), Session::new(sealers.first(), &salt, &other, true));
    let mut bytes = vec![0; LENGTH_LEN];
    put_addr(advertised, &mut bytes);
    codec.sending.close(&mut bytes);
    connection.write_all(&bytes).await?;
    Ok(codec)
}

/// Reads the greeting of a stream that a peer opened, answers it, and gives the opener's address.
pub(crate) async fn welcome(
    connection: &mut (impl AsyncRead + AsyncWrite + Unpin),
    sealers: Option<&Sealers>,
) -> Result<(Addr, Codec), StreamError> {
    let mut start = [0; MAGIC.len() + 1];
    connection.read_exact(&mut start).await?;
    let version = start[MAGIC.len()];
    if start[..MAGIC.len()] != MAGIC {
        return Err(StreamError::Greeting);
    }
    let mut addr = [0; ADDR_LEN];
    match sealers {
        None if version == VERSION => {
            connection.read_exact(&mut addr).await?;
            Ok((read_addr(&addr), Codec::PLAIN))
        }
        Some(sealers) if version == SEALED_VERSION => {
            let mut bytes = [0; OFFER_LEN];
            connection.read_exact(&mut bytes).await?;
            let (sealer, salt) = read_offer(sealers, &bytes)?;
            let own = new_salt().map_err(|_| StreamError::NoRandomness)?;
            connection.write_all(&own).await?;
            let mut codec = Codec::sealed(sealer.id(), Session::new(sealer, &salt, &own, false));
            let mut buffer = Vec::new();
            codec.receiving.read(connection, ADDR_FRAME_LIMIT, &mut buffer).await?;
            addr = buffer.try_into().map_err(|_| StreamError::Greeting)?;
            Ok((read_addr(&addr), codec))
        }
        Some(_) if version == VERSION => Err(SealError::Unknown.into()),
        _ => Err(StreamError::Greeting),
    }
}

/// The bytes of one frame, which [`Frames::close`] makes ready.
pub(crate) fn frame(packet: &Packet) -> Vec<u8> {
    let mut bytes = vec![0; LENGTH_LEN];
    encode_packet(packet, &mut bytes);
    put_length(&mut bytes);
    bytes
}

/// Reads one packet; none when the stream ended before it. `buffer` is working memory.
pub(crate) async fn read_packet(
    from: &mut (impl AsyncRead + Unpin),
    frames: &mut Frames,
    limit: u32,
    buffer: &mut Vec<u8>,
) -> Result<Option<Box<Packet>>, StreamError> {
    if !frames.read(from, limit, buffer).await? {
        return Ok(None);
    }
    if buffer.len() < HEADER_LEN {
        return Err(StreamError::Length(buffer.len() as u32));
    }
    let mut packet = Box::<Packet>::default();
    decode_packet(buffer, &mut packet)?;
    Ok(Some(packet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{Key, Keyring, Keys};
    use heck_core::id::{Name, NodeId};
    use heck_core::packet::PacketKind;
    use tokio::io::{DuplexStream, duplex};

    const OPENER: Addr = Addr { ip: [7; 16], port: 7_400 };

    fn sealers() -> Sealers {
        Keyring::new(Keys::new(Key::generate().unwrap()), &Name::new("c").unwrap(), None).sealers()
    }

    fn packet(sender: u64) -> Packet {
        Packet { kind: PacketKind::Request, sender: NodeId(sender), ..Packet::default() }
    }

    /// An open stream: both ends, and how their bytes are made.
    async fn stream(sealers: Option<&Sealers>) -> (DuplexStream, Codec, DuplexStream, Codec) {
        let (mut here, mut there) = duplex(1 << 16);
        let (greeted, welcomed) =
            tokio::join!(greet(&mut here, OPENER, sealers), welcome(&mut there, sealers));
        let (peer, there_codec) = welcomed.unwrap();
        assert_eq!(peer, OPENER);
        (here, greeted.unwrap(), there, there_codec)
    }

    async fn send(to: &mut DuplexStream, codec: &mut Codec, sender: u64) {
        let mut bytes = frame(&packet(sender));
        codec.sending.close(&mut bytes);
        to.write_all(&bytes).await.unwrap();
    }

    async fn receive(from: &mut DuplexStream, codec: &mut Codec) -> Result<Option<u64>, StreamError> {
        let read = read_packet(from, &mut codec.receiving, 1 << 16, &mut Vec::new()).await?;
        Ok(read.map(|packet| packet.sender.0))
    }

    #[tokio::test]
    async fn packets_pass_both_ways_and_the_end_that_was_meant_is_an_end() {
        for sealers in [None, Some(sealers())] {
            let (mut a, mut a_codec, mut b, mut b_codec) = stream(sealers.as_ref()).await;
            for sender in 1..4 {
                send(&mut a, &mut a_codec, sender).await;
                assert_eq!(receive(&mut b, &mut b_codec).await.unwrap(), Some(sender));
                send(&mut b, &mut b_codec, 10 + sender).await;
                assert_eq!(receive(&mut a, &mut a_codec).await.unwrap(), Some(10 + sender));
            }
            let last = a_codec.sending.last();
            a.write_all(&last).await.unwrap();
            a.shutdown().await.unwrap();
            assert_eq!(receive(&mut b, &mut b_codec).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn a_sealed_stream_that_is_cut_between_two_frames_is_no_end() {
        let (mut a, mut a_codec, mut b, mut b_codec) = stream(Some(&sealers())).await;
        send(&mut a, &mut a_codec, 1).await;
        drop(a);
        assert_eq!(receive(&mut b, &mut b_codec).await.unwrap(), Some(1));
        let cut = receive(&mut b, &mut b_codec).await;
        assert!(matches!(cut, Err(StreamError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof));
    }

    /// Streams to nodes of earlier builds begin like this: these bytes never change.
    #[tokio::test]
    async fn a_stream_opens_as_earlier_builds_do_it() {
        let (mut here, mut there) = duplex(1 << 16);
        greet(&mut here, OPENER, None).await.unwrap();
        here.write_all(&frame(&packet(5))).await.unwrap();
        drop(here);
        let mut bytes = Vec::new();
        there.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(
            crate::hex::text(&bytes),
            "4845434b0107070707070707070707070707070707e81c\
             170000000101000500000000000000000000000000000000000000"
        );
    }

    #[tokio::test]
    async fn frames_that_come_again_or_in_another_order_end_a_sealed_stream() {
        for order in [[0, 0], [1, 0]] {
            let (mut a, mut a_codec, mut b, mut b_codec) = stream(Some(&sealers())).await;
            let mut frames = [frame(&packet(0)), frame(&packet(1))];
            frames.iter_mut().for_each(|bytes| a_codec.sending.close(bytes));
            for index in order {
                a.write_all(&frames[index]).await.unwrap();
            }
            let mut heard = vec![receive(&mut b, &mut b_codec).await];
            heard.push(receive(&mut b, &mut b_codec).await);
            let broken =
                heard.iter().filter(|heard| matches!(heard, Err(StreamError::Seal(SealError::Broken))));
            assert!(broken.count() >= 1, "{order:?}: {heard:?}");
        }
    }

    #[tokio::test]
    async fn an_opener_that_does_not_seal_or_has_another_key_is_turned_away() {
        let own = sealers();
        for other in [None, Some(sealers())] {
            let (mut here, mut there) = duplex(1 << 16);
            let greeting =
                tokio::spawn(async move { greet(&mut here, OPENER, other.as_ref()).await.is_ok() });
            let welcomed = welcome(&mut there, Some(&own)).await.map(|(peer, _)| peer);
            assert!(matches!(welcomed, Err(StreamError::Seal(SealError::Unknown))), "{welcomed:?}");
            drop(there);
            // Without a seal the opener cannot know.
            greeting.await.unwrap();
        }
        let (mut here, mut there) = duplex(1 << 16);
        here.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(matches!(welcome(&mut there, Some(&own)).await, Err(StreamError::Greeting)));
    }
}
