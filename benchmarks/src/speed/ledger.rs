//! What the destination has stored: each record once, or the run has failed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{histogram::Histogram, record::SAMPLE};

/// The finest time by which arrivals are told apart.
pub const WINDOW: Duration = Duration::from_millis(100);

/// When the sampled records were written, in nanoseconds since the start.
#[derive(Debug)]
pub struct Born {
    start: Instant,
    times: Vec<AtomicU64>,
}

impl Born {
    /// Room for the samples of so many records. The clock starts now.
    pub fn new(records: u64) -> Self {
        let samples = records.div_ceil(SAMPLE);
        Self { start: Instant::now(), times: (0..samples).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Notes when a sampled record was written, or was due to be.
    pub fn note(&self, number: u64, at: Instant) {
        if let Some(time) = self.times.get((number / SAMPLE) as usize) {
            let since = at.saturating_duration_since(self.start);
            // The record itself goes through the sink's lock, which orders the two.
            time.store(since.as_nanos() as u64, Ordering::Relaxed);
        }
    }

    fn age(&self, number: u64, now: Instant) -> Option<Duration> {
        let born = self.times.get((number / SAMPLE) as usize)?.load(Ordering::Relaxed);
        Some(now.saturating_duration_since(self.start + Duration::from_nanos(born)))
    }
}

/// How many records came to the destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arrived {
    /// Stored.
    pub accepted: u64,
    /// Not stored, each time counted.
    pub refused: u64,
}

/// What the destination has stored.
#[derive(Debug)]
pub struct Ledger {
    start: Instant,
    /// A bit for each record.
    seen: Vec<u64>,
    arrived: Arrived,
    duplicates: u64,
    altered: u64,
    checksum: u64,
    /// Stored in each [`WINDOW`].
    series: Vec<u64>,
    born: Option<Arc<Born>>,
    delivery: Histogram,
}

impl Ledger {
    /// An empty one, with memory for so many records. Its time starts now.
    pub fn new(records: u64, born: Option<Arc<Born>>) -> Self {
        Self {
            start: Instant::now(),
            seen: vec![0; records.div_ceil(64) as usize],
            arrived: Arrived::default(),
            duplicates: 0,
            altered: 0,
            checksum: 0,
            series: Vec::new(),
            born,
            delivery: Histogram::default(),
        }
    }

    /// One record is stored.
    #[inline]
    pub fn accept(&mut self, number: u64, now: Instant) {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        if let Some(seen) = self.seen.get_mut(word) {
            self.duplicates += u64::from(*seen & bit != 0);
            *seen |= bit;
        }
        self.arrived.accepted += 1;
        self.checksum = self.checksum.wrapping_add(mix(number));
        if number.is_multiple_of(SAMPLE)
            && let Some(age) = self.born.as_ref().and_then(|born| born.age(number, now))
        {
            self.delivery.add(age);
        }
    }

    /// A request came: of its records so many are stored, refused, and not what was written.
    pub fn note_request(&mut self, accepted: u64, refused: u64, altered: u64, now: Instant) {
        self.arrived.refused += refused;
        self.altered += altered;
        let window = self.window(now);
        if self.series.len() <= window {
            self.series.resize(window + 1, 0);
        }
        if let Some(sum) = self.series.get_mut(window) {
            *sum += accepted;
        }
    }

    fn window(&self, now: Instant) -> usize {
        (now.saturating_duration_since(self.start).as_nanos() / WINDOW.as_nanos()) as usize
    }

    /// When its time started.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// How many records came until now.
    pub fn arrived(&self) -> Arrived {
        self.arrived
    }

    /// From the writing of a sampled record, or when it was due, until it was stored.
    pub fn delivery(&self) -> &Histogram {
        &self.delivery
    }

    /// How many records were stored in each [`WINDOW`] since the start.
    pub fn series(&self) -> &[u64] {
        &self.series
    }

    /// The fewest records that were stored in `windows` windows on end, between two times.
    pub fn fewest(&self, windows: usize, from: Instant, until: Instant) -> Option<u64> {
        let during = self.window(from)..self.window(until);
        self.series.get(during)?.windows(windows).map(|some| some.iter().sum()).min()
    }

    /// What is wrong with the run, if each of these producers' records was to be stored once:
    /// producer `p` of `n` wrote the numbers `p`, `p + n`, `p + 2 n` …, so many.
    pub fn problems(&self, written: &[u64]) -> Vec<String> {
        let producers = written.len();
        let (mut missing, mut checksum) = (0_u64, 0_u64);
        for (producer, written) in written.iter().enumerate() {
            let numbers = (producer as u64..).step_by(producers).take(*written as usize);
            for number in numbers {
                checksum = checksum.wrapping_add(mix(number));
                let seen = self.seen.get((number / 64) as usize).copied().unwrap_or(0);
                missing += u64::from(seen >> (number % 64) & 1 == 0);
            }
        }
        let found = [
            (missing, "are missing"),
            (self.duplicates, "arrived twice"),
            (self.altered, "are not what was written"),
        ];
        let mut problems: Vec<_> = found
            .iter()
            .filter(|(records, _)| *records > 0)
            .map(|(records, what)| format!("{records} records {what}"))
            .collect();
        if problems.is_empty() && checksum != self.checksum {
            problems.push("the checksum is not that of what was written".to_owned());
        }
        problems
    }
}

/// Spreads numbers, so that the sum of the spread ones tells which they were.
#[inline]
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two producers; 0, 2, 4, 6 and 1, 3 were written.
    const WRITTEN: [u64; 2] = [4, 2];

    fn problems_with(stored: &[u64]) -> Vec<String> {
        let mut ledger = Ledger::new(1, None);
        let now = ledger.start();
        stored.iter().for_each(|number| ledger.accept(*number, now));
        ledger.problems(&WRITTEN)
    }

    #[test]
    fn a_loss_a_duplicate_and_a_stranger_are_found() {
        assert_eq!(problems_with(&[0, 1, 2, 3, 4, 6]), [""; 0]);
        for wrong in [&[0, 1, 2, 3, 4][..], &[0, 1, 2, 3, 4, 6, 6], &[0, 1, 2, 3, 4, 5, 6]] {
            assert!(!problems_with(wrong).is_empty(), "{wrong:?}");
        }
        // As many as there should be, and none twice.
        assert!(!problems_with(&[0, 1, 2, 3, 4, 999]).is_empty());
    }

    #[test]
    fn an_altered_record_is_found() {
        let mut ledger = Ledger::new(1, None);
        let now = ledger.start();
        (0..6).for_each(|number| ledger.accept(number, now));
        ledger.note_request(6, 0, 1, now);
        assert_eq!(ledger.problems(&[6]), ["1 records are not what was written"]);
    }

    #[test]
    fn the_fewest_are_those_of_the_worst_windows() {
        let mut ledger = Ledger::new(1, None);
        let start = ledger.start();
        for (window, stored) in [5, 9, 1, 2, 8, 7].into_iter().enumerate() {
            ledger.note_request(stored, 0, 0, start + WINDOW * window as u32);
        }
        assert_eq!(ledger.fewest(2, start, start + 6 * WINDOW), Some(3));
        assert_eq!(ledger.fewest(2, start, start + 2 * WINDOW), Some(14));
        assert_eq!(ledger.fewest(2, start, start + 60 * WINDOW), None);
    }
}
