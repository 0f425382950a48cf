//! What is written down comes back as it was, and bytes that are nothing of the kind are refused.

mod values;

use heck_core::codec::{
    decode_input, decode_packet, decode_record, encode_input, encode_packet, encode_record, packet_len,
};
use heck_core::entry::{OriginSpec, TARGET_LIMIT, VALUE_LIMIT};
use heck_core::id::Name;
use heck_core::input::{Command, Input, OwnedInput};
use heck_core::packet::Packet;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn fixed(seed: u64) -> ProptestConfig {
    ProptestConfig { rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(fixed(1))]

    #[test]
    fn records_come_back_and_no_part_of_one_is_a_record(record in values::record(), cut in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        encode_record(&record, &mut bytes);
        prop_assert_eq!(decode_record(&bytes), Ok(record));
        prop_assert!(decode_record(&bytes[..cut.index(bytes.len())]).is_err());
        bytes.push(0);
        prop_assert!(decode_record(&bytes).is_err());
    }

    #[test]
    fn inputs_come_back_and_no_part_of_one_is_an_input(input in values::input(), cut in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        encode_input(input.as_input(), &mut bytes);
        prop_assert_eq!(OwnedInput::from(input.as_input()), input.clone());
        prop_assert_eq!(decode_input(&bytes), Ok(input));
        prop_assert!(decode_input(&bytes[..cut.index(bytes.len())]).is_err());
        bytes.push(0);
        prop_assert!(decode_input(&bytes).is_err());
    }

    #[test]
    fn packets_come_back_and_have_the_stated_length(packet in values::packet()) {
        let mut bytes = Vec::new();
        encode_packet(&packet, &mut bytes);
        prop_assert_eq!(bytes.len(), packet_len(&packet));
        let mut decoded = Packet::default();
        prop_assert_eq!(decode_packet(&bytes, &mut decoded), Ok(()));
        prop_assert_eq!(decoded, packet);
    }

    #[test]
    fn damaged_bytes_are_refused_or_read_as_something_that_can_be_written(
        input in values::input(), at in any::<prop::sample::Index>(), bits in 1_u8..
    ) {
        let mut bytes = Vec::new();
        encode_input(input.as_input(), &mut bytes);
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        if let Ok(other) = decode_input(&bytes) {
            let mut again = Vec::new();
            encode_input(other.as_input(), &mut again);
            prop_assert_eq!(decode_input(&again), Ok(other));
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_input(&bytes);
        let _ = decode_record(&bytes);
        let _ = decode_packet(&bytes, &mut Packet::default());
    }
}

#[test]
fn a_command_that_the_node_refuses_for_its_size_is_recorded_all_the_same() {
    let name = Name::new("n").unwrap();
    let too_long = OriginSpec::new(&"x".repeat(TARGET_LIMIT + 1));
    let commands = [
        Command::PutKey { name: name.clone(), value: vec![7; VALUE_LIMIT + 1].into() },
        Command::Publish { topic: name.clone(), payload: vec![7; VALUE_LIMIT + 1].into() },
        Command::PutOrigin { name: name.clone(), spec: too_long, source: name },
    ];
    for command in commands {
        let mut bytes = Vec::new();
        encode_input(Input::Command { token: 1, command: &command }, &mut bytes);
        assert_eq!(decode_input(&bytes), Ok(OwnedInput::Command { token: 1, command }));
    }
}
