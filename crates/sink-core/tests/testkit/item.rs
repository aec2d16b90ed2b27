//! What the connector in memory writes, and what can be wrong with it.

use sink_core::{Appender, Bytes, Entry, SnapshotEntry};

/// The service counts so many bytes for an entry's key.
pub(crate) const KEY_BYTES: usize = 4;

/// What a connector does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wrong {
    Nothing,
    TrustsTheFailedCount,
    RetriesAllOfAPartialFailure,
    MixesUpPositions,
    ForgetsTheKeyInTheSize,
    CountsAByteTooMuch,
    TakesFatalForDelivered,
    TakesFatalForUnavailable,
    TakesFatalForRejected,
    TakesThrottledForUnavailable,
    TakesThrottledEntriesForUnavailable,
    TakesUnavailableForDelivered,
    TakesUnavailableForFatal,
    TakesRefusalOfSizeForDelivered,
    TakesBadForDelivered,
    TakesBadForUnavailable,
    RejectsTheWholeRequestForABadEntry,
    TakesDeliveredForUnavailable,
    FillsUpShortAnswers,
    CutsLongAnswers,
    RetriesByItself,
    SendsTwice,
    TakesSilenceForDelivered,
    Reverses,
    ChangesLanes,
    BuildsFromWhatIsPending,
    LosesBytesInSnapshots,
    PanicsAtShortSnapshots,
    /// Not the connector's: the service never shows what it has.
    NeverArrives,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) payload: Vec<u8>,
    pub(crate) wrong: Wrong,
}

impl Entry for Item {
    fn size_bytes(&self) -> usize {
        match self.wrong {
            Wrong::ForgetsTheKeyInTheSize => self.payload.len(),
            Wrong::CountsAByteTooMuch => self.payload.len() + KEY_BYTES + 1,
            _ => self.payload.len() + KEY_BYTES,
        }
    }
}

impl SnapshotEntry for Item {
    fn encode(&self, bytes: &mut Appender<'_>) {
        let length = match self.wrong {
            Wrong::LosesBytesInSnapshots => 6.min(self.payload.len()),
            _ => self.payload.len(),
        };
        bytes.push(match self.wrong {
            Wrong::PanicsAtShortSnapshots => 1,
            Wrong::ForgetsTheKeyInTheSize => 2,
            Wrong::CountsAByteTooMuch => 3,
            _ => 0,
        });
        bytes.extend_from_slice(&(length as u16).to_le_bytes());
        bytes.extend_from_slice(&self.payload[..length]);
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        let [mark, low, high, payload @ ..] = &bytes[..] else { return Err("short".to_owned()) };
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let wrong = match mark {
            1 => Wrong::PanicsAtShortSnapshots,
            2 => Wrong::ForgetsTheKeyInTheSize,
            3 => Wrong::CountsAByteTooMuch,
            _ => Wrong::Nothing,
        };
        if wrong != Wrong::PanicsAtShortSnapshots && payload.len() != length {
            return Err(format!("{length} bytes are promised, {} are there", payload.len()));
        }
        Ok(Self { payload: payload[..length].to_vec(), wrong })
    }
}

/// Five digits, after a mark where the entry is bad.
pub(crate) fn number(payload: &[u8]) -> u64 {
    let digits = payload.strip_prefix(b"!").unwrap_or(payload);
    std::str::from_utf8(&digits[..5]).unwrap().parse().unwrap()
}
