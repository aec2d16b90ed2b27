//! What bodies in CBOR are written with: RFC 8949, lengths in their shortest form.

const BYTES: u8 = 0x40;
const TEXT: u8 = 0x60;
const LIST: u8 = 0x80;
const DOUBLE: u8 = 0xfb;

/// What ends a map or a list whose length is not written.
pub const END: u8 = 0xff;

/// Appends a text.
pub fn text(out: &mut Vec<u8>, text: &str) {
    head(out, TEXT, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Appends what begins a list; so many elements follow.
pub fn list(out: &mut Vec<u8>, length: usize) {
    head(out, LIST, length);
}

/// Appends a number, in nine bytes whatever it is.
pub fn double(out: &mut Vec<u8>, number: f64) {
    let mut bytes = [DOUBLE; 9];
    bytes[1..].copy_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&bytes);
}

/// Appends bytes.
pub(crate) fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    head(out, BYTES, bytes.len());
    out.extend_from_slice(bytes);
}

/// Type and length.
fn head(out: &mut Vec<u8>, kind: u8, length: usize) {
    let bytes = (length as u64).to_be_bytes();
    match length {
        0..=23 => out.push(kind | bytes[7]),
        24..=0xff => out.extend_from_slice(&[kind | 24, bytes[7]]),
        0x100..=0xffff => out.extend_from_slice(&[kind | 25, bytes[6], bytes[7]]),
        0x1_0000..=0xffff_ffff => {
            out.push(kind | 26);
            out.extend_from_slice(&bytes[4..]);
        }
        _ => {
            out.push(kind | 27);
            out.extend_from_slice(&bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_cbor::Encoder;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_is_what_the_sdk_writes(
            words in prop_oneof![".{0,300}", Just("x".repeat(0xffff)), Just("x".repeat(0x1_0000))],
            length in prop_oneof![0..300_usize, 0xfff0..0x1_0010_usize, any::<usize>()],
            number in any::<f64>(),
        ) {
            let mut ours = Vec::new();
            text(&mut ours, &words);
            bytes(&mut ours, words.as_bytes());
            list(&mut ours, length);
            double(&mut ours, number);
            let mut sdks = Encoder::new(Vec::new());
            sdks.str(&words).blob_bytes(words.as_bytes()).array(length).double(number);
            prop_assert_eq!(ours, sdks.into_writer());
        }
    }
}
