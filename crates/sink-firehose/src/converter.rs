//! The first piece: an element becomes a Firehose record.

use std::fmt;

use bytes::{Bytes, BytesMut};
use sink_aws::{BoxError, Serializer};
use sink_core::{ConvertError, ElementConverter, Entry};

/// One Firehose record, cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct FirehoseEntry {
    data: Bytes,
}

impl FirehoseEntry {
    /// A record of these data, to which nothing is added. Firehose joins records as they are: for
    /// lines in a file, the data must end with a newline.
    pub fn new(data: impl Into<Bytes>) -> Self {
        Self { data: data.into() }
    }

    /// What the record carries, a delimiter included.
    pub fn data(&self) -> &Bytes {
        &self.data
    }
}

impl Entry for FirehoseEntry {
    /// Data before base64: "each record in the request can be as large as 1,000 KB (before base64
    /// encoding)". The reference does not say whether a request's 4 MB are meant before base64 as
    /// well; other programs that write to Firehose count them so.
    fn size_bytes(&self) -> usize {
        self.data.len()
    }
}

/// Shows how much data there are, and not which: logs are no place for them.
impl fmt::Debug for FirehoseEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirehoseEntry").field("data_len", &self.data.len()).finish()
    }
}

/// Makes records from elements: a serializer gives the data, and a delimiter may end them.
///
/// ```
/// use sink_firehose::FirehoseConverter;
///
/// struct Reading { station: String, celsius: f64 }
///
/// let converter = FirehoseConverter::new(|reading: &Reading| {
///     Ok::<_, std::fmt::Error>(format!("{},{:.1}", reading.station, reading.celsius))
/// })
/// .delimiter("\n");
/// # let _ = converter;
/// ```
///
/// A closure `Fn(T) -> Result<FirehoseEntry, ConvertError>` is a converter as well, and may take
/// the element apart; see also [`as_is`].
#[derive(Debug)]
pub struct FirehoseConverter<T> {
    serializer: Serializer<T>,
    delimiter: Bytes,
}

impl<T> FirehoseConverter<T> {
    /// With this serializer and no delimiter.
    pub fn new<B, E>(serialize: impl Fn(&T) -> Result<B, E> + Send + Sync + 'static) -> Self
    where
        B: Into<Bytes>,
        E: Into<BoxError>,
    {
        Self { serializer: Serializer::new(serialize), delimiter: Bytes::new() }
    }

    /// Ends each record with these bytes, such as a newline: Firehose puts nothing between the
    /// records of a file. They count towards the record's size. Data that end with them already
    /// are left as they are, so that a serializer which writes lines makes no empty ones.
    #[must_use]
    pub fn delimiter(mut self, delimiter: impl Into<Bytes>) -> Self {
        self.delimiter = delimiter.into();
        self
    }
}

impl<T: 'static> ElementConverter<T> for FirehoseConverter<T> {
    type Entry = FirehoseEntry;

    fn convert(&self, element: T) -> Result<FirehoseEntry, ConvertError> {
        let data = self.serializer.serialize(&element, String::new)?;
        if data.ends_with(&self.delimiter) {
            return Ok(FirehoseEntry::new(data));
        }
        // Copies only data that somebody else holds too.
        let mut data = BytesMut::from(data);
        data.extend_from_slice(&self.delimiter);
        Ok(FirehoseEntry::new(data))
    }
}

/// A converter for elements that are records already.
///
/// # Errors
///
/// Never.
pub fn as_is(entry: FirehoseEntry) -> Result<FirehoseEntry, ConvertError> {
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use proptest::prelude::*;

    use super::*;

    fn converter() -> FirehoseConverter<Vec<u8>> {
        FirehoseConverter::new(|data: &Vec<u8>| Ok::<_, BoxError>(data.clone()))
    }

    #[test]
    fn a_delimiter_ends_each_record_once_and_counts() {
        for (delimiter, data, expected) in [
            ("", "a", "a"),
            ("", "", ""),
            ("\n", "a", "a\n"),
            ("\n", "", "\n"),
            ("\n", "a\n", "a\n"),
            ("\n", "a\n\n", "a\n\n"),
            ("\n", "\na", "\na\n"),
            ("\r\n", "a\n", "a\n\r\n"),
            ("\r\n", "a\r\n", "a\r\n"),
            ("é", "a", "aé"),
        ] {
            let entry = converter().delimiter(delimiter).convert(data.into()).unwrap();
            assert_eq!(entry.data(), expected, "{data:?} and {delimiter:?}");
            assert_eq!(entry.size_bytes(), expected.len(), "{data:?} and {delimiter:?}");
        }
    }

    #[test]
    fn shared_data_are_not_changed_by_a_delimiter() {
        let data = Bytes::from(vec![b'a'; 100]);
        let shared = data.clone();
        let converter = FirehoseConverter::new(move |(): &()| Ok::<_, BoxError>(shared.clone()));
        let plain = converter.convert(()).unwrap();
        assert_eq!(plain.data().as_ptr(), data.as_ptr(), "not copied");
        let delimited = converter.delimiter("\n").convert(()).unwrap();
        assert_eq!((delimited.size_bytes(), data.len()), (101, 100));
    }

    #[test]
    fn an_element_that_cannot_be_serialized_is_refused_with_the_reason() {
        let failing = FirehoseConverter::new(|_: &u8| Err::<Bytes, _>("no such field"));
        let error = failing.convert(7).unwrap_err();
        assert_eq!(error.to_string(), "cannot serialize the element: no such field");
        assert!(error.source().is_some());
    }

    #[test]
    fn records_need_no_converter_of_their_own() {
        let entry = FirehoseEntry::new(vec![1, 2, 3]);
        assert_eq!(as_is(entry.clone()).unwrap(), entry);
        assert_eq!(entry.data().as_ref(), [1, 2, 3]);
    }

    #[test]
    fn debug_does_not_show_the_data() {
        assert_eq!(format!("{:?}", FirehoseEntry::new("private")), "FirehoseEntry { data_len: 7 }");
    }

    proptest! {
        #[test]
        fn data_begin_a_record_that_ends_with_the_delimiter(
            data in prop::collection::vec(0_u8..3, 0..10),
            delimiter in prop::collection::vec(0_u8..3, 0..3),
        ) {
            let entry = converter().delimiter(delimiter.clone()).convert(data.clone()).unwrap();
            prop_assert!(entry.data().starts_with(&data));
            prop_assert!(entry.data().ends_with(&delimiter));
            prop_assert!(entry.size_bytes() == data.len()
                || entry.size_bytes() == data.len() + delimiter.len());
        }
    }
}
