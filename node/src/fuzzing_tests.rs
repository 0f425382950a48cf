//! A bounded run through every door in each test run: the fuzzer's examples, and what becomes of them by chance.

use super::*;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;
use std::path::Path;

/// The fuzzer's examples for one of its targets, in the order of their names.
fn examples(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let entries = std::fs::read_dir(&folder).expect("the examples are there");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    let examples: Vec<_> = paths.iter().map(|path| std::fs::read(path).expect("it can be read")).collect();
    assert!(!examples.is_empty(), "{} has examples", folder.display());
    examples
}

/// One change of some bytes.
#[derive(Clone, Debug)]
enum Mutation {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Cut(Index, Index),
    Repeat(Index, Index),
    End(Index),
}

impl Mutation {
    fn any() -> impl Strategy<Value = Self> {
        // What the formats themselves are made of is worth more than any byte.
        let piece = prop_oneof![
            prop::collection::vec(any::<u8>(), 1..9),
            prop::sample::select(b"\"{}[]:,=&%#\n\0\xff9-+./".to_vec()).prop_map(|byte| vec![byte]),
        ];
        prop_oneof![
            (any::<Index>(), 1_u8..).prop_map(|(at, change)| Self::Flip(at, change)),
            (any::<Index>(), piece).prop_map(|(at, piece)| Self::Insert(at, piece)),
            (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Self::Cut(from, to)),
            (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Self::Repeat(from, to)),
            any::<Index>().prop_map(Self::End),
        ]
    }

    fn apply(&self, bytes: &mut Vec<u8>) {
        let place = |index: &Index| index.index(bytes.len() + 1);
        let span = |from: &Index, to: &Index| place(from).min(place(to))..place(from).max(place(to));
        match self {
            Self::Flip(at, change) => {
                let at = place(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= change;
                }
            }
            Self::Insert(at, piece) => {
                let at = place(at);
                bytes.splice(at..at, piece.iter().copied());
            }
            Self::Cut(from, to) => {
                let span = span(from, to);
                bytes.drain(span);
            }
            Self::Repeat(from, to) => {
                let again = bytes[span(from, to)].to_vec();
                bytes.extend(again);
            }
            Self::End(at) => {
                let at = place(at);
                bytes.truncate(at);
            }
        }
    }
}

/// One of the examples, changed a few times or not at all; sometimes any bytes.
fn changed(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let mutated = (prop::sample::select(examples(target)), prop::collection::vec(Mutation::any(), 0..5))
        .prop_map(|(mut bytes, mutations)| {
            mutations.iter().for_each(|mutation| mutation.apply(&mut bytes));
            bytes
        });
    prop_oneof![7 => mutated, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_bytes_are_origins_or_an_error_that_says_why(bytes in changed("document")) {
        document(&bytes);
    }

    #[test]
    fn any_text_is_a_file_of_settings_or_an_error_that_says_why(bytes in changed("settings")) {
        settings(&text(&bytes));
    }

    #[test]
    fn any_text_is_a_query_or_an_error_that_says_why(bytes in changed("query")) {
        query(&text(&bytes));
    }

    #[test]
    fn any_bytes_are_frames_of_a_stream_or_end_it(bytes in changed("stream")) {
        stream(&sealers(), &bytes);
    }

    #[test]
    fn no_bytes_are_a_datagram_but_those_that_were_sealed(
        arrives in changed("datagram"), packet in changed("datagram"), at: u16, change: u8,
    ) {
        datagram(&sealers(), &arrives, &packet, at, change);
    }
}
