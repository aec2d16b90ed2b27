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
    fn encode(&self, bytes: &mut Appender<'_>) {
        bytes.extend_from_slice(self.0.as_bytes());
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        match str::from_utf8(&bytes) {
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
    Snapshot::from_bytes(bytes.to_vec())
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

/// Keeps a part of what it is decoded from. Its size is not what it needs as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    bytes: Bytes,
    size: usize,
}

impl Entry for Part {
    fn size_bytes(&self) -> usize {
        self.size
    }
}

impl SnapshotEntry for Part {
    fn encode(&self, bytes: &mut Appender<'_>) {
        use std::io::Write as _;
        bytes.push(self.size.to_le_bytes()[0]);
        bytes.write_all(&self.bytes).unwrap();
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        let size = usize::from(*bytes.first().ok_or("no size")?);
        Ok(Self { bytes: bytes.slice(1..), size })
    }
}

fn parts(parts: &[(&'static [u8], usize)]) -> Snapshot<Part> {
    let parts =
        parts.iter().map(|(bytes, size)| Part { bytes: Bytes::from_static(bytes), size: *size });
    Snapshot::new("log", parts.collect())
}

#[test]
fn an_entry_that_keeps_a_part_of_the_snapshot_copies_nothing() {
    let snapshot = parts(&[(b"first", 5), (b"", 0), (b"third", 9)]);
    let bytes = Bytes::from(snapshot.to_bytes());
    let decoded = Snapshot::<Part>::from_bytes(bytes.clone()).unwrap();
    assert_eq!(decoded, snapshot);
    let whole = bytes.as_ptr_range();
    for part in decoded.entries().iter().filter(|part| !part.bytes.is_empty()) {
        assert!(whole.contains(&part.bytes.as_ptr()), "{part:?}");
    }
    // What is restored is the same memory again.
    let first = decoded.entries()[0].clone();
    assert_eq!(first.bytes.as_ptr(), decoded.entries()[0].bytes.as_ptr());
    drop((bytes, decoded));
    assert_eq!(first.bytes, b"first"[..], "lives on without the others");
}

#[test]
fn sizes_that_are_far_off_are_only_a_guess() {
    let far_off = [0, 1, 1 << 20, 1 << 40, usize::MAX / 2, usize::MAX];
    for size in far_off {
        let snapshot = parts(&[(b"a", size), (&[7; 5000], size), (b"", size)]);
        let bytes = snapshot.to_bytes();
        // Magic, version, kind and count; three lengths; the entries; the checksum.
        assert_eq!(bytes.len(), 31 + 3 * 8 + 2 + 5001 + 1 + 4);
        assert!(bytes.capacity() < 4 * bytes.len(), "{size}: {} are kept", bytes.capacity());
        let decoded = Snapshot::<Part>::from_bytes(bytes).unwrap();
        let read: Vec<_> = decoded.entries().iter().map(|part| part.bytes.len()).collect();
        assert_eq!(read, [1, 5000, 0]);
    }
}

#[test]
fn what_an_entry_appends_is_what_stands_in_the_snapshot() {
    let part = Part { bytes: Bytes::from_static(b"data"), size: 3 };
    assert_eq!(part.to_bytes(), b"\x03data");
    let bytes = Snapshot::new("", vec![part]).to_bytes();
    assert_eq!(bytes[28..bytes.len() - 4], *b"\x05\0\0\0\0\0\0\0\x03data");
}

/// The same whichever of the processor's instructions there are, for all lengths and alignments.
#[test]
fn the_checksum_is_crc32c() {
    let bytes: Vec<u8> = (0..20_000_u32).map(|number| ((number * number) >> 3) as u8).collect();
    assert_eq!(::crc32c::crc32c(b"123456789"), 0xe306_9283, "the catalogue's check value");
    for start in 0..9 {
        for length in (0..600).chain([1023, 1024, 4096, 10_000, 19_990]) {
            let part = &bytes[start..start + length];
            assert_eq!(::crc32c::crc32c(part), crc32c(part), "{length} bytes from {start}");
        }
    }
}

fn any_parts() -> impl Strategy<Value = Snapshot<Part>> {
    let part = (vec(any::<u8>(), 0..40), any::<u8>());
    let part = part.prop_map(|(bytes, size)| Part { bytes: bytes.into(), size: size.into() });
    ("\\PC{0,12}", vec(part, 0..20)).prop_map(|(kind, parts)| Snapshot::new(kind, parts))
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
    fn shared_parts_are_read_as_they_were_written(snapshot in any_parts()) {
        let decoded = Snapshot::<Part>::from_bytes(snapshot.to_bytes()).unwrap();
        prop_assert_eq!(decoded, snapshot);
    }

    /// Changed bytes whose checksum is right are refused, or are what would be written.
    #[test]
    fn changed_bytes_under_a_right_checksum_are_refused_or_stand_for_themselves(
        snapshot in any_parts(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut contents = snapshot.to_bytes();
        contents.truncate(contents.len() - 4);
        let mut contents = contents.split_off(12);
        for (at, byte) in changes {
            let at = at.index(contents.len());
            contents[at] = byte;
        }
        let bytes = sealed(&contents);
        match Snapshot::<Part>::from_bytes(bytes.clone()) {
            Ok(decoded) => prop_assert_eq!(decoded.to_bytes(), bytes),
            Err(error) => prop_assert_eq!(error.kind(), ErrorKind::Snapshot),
        }
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
