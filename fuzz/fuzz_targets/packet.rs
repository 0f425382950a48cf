//! Any bytes are a packet or an error; what is a packet stays the same when it is encoded and decoded again, and its
//! length is what it says.
#![no_main]

use heck_core::codec::{decode_packet, encode_packet, packet_len};
use heck_core::packet::Packet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (mut first, mut second) = (Packet::default(), Packet::default());
    if decode_packet(bytes, &mut first).is_err() {
        return;
    }
    let mut encoded = Vec::new();
    encode_packet(&first, &mut encoded);
    assert_eq!(encoded.len(), packet_len(&first));
    decode_packet(&encoded, &mut second).expect("what was encoded can be decoded");
    assert_eq!(first, second);
});
