//! Any bytes are a record or an input, or an error: what is read from a damaged journal or recording.
#![no_main]

use heck_core::codec::{decode_input, decode_record, encode_input, encode_record};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = decode_record(bytes) {
        let mut encoded = Vec::new();
        encode_record(&record, &mut encoded);
        assert_eq!(decode_record(&encoded).as_ref(), Ok(&record));
    }
    if let Ok(input) = decode_input(bytes) {
        let mut encoded = Vec::new();
        encode_input(input.as_input(), &mut encoded);
        assert_eq!(decode_input(&encoded).as_ref(), Ok(&input));
    }
});
