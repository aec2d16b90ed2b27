//! Which records a request carries: read out of its body without parsing all of it.
//!
//! The server must be faster than the client that is measured. So it looks for where the data of a
//! record begin, reads the number at their head, and jumps to where they must end; of some records it
//! reads the payload whole. Whatever is not where it belongs is a record that is not what was written.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use memchr::memmem::Finder;

use super::{plan::Service, source::number_of};
use crate::speed::record::{NUMBER_LEN, Record, SAMPLE, Template};

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// awsJson1.1: data are base64.
    Json,
    /// awsCbor1.1: data are bytes.
    Cbor,
    /// RPC v2 with CBOR: metrics.
    Metrics,
}

impl Encoding {
    /// Of a request with this content type, to this service.
    pub fn of(service: Service, content_type: &str) -> Option<Self> {
        match (service, content_type) {
            (Service::Cloudwatch, "application/cbor") => Some(Self::Metrics),
            (Service::Kinesis | Service::Firehose, "application/x-amz-json-1.1") => {
                Some(Self::Json)
            }
            (Service::Kinesis | Service::Firehose, "application/x-amz-cbor-1.1") => {
                Some(Self::Cbor)
            }
            _ => None,
        }
    }

    /// The content type of an answer to such a request.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => "application/x-amz-cbor-1.1",
            Self::Metrics => "application/cbor",
        }
    }
}

/// Reads the bodies of requests.
#[derive(Debug)]
pub struct Reader {
    template: Template,
    size: usize,
    json: Finder<'static>,
    cbor: Finder<'static>,
    metrics: Finder<'static>,
}

/// Characters of base64 that hold the number, and a byte more.
const HEAD_CHARS: usize = 12;

impl Reader {
    /// For records with payloads of so many bytes.
    pub fn new(size: usize) -> Self {
        Self {
            template: Template::new(size, true),
            size,
            json: Finder::new(b"\"Data\":\"").into_owned(),
            cbor: Finder::new(&[b"\x64Data", &*bytes_head(size)].concat()).into_owned(),
            metrics: Finder::new(b"\x65Value\xfb").into_owned(),
        }
    }

    /// Shows each record of a body, in order: its number, or `None` for one that is not what was
    /// written.
    pub fn each(&self, encoding: Encoding, body: &[u8], mut see: impl FnMut(Option<u64>)) {
        let (finder, len) = match encoding {
            Encoding::Json => (&self.json, self.size.div_ceil(3) * 4),
            Encoding::Cbor => (&self.cbor, self.size),
            Encoding::Metrics => (&self.metrics, size_of::<f64>()),
        };
        let mut rest = body;
        while let Some(at) = finder.find(rest) {
            let data = rest.get(at + finder.needle().len()..).unwrap_or_default();
            let (data, after) = data.split_at_checked(len).unwrap_or_default();
            see(match encoding {
                Encoding::Json if after.first() != Some(&b'"') => None,
                Encoding::Json => self.number_in_base64(data),
                Encoding::Cbor => self.number_in_payload(data),
                Encoding::Metrics => {
                    data.try_into().ok().map(f64::from_be_bytes).and_then(number_of)
                }
            });
            rest = after;
        }
    }

    fn number_in_base64(&self, text: &[u8]) -> Option<u64> {
        let mut head = [0; HEAD_CHARS / 4 * 3];
        STANDARD.decode_slice(text.get(..HEAD_CHARS)?, &mut head).ok()?;
        let number = number_at_head(&head)?;
        if !number.is_multiple_of(SAMPLE) {
            return Some(number);
        }
        self.number_in_payload(&STANDARD.decode(text).ok()?)
    }

    fn number_in_payload(&self, payload: &[u8]) -> Option<u64> {
        let number = number_at_head(payload)?;
        if !number.is_multiple_of(SAMPLE) {
            return Some(number);
        }
        let record = Record { number, payload: Cow::Owned(payload.to_vec()) };
        self.template.is_intact(&record).then_some(number)
    }
}

fn number_at_head(payload: &[u8]) -> Option<u64> {
    payload.first_chunk::<NUMBER_LEN>().map(|number| u64::from_le_bytes(*number))
}

/// How CBOR announces so many bytes.
fn bytes_head(len: usize) -> Vec<u8> {
    const BYTES: u8 = 2 << 5;
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..24), _) => vec![BYTES | len],
        (Ok(len), _) => vec![BYTES | 24, len],
        (_, Ok(len)) => [&[BYTES | 25], &len.to_be_bytes()[..]].concat(),
        _ => [&[BYTES | 26], &(len as u32).to_be_bytes()[..]].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(size: usize, encoding: Encoding, body: &[u8]) -> Vec<Option<u64>> {
        let mut seen = Vec::new();
        Reader::new(size).each(encoding, body, |number| seen.push(number));
        seen
    }

    fn json(payloads: &[Vec<u8>]) -> String {
        let records: Vec<_> = payloads
            .iter()
            .map(|payload| {
                format!(r#"{{"Data":"{}","PartitionKey":"k"}}"#, STANDARD.encode(payload))
            })
            .collect();
        format!(r#"{{"Records":[{}],"StreamName":"s"}}"#, records.join(","))
    }

    fn cbor(payloads: &[Vec<u8>]) -> Vec<u8> {
        payloads.iter().fold(Vec::new(), |mut body, payload| {
            body.extend_from_slice(b"\x64Data");
            body.extend_from_slice(&bytes_head(payload.len()));
            body.extend_from_slice(payload);
            body.extend_from_slice(b"\x6cPartitionKey\x61k");
            body
        })
    }

    fn payloads(size: usize, numbers: &[u64]) -> Vec<Vec<u8>> {
        let template = Template::new(size, true);
        numbers.iter().map(|number| template.payload(*number).into_owned()).collect()
    }

    #[test]
    fn each_record_is_seen_in_order() {
        let numbers = [64, 7, 1 << 33, 0];
        let expected = numbers.map(Some);
        for size in [8, 9, 10, 23, 24, 100, 1024, 10_240, 65_536] {
            let payloads = payloads(size, &numbers);
            assert_eq!(seen(size, Encoding::Json, json(&payloads).as_bytes()), expected, "{size}");
            assert_eq!(seen(size, Encoding::Cbor, &cbor(&payloads)), expected, "{size}");
        }
    }

    #[test]
    fn a_record_that_was_altered_or_has_another_length_is_none() {
        let mut altered = payloads(100, &[64, 7]);
        altered[0][99] ^= 1;
        assert_eq!(seen(100, Encoding::Json, json(&altered).as_bytes()), [None, Some(7)]);
        assert_eq!(seen(100, Encoding::Cbor, &cbor(&altered)), [None, Some(7)]);
        let mut longer = payloads(100, &[1, 2]);
        longer[0].extend_from_slice(b"more");
        assert_eq!(seen(100, Encoding::Json, json(&longer).as_bytes()), [None, Some(2)]);
        assert_eq!(seen(100, Encoding::Cbor, &cbor(&longer)), [Some(2)]); // one is missing then
        let text = json(&payloads(100, &[1]));
        assert_eq!(seen(100, Encoding::Json, &text.as_bytes()[..60]), [None], "cut");
    }

    #[test]
    fn what_looks_like_a_record_within_a_payload_is_none() {
        let mut tricky = payloads(100, &[1, 2]);
        tricky[0][20..27].copy_from_slice(b"\x64Data\x58\x64");
        assert_eq!(seen(100, Encoding::Cbor, &cbor(&tricky)), [Some(1), Some(2)]);
    }

    #[test]
    fn a_datum_tells_its_number_by_its_value() {
        let body = [b"\x65Value\xfb", &(5.0 * 0.37_f64).to_be_bytes()[..]].concat();
        assert_eq!(seen(0, Encoding::Metrics, &body), [Some(5)]);
        let body = [b"\x65Value\xfb", &5.0_f64.to_be_bytes()[..]].concat();
        assert_eq!(seen(0, Encoding::Metrics, &body), [None]);
        // A dimension's value is a text.
        assert_eq!(seen(0, Encoding::Metrics, b"\x65Value\x68checkout"), []);
    }
}
