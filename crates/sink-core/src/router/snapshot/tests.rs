use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{Appender, destination::Entry};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Blob(Vec<u8>);

impl Entry for Blob {
    fn size_bytes(&self) -> usize {
        self.0.len()
    }
}

impl SnapshotEntry for Blob {
    fn encode(&self, bytes: &mut Appender<'_>) {
        bytes.extend_from_slice(&self.0);
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        match bytes.first() {
            Some(b'!') => Err("begins with a '!'".to_owned()),
            _ => Ok(Self(bytes.to_vec())),
        }
    }
}

type Routes = RouterSnapshot<u32, Blob>;

fn of(routes: &[(u32, &[u8])]) -> Routes {
    RouterSnapshot::new(routes.iter().map(|(key, bytes)| {
        let entries = bytes.iter().map(|byte| Blob(vec![*byte])).collect();
        (*key, Snapshot::new("log", entries))
    }))
}

fn refusal(bytes: &[u8]) -> String {
    let error = Routes::from_bytes(bytes.to_vec()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Snapshot);
    error.to_string()
}

/// Version 1, byte for byte: what was written with it must stay readable for ever.
const VERSION_1: &str = "53494e4b524f5554 01000000 \
    0200000000000000 \
    010000000000000037 \
    2c00000000000000 \
    53494e4b534e415001000000 \
    03000000000000006c6f67 \
    0100000000000000 \
    010000000000000061 \
    fa64bd92 \
    02000000000000003132 \
    3500000000000000 \
    53494e4b534e415001000000 \
    03000000000000006c6f67 \
    0200000000000000 \
    010000000000000062010000000000000063 \
    cb60c948 \
    5312d11d";

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    let bytes = (0..digits.len()).step_by(2);
    bytes.map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn version_1_stays_readable() {
    let snapshot = of(&[(7, b"a"), (12, b"bc")]);
    assert_eq!(Routes::from_bytes(hex(VERSION_1)).unwrap(), snapshot);
    assert_eq!(snapshot.to_bytes(), hex(VERSION_1), "and is what is written");
}

#[test]
fn routes_without_entries_are_left_out() {
    let snapshot = of(&[(1, b""), (2, b"ab")]);
    assert_eq!(snapshot.routes().map(|(key, _)| *key).collect::<Vec<_>>(), [2]);
    assert_eq!((snapshot.len(), snapshot.is_empty(), snapshot.get(&1)), (2, false, None));
    assert!(of(&[(1, b"")]).is_empty());
}

#[test]
fn a_snapshot_of_a_single_sink_is_told_from_one_of_a_router() {
    let single = Snapshot::new("log", vec![Blob(vec![1])]).to_bytes();
    let expected = r#"decode: this is no router snapshot: it begins with "SINKSNAP", a router snapshot with "SINKROUT""#;
    assert_eq!(refusal(&single), expected);
}

#[test]
fn a_newer_version_is_refused() {
    let mut bytes = of(&[]).to_bytes();
    bytes[8] = 9;
    assert_eq!(
        refusal(&bytes),
        "decode: the router snapshot has format version 9; this program reads 1 to 1"
    );
}

#[test]
fn a_key_that_cannot_be_parsed_is_named() {
    let snapshot = Snapshot::new("log", vec![Blob(vec![1])]);
    let bytes = RouterSnapshot::new([("seven".to_owned(), snapshot)]).to_bytes();
    assert_eq!(
        refusal(&bytes),
        "decode: route 1 of 1 cannot be read: invalid digit found in string (route=seven)"
    );
}

#[test]
fn an_entry_that_is_refused_is_named_with_its_route() {
    assert_eq!(
        refusal(&of(&[(1, b"a"), (2, b"a!")]).to_bytes()),
        "decode: route 2 of 2 cannot be read: decode: entry 2 of 2 cannot be read: begins with a \
         '!' (kind=log) (route=2)"
    );
}

#[test]
fn a_route_that_is_there_twice_is_refused() {
    let mut bytes = Vec::new();
    let mut writer = FORMAT.writer(&mut bytes);
    writer.number(2);
    for text in ["7", "07"] {
        writer.bytes(text.as_bytes());
        writer.bytes(&Snapshot::new("log", vec![Blob(vec![1])]).to_bytes());
    }
    writer.finish();
    assert_eq!(
        refusal(&bytes),
        "decode: route 2 of 2 cannot be read: it was there before (route=07)"
    );
}

fn any_routes() -> impl Strategy<Value = Routes> {
    let entry = vec(any::<u8>().prop_filter("refused", |byte| *byte != b'!'), 0..5);
    vec((any::<u32>(), vec(entry, 1..5)), 0..5).prop_map(|routes| {
        RouterSnapshot::new(routes.into_iter().map(|(key, entries)| {
            (key, Snapshot::new("log", entries.into_iter().map(Blob).collect()))
        }))
    })
}

proptest! {
    #[test]
    fn what_is_written_is_what_is_read(snapshot in any_routes()) {
        prop_assert_eq!(Routes::from_bytes(snapshot.to_bytes()).unwrap(), snapshot);
    }

    #[test]
    fn any_flipped_bit_is_an_error(snapshot in any_routes(), at in any::<prop::sample::Index>()) {
        let mut bytes = snapshot.to_bytes();
        let bit = at.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Routes::from_bytes(bytes).is_err());
    }

    #[test]
    fn any_truncation_is_an_error(snapshot in any_routes(), at in any::<prop::sample::Index>()) {
        let bytes = snapshot.to_bytes();
        prop_assert!(Routes::from_bytes(bytes[..at.index(bytes.len())].to_vec()).is_err());
    }

    #[test]
    fn no_bytes_make_it_panic(count in any::<u64>(), bytes in vec(any::<u8>(), 0..200)) {
        drop(Routes::from_bytes(bytes.clone()));
        let mut sealed = Vec::new();
        let mut writer = FORMAT.writer(&mut sealed);
        writer.number(usize::try_from(count).unwrap());
        writer.bytes(b"1");
        writer.bytes(&bytes);
        writer.finish();
        drop(Routes::from_bytes(sealed));
    }
}
