//! How an element becomes the data of a record.

use std::{error::Error as StdError, fmt};

use bytes::Bytes;
use sink_core::ConvertError;

/// Any error, such as a serializer's.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The closure that makes a record's data from an element.
pub struct Serializer<T>(Box<Serialize<T>>);

type Serialize<T> = dyn Fn(&T) -> Result<Bytes, BoxError> + Send + Sync;

impl<T> Serializer<T> {
    /// Of this closure, such as `serde_json::to_vec::<Event>`.
    pub fn new<B, E>(serialize: impl Fn(&T) -> Result<B, E> + Send + Sync + 'static) -> Self
    where
        B: Into<Bytes>,
        E: Into<BoxError>,
    {
        Self(Box::new(move |element| serialize(element).map(Into::into).map_err(Into::into)))
    }

    /// The data. `which` says for the message which element it is, such as `" with the key k7"`.
    ///
    /// # Errors
    ///
    /// When the closure fails; its error is the source.
    pub fn serialize(
        &self,
        element: &T,
        which: impl FnOnce() -> String,
    ) -> Result<Bytes, ConvertError> {
        (self.0)(element).map_err(|error| {
            ConvertError::new(format!("cannot serialize the element{}: {error}", which()))
                .with_source(error)
        })
    }
}

impl<T> fmt::Debug for Serializer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serializer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_becomes_data_or_an_error_that_names_it() {
        let serializer = Serializer::new(|number: &u8| match number {
            0 => Err("nothing to say"),
            _ => Ok(number.to_string()),
        });
        assert_eq!(serializer.serialize(&7, || unreachable!()).unwrap(), "7");
        for (which, expected) in [
            ("", "cannot serialize the element: nothing to say"),
            (" number 3", "cannot serialize the element number 3: nothing to say"),
        ] {
            let error = serializer.serialize(&0, || which.to_owned()).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert_eq!(error.source().unwrap().to_string(), "nothing to say");
        }
    }
}
