//! What the tests write.

use std::hash::{DefaultHasher, Hasher};

/// A small event that knows whether it arrived whole: a number, a checksum and some text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Event {
    /// Which event it is, from 0.
    pub id: u64,
}

impl Event {
    /// The events 0, 1, 2 and so on, `count` of them.
    pub fn first(count: u64) -> impl Iterator<Item = Self> {
        (0..count).map(|id| Self { id })
    }

    /// A partition key; about a thousand different ones, so that every shard gets its share.
    #[must_use]
    pub fn key(self) -> String {
        format!("device-{}", self.id % 1009)
    }

    /// The bytes to store.
    #[must_use]
    pub fn data(self) -> Vec<u8> {
        format!("{:08} {:016x} {}", self.id, self.checksum(), self.text()).into_bytes()
    }

    /// Reads an event back.
    ///
    /// # Errors
    ///
    /// When it is not what [`data`](Self::data) made, to the byte.
    pub fn read(data: &[u8]) -> Result<Self, String> {
        let text = String::from_utf8_lossy(data);
        let id = text.split(' ').next().and_then(|id| id.parse().ok());
        let event = id.map(|id| Self { id }).filter(|event| event.data() == data);
        event.ok_or_else(|| format!("not an event, or a damaged one: {text}"))
    }

    fn checksum(self) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(self.text().as_bytes());
        hasher.write_u64(self.id);
        hasher.finish()
    }

    /// Of a length that varies.
    fn text(self) -> String {
        "abcdefghijklmnopqrstuvwxyz".chars().cycle().take((self.id % 41) as usize).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_back_and_a_damaged_one_is_not() {
        for event in Event::first(100) {
            let mut data = event.data();
            assert_eq!(Event::read(&data), Ok(event));
            let middle = data.len() / 2;
            data[middle] ^= 1;
            assert!(Event::read(&data).is_err());
        }
        assert!(Event::read(b"").is_err());
    }
}
