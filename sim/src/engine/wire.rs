//! Wire mode: each message crosses the network as bytes.

use super::protocol::Message;

/// Encodes a message and decodes it again; checks the length that was announced and that nothing is lost.
///
/// # Errors
/// What did not fit, naming the bytes.
pub fn recode<M: Message>(message: &M, len_bytes: u32, buffer: &mut Vec<u8>) -> Result<M, String> {
    buffer.clear();
    message.encode(buffer);
    if buffer.len() != len_bytes as usize {
        return Err(format!("wire_len says {len_bytes} bytes, the encoding has {}", buffer.len()));
    }
    let decoded = M::decode(buffer).map_err(|problem| format!("{problem}; the bytes are {buffer:02x?}"))?;
    if decoded.content_word() != message.content_word() {
        return Err(format!("the content changed on the way; the bytes are {buffer:02x?}"));
    }
    Ok(decoded)
}
