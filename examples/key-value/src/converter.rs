//! The first piece: an element becomes a pair.

use std::sync::Arc;

use sink_core::{Bytes, ConvertError, Entry};

/// What the service stores: a value under a key. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValueEntry {
    key: Arc<str>,
    value: Bytes,
}

impl KeyValueEntry {
    /// A pair, whose key has a tenant before its first `/`: `"acme/orders/17"`.
    ///
    /// # Errors
    ///
    /// When the key is empty, or longer than the 255 bytes that the service takes.
    pub fn new(key: &str, value: impl Into<Bytes>) -> Result<Self, ConvertError> {
        if key.is_empty() || key.len() > 255 {
            let length = key.len();
            return Err(ConvertError::new(format!(
                "the key `{key}` has {length} bytes: it must have 1 to 255"
            )));
        }
        Ok(Self { key: key.into(), value: value.into() })
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value.
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

impl Entry for KeyValueEntry {
    /// What the service meters: "a pair counts as its key, its value and 16 bytes".
    fn size_bytes(&self) -> usize {
        self.key.len() + self.value.len() + 16
    }
}
