use proptest::{collection::vec, prelude::*};

use super::*;

/// Text; must not begin with '!'.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Text(String);

impl Entry for Text {
    fn size_bytes(&self) -> usize {
        self.0.len()
    }
}

impl SnapshotEntry for Text {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.0.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        match str::from_utf8(bytes) {
            Ok(text) if text.starts_with('!') => Err(format!("{text} begins with a '!'")),
            Ok(text) => Ok(Self(text.to_owned())),
            Err(error) => Err(error.to_string()),
        }
    }
}

fn texts(texts: &[&str]) -> Snapshot<Text> {
    Snapshot::new("log", texts.iter().map(|text| Text((*text).to_owned())).collect())
}

fn decode(bytes: &[u8]) -> Result<Snapshot<Text>, Error> {
    Snapshot::from_bytes(bytes)
}

/// What the error says, which must be of the right kind.
fn refusal(bytes: &[u8]) -> String {
    let error = decode(bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Snapshot);
    error.to_string()
}

/// These contents with a valid beginning and a valid checksum.
fn sealed(contents: &[u8]) -> Vec<u8> {
    let mut bytes = [&b"SINKSNAP\x01\0\0\0"[..], contents].concat();
    bytes.extend(crc32c(&bytes).to_le_bytes());
    bytes
}

/// CRC32C bit by bit, so that the crate's is not its own witness.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}

/// Version 1, byte for byte: what was written with it must stay readable for ever.
const VERSION_1: &str = "53494e4b534e4150 01000000 \
    0300000000000000 6c6f67 \
    0300000000000000 \
    0500000000000000 6669727374 \
    0000000000000000 \
    0900000000000000 c3bc6265722074776f \
    da2f57f6";

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn version_1_stays_readable() {
    let snapshot = texts(&["first", "", "über two"]);
    assert_eq!(decode(&hex(VERSION_1)).unwrap(), snapshot);
    assert_eq!(snapshot.to_bytes(), hex(VERSION_1), "and is what is written");
}

#[test]
fn an_empty_snapshot_is_one_too() {
    let snapshot = texts(&[]);
    assert_eq!(decode(&snapshot.to_bytes()).unwrap(), snapshot);
}

#[test]
fn what_is_not_a_snapshot_is_called_so() {
    assert_eq!(
        refusal(b"PK\x03\x04 a zip file"),
        r#"decode: this is no snapshot: it begins with "PK\x03\x04 a z", a snapshot with "SINKSNAP""#
    );
    assert_eq!(
        refusal(b"{}"),
        r#"decode: this is no snapshot: it begins with "{}", a snapshot with "SINKSNAP""#
    );
}

#[test]
fn a_newer_version_is_refused_with_the_versions_that_are_read() {
    let mut bytes = texts(&["a"]).to_bytes();
    bytes[8] = 2;
    let expected = "decode: the snapshot has format version 2; this program reads 1 to 1";
    assert_eq!(refusal(&bytes), expected);
}

#[test]
fn a_truncated_snapshot_is_called_so() {
    assert_eq!(refusal(b""), "decode: the snapshot is truncated: it ends after 0 bytes");
    assert_eq!(refusal(b"SINK"), "decode: the snapshot is truncated: it ends after 4 bytes");
    assert_eq!(
        refusal(b"SINKSNAP\x01"),
        "decode: the snapshot is truncated: it ends after 9 bytes"
    );
    let bytes = texts(&["a"]).to_bytes();
    let said = refusal(&bytes[..bytes.len() - 1]);
    assert!(said.contains("corrupt or truncated: its 43 bytes end with the checksum"), "{said}");
}

#[test]
fn a_corrupt_snapshot_is_called_so_whatever_else_the_damage_makes_wrong() {
    let mut bytes = texts(&["a"]).to_bytes();
    bytes[12] = 0xff; // the kind's length, which then passes the end
    let said = refusal(&bytes);
    assert!(said.starts_with("decode: the snapshot is corrupt or truncated: "), "{said}");
}

#[test]
fn contents_that_do_not_fit_their_lengths_are_refused() {
    let kind = [&3_u64.to_le_bytes()[..], b"log"].concat();
    let with = |rest: &[&[u8]]| refusal(&sealed(&[&kind, &rest.concat()[..]].concat()));
    assert_eq!(
        refusal(&sealed(&[0, 0])),
        "decode: the snapshot ends within its kind: 2 bytes are left, 8 are needed"
    );
    assert_eq!(
        refusal(&sealed(&[&u64::MAX.to_le_bytes()[..], b"log"].concat())),
        "decode: the snapshot says that its kind has 18446744073709551615 bytes, but 3 are left"
    );
    assert_eq!(
        refusal(&sealed(&[&1_u64.to_le_bytes()[..], b"\xff"].concat())),
        "decode: the snapshot's kind is not UTF-8"
    );
    assert_eq!(
        with(&[&u64::MAX.to_le_bytes()]),
        "decode: the snapshot ends within its entry: 0 bytes are left, 8 are needed"
    );
    assert_eq!(
        with(&[&1_u64.to_le_bytes(), &9_u64.to_le_bytes(), b"short"]),
        "decode: the snapshot says that its entry has 9 bytes, but 5 are left"
    );
    assert_eq!(
        with(&[&0_u64.to_le_bytes(), b"more"]),
        "decode: 4 bytes follow the end of the snapshot"
    );
}

#[test]
fn an_entry_that_is_refused_is_named_with_the_words() {
    let bytes = texts(&["fine", "!no", "fine"]).to_bytes();
    assert_eq!(
        refusal(&bytes),
        "decode: entry 2 of 3 cannot be read: !no begins with a '!' (kind=log)"
    );
}

fn any_snapshot() -> impl Strategy<Value = Snapshot<Text>> {
    ("\\PC{0,12}", vec("[^!]\\PC{0,20}|", 0..20))
        .prop_map(|(kind, entries)| Snapshot::new(kind, entries.into_iter().map(Text).collect()))
}

proptest! {
    #[test]
    fn what_is_written_is_what_is_read(snapshot in any_snapshot()) {
        prop_assert_eq!(decode(&snapshot.to_bytes()).unwrap(), snapshot);
    }

    #[test]
    fn any_flipped_bit_is_an_error(snapshot in any_snapshot(), at in any::<prop::sample::Index>()) {
        let mut bytes = snapshot.to_bytes();
        let bit = at.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(decode(&bytes).unwrap_err().kind(), ErrorKind::Snapshot);
    }

    #[test]
    fn any_truncation_is_an_error(snapshot in any_snapshot(), at in any::<prop::sample::Index>()) {
        let bytes = snapshot.to_bytes();
        let cut = &bytes[..at.index(bytes.len())];
        prop_assert_eq!(decode(cut).unwrap_err().kind(), ErrorKind::Snapshot);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..200)) {
        drop(decode(&bytes));
        // With a valid frame around them, they get past the checksum. What is then accepted is
        // exactly what would be written.
        let bytes = sealed(&bytes);
        if let Ok(snapshot) = decode(&bytes) {
            prop_assert_eq!(snapshot.to_bytes(), bytes);
        }
    }
}
