//! How bad a day is, by a seed.

use std::{ops::Range, time::Duration};

use fastrand::Rng;

/// Chances are in percent, times in ms from the start.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    pub(crate) latency_ms: u64,
    pub(crate) chances: Vec<(u8, Fate)>,
    /// Nothing is answered but errors.
    pub(crate) outages: Vec<Range<u64>>,
    /// Everything is throttled.
    pub(crate) bursts: Vec<Range<u64>>,
    /// A lane is throttled, and no other.
    pub(crate) lane_bursts: Vec<(u64, Range<u64>)>,
    /// Entries a second, with a burst of as many; the surplus of a request is throttled.
    pub(crate) capacity: Option<u64>,
    /// After this everything goes well, so that every history can end.
    pub(crate) calm_after_ms: u64,
}

/// What one request meets.
///
/// A destination that answers twice is not here: `send` is one call with one answer, so what can be
/// seen of a second answer is a late one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Fine,
    /// Some entries fail, in different ways.
    Partial,
    ThrottleAll,
    Unavailable,
    /// The answer speaks of one entry too few.
    WrongLength,
    /// Not stored, not answered.
    Never,
    /// Stored; the connection breaks before the answer.
    AnswerLost,
    /// Stored at once; the answer comes late, often after the request was given up.
    AnswerLate,
    /// Stored late, often after the request was given up, and answered then.
    StoreLate,
    Outage,
    Burst,
}

impl Weather {
    pub(crate) fn new(random: &mut Rng, lanes: u64) -> Self {
        let mut chances = Vec::new();
        for (fate, most) in [
            (Fate::Partial, 35),
            (Fate::ThrottleAll, 10),
            (Fate::Unavailable, 10),
            (Fate::WrongLength, 8),
            (Fate::Never, 6),
            (Fate::AnswerLost, 8),
            (Fate::AnswerLate, 6),
            (Fate::StoreLate, 8),
        ] {
            if random.bool() {
                chances.push((random.u8(0..=most), fate));
            }
        }
        Self {
            latency_ms: random.u64(0..200),
            chances,
            outages: periods(random, 3, 5000, 3000),
            bursts: periods(random, 3, 5000, 1500),
            lane_bursts: periods(random, 4, 5000, 5000)
                .into_iter()
                .map(|period| (random.u64(1..=lanes.max(1)), period))
                .collect(),
            capacity: random.bool().then(|| random.u64(20..2000)),
            calm_after_ms: 60_000,
        }
    }

    /// A fine day, but that one lane is stuck for so long.
    pub(crate) fn stuck_lane(random: &mut Rng, lane: u64, until_ms: u64) -> Self {
        Self {
            latency_ms: random.u64(0..50),
            chances: Vec::new(),
            outages: Vec::new(),
            bursts: Vec::new(),
            lane_bursts: vec![(lane, 0..until_ms)],
            capacity: None,
            calm_after_ms: until_ms,
        }
    }

    /// What a request meets that is sent now, and how long it takes.
    pub(crate) fn fate(&self, now_ms: u64, random: &mut Rng) -> (Fate, Duration) {
        let latency = Duration::from_micros(random.u64(0..=self.latency_ms * 1000));
        if now_ms >= self.calm_after_ms {
            return (Fate::Fine, latency);
        }
        if self.outages.iter().any(|period| period.contains(&now_ms)) {
            return (Fate::Outage, Duration::ZERO);
        }
        if self.bursts.iter().any(|period| period.contains(&now_ms)) {
            return (Fate::Burst, latency);
        }
        let mut dice = random.u8(0..100);
        for (chance, fate) in &self.chances {
            if dice < *chance {
                return (*fate, latency);
            }
            dice -= chance;
        }
        (Fate::Fine, latency)
    }

    pub(crate) fn is_lane_throttled(&self, lane: u64, now_ms: u64) -> bool {
        self.lane_bursts.iter().any(|(burst, period)| *burst == lane && period.contains(&now_ms))
    }
}

fn periods(random: &mut Rng, most: usize, start: u64, length: u64) -> Vec<Range<u64>> {
    let count = random.usize(0..most);
    (0..count)
        .map(|_| {
            let start = random.u64(0..start);
            start..start + random.u64(0..length)
        })
        .collect()
}
