//! What the destination saw, in slots of 100 ms.

use std::{collections::BTreeMap, ops::Range, time::Duration};

/// The finest time that is told apart.
pub const SLOT: Duration = Duration::from_millis(100);

/// What became of records when they reached the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records that were stored.
    pub delivered: u64,
    /// Records that were refused, and have to be sent again: wasted sends.
    pub throttled: u64,
}

impl Counts {
    /// Records that arrived, each as often as it was sent.
    pub fn sent(self) -> u64 {
        self.delivered + self.throttled
    }

    /// Wasted sends as a share of all sends; none of none is none.
    pub fn wasted_share(self) -> f64 {
        self.throttled as f64 / self.sent().max(1) as f64
    }
}

/// Counts for each slot of time, sink and lane.
#[derive(Debug, Default)]
pub struct Recorder {
    slots: BTreeMap<(usize, u8), Vec<Counts>>,
}

impl Recorder {
    /// One record of this sink and lane arrived.
    pub(crate) fn note(&mut self, at: Duration, sink: usize, lane: u8, delivered: bool) {
        let slots = self.slots.entry((sink, lane)).or_default();
        let slot = slot_of(at);
        if slots.len() <= slot {
            slots.resize(slot + 1, Counts::default());
        }
        if let Some(counts) = slots.get_mut(slot) {
            if delivered {
                counts.delivered += 1;
            } else {
                counts.throttled += 1;
            }
        }
    }

    /// Everything that arrived in this time. Times are cut to whole slots.
    pub fn all(&self, during: Range<Duration>) -> Counts {
        self.sum(during, |_, _| true)
    }

    /// What arrived from one sink.
    pub fn of_sink(&self, sink: usize, during: Range<Duration>) -> Counts {
        self.sum(during, |of, _| of == sink)
    }

    /// What arrived for one lane.
    pub fn of_lane(&self, lane: u8, during: Range<Duration>) -> Counts {
        self.sum(during, |_, of| of == lane)
    }

    fn sum(&self, during: Range<Duration>, wanted: impl Fn(usize, u8) -> bool) -> Counts {
        let slots = slot_of(during.start)..slot_of(during.end);
        let mut sum = Counts::default();
        for (_, all) in self.slots.iter().filter(|((sink, lane), _)| wanted(*sink, *lane)) {
            for counts in all.iter().take(slots.end).skip(slots.start) {
                sum.delivered += counts.delivered;
                sum.throttled += counts.throttled;
            }
        }
        sum
    }
}

fn slot_of(at: Duration) -> usize {
    (at.as_millis() / SLOT.as_millis()) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_apart_by_time_sink_and_lane() {
        let mut recorder = Recorder::default();
        let at = Duration::from_millis;
        for (ms, sink, lane, delivered) in
            [(0, 0, 1, true), (99, 0, 2, true), (100, 1, 2, false), (250, 1, 2, true)]
        {
            recorder.note(at(ms), sink, lane, delivered);
        }
        assert_eq!(recorder.all(at(0)..at(100)), Counts { delivered: 2, throttled: 0 });
        assert_eq!(recorder.all(at(100)..at(300)), Counts { delivered: 1, throttled: 1 });
        assert_eq!(recorder.all(at(300)..at(900)), Counts::default());
        assert_eq!(recorder.of_sink(0, at(0)..at(300)).sent(), 2);
        assert_eq!(recorder.of_lane(2, at(0)..at(300)), Counts { delivered: 2, throttled: 1 });
        assert_eq!(recorder.all(at(100)..at(300)).wasted_share(), 0.5);
    }
}
