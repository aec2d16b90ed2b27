//! What is written: numbered records of a size.

use std::borrow::Cow;

use sink_core::{ConvertError, Entry};

/// Of so many records, one is looked at closely: its payload byte by byte, and its times. Looking
/// at all would cost more than the sink does.
pub const SAMPLE: u64 = 64;

/// Bytes of the number at the head of a fresh payload.
pub const NUMBER_LEN: usize = size_of::<u64>();

/// A record as the destination stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number, from 0; each is written once.
    pub number: u64,
    /// A copy of the template that begins with the number, little endian; or the template itself.
    pub payload: Cow<'static, [u8]>,
}

impl Entry for Record {
    fn size_bytes(&self) -> usize {
        self.payload.len()
    }
}

fn number_of(payload: &[u8]) -> Option<u64> {
    payload.first_chunk().map(|number| u64::from_le_bytes(*number))
}

/// What payloads are made of.
#[derive(Debug, Clone, Copy)]
pub struct Template {
    bytes: &'static [u8],
    fresh: bool,
}

impl Template {
    /// Payloads of so many bytes, at least [`NUMBER_LEN`]: a fresh copy for each record, or one for
    /// all. Lives as long as the program.
    pub fn new(size: usize, fresh: bool) -> Self {
        let bytes: Vec<u8> = (b' '..=b'~').cycle().take(size.max(NUMBER_LEN)).collect();
        Self { bytes: bytes.leak(), fresh }
    }

    /// The converter: the record of this number.
    ///
    /// # Errors
    ///
    /// Never.
    #[inline]
    pub fn record(&self, number: u64) -> Result<Record, ConvertError> {
        Ok(Record { number, payload: self.payload(number) })
    }

    /// The payload of the record of this number.
    #[inline]
    pub fn payload(&self, number: u64) -> Cow<'static, [u8]> {
        if !self.fresh {
            return Cow::Borrowed(self.bytes);
        }
        let mut payload = self.bytes.to_vec();
        if let Some(head) = payload.first_chunk_mut() {
            *head = number.to_le_bytes();
        }
        Cow::Owned(payload)
    }

    /// Whether this is what [`record`](Self::record) made of this number.
    #[inline]
    pub fn is_intact(&self, record: &Record) -> bool {
        let payload = &*record.payload;
        payload.len() == self.bytes.len()
            && (!self.fresh || number_of(payload) == Some(record.number))
            && (!record.number.is_multiple_of(SAMPLE)
                || payload.get(NUMBER_LEN..) == self.bytes.get(NUMBER_LEN..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_altered_record_is_not_intact() {
        for fresh in [true, false] {
            let template = Template::new(100, fresh);
            let record = template.record(2 * SAMPLE).unwrap();
            assert!(template.is_intact(&record));
            assert_eq!(record.size_bytes(), 100);
            for altered in [99, 8].into_iter().chain(fresh.then_some(0)) {
                let mut record = record.clone();
                record.payload.to_mut()[altered] ^= 1;
                assert!(!template.is_intact(&record), "byte {altered}");
            }
            let shorter = Record { payload: Cow::Owned(vec![0; 99]), ..record };
            assert!(!template.is_intact(&shorter));
        }
    }
}
