//! Which sequences are settled, and up to where without a gap.

use std::collections::BTreeMap;

/// The settled sequences: a mark below which there is no gap, and the runs above it.
///
/// Memory and time follow the number of gaps, not of entries: one entry that is retried for hours
/// while millions pass costs one run.
#[derive(Debug, Default)]
pub(super) struct Progress {
    settled_up_to: u64,
    /// First and last sequence of each run above the mark. Never adjacent, never overlapping.
    runs: BTreeMap<u64, u64>,
}

impl Progress {
    /// Every sequence from 1 to this one is settled.
    pub(super) fn settled_up_to(&self) -> u64 {
        self.settled_up_to
    }

    /// Notes that `first..=last`, none of which was settled before, now are.
    pub(super) fn settle(&mut self, first: u64, last: u64) {
        debug_assert!(self.settled_up_to < first && first <= last);
        let last = match self.runs.remove(&(last + 1)) {
            Some(last_of_next) => last_of_next,
            None => last,
        };
        if first == self.settled_up_to + 1 {
            self.settled_up_to = last;
        } else if let Some((_, last_of_previous)) = self.runs.range_mut(..first).next_back()
            && *last_of_previous + 1 == first
        {
            *last_of_previous = last;
        } else {
            self.runs.insert(first, last);
        }
    }
}

/// Joins rising sequences to runs without gaps, so that `Progress` is told of runs, not of entries.
#[derive(Debug, Default)]
pub(super) struct Run(Option<(u64, u64)>);

impl Run {
    /// Adds a sequence; gives the run before it if there is a gap between.
    #[inline]
    pub(super) fn extend(&mut self, sequence: u64) -> Option<(u64, u64)> {
        match &mut self.0 {
            Some((_, last)) if *last + 1 == sequence => {
                *last = sequence;
                None
            }
            run => run.replace((sequence, sequence)),
        }
    }

    /// The last run.
    pub(super) fn take(&mut self) -> Option<(u64, u64)> {
        self.0.take()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_mark_is_the_last_sequence_before_the_first_gap(
            order in Just((1..=60_u64).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut progress = Progress::default();
            let mut settled = BTreeSet::new();
            for sequence in order {
                progress.settle(sequence, sequence);
                settled.insert(sequence);
                let expected = (1..).find(|n| !settled.contains(n)).map_or(0, |gap| gap - 1);
                prop_assert_eq!(progress.settled_up_to(), expected);
            }
            prop_assert!(progress.runs.is_empty());
        }
    }

    #[test]
    fn a_gap_costs_one_run_however_much_passes_it() {
        let mut progress = Progress::default();
        for start in (2..100_000).step_by(10) {
            progress.settle(start, start + 9);
        }
        assert_eq!(progress.settled_up_to(), 0);
        assert_eq!(progress.runs.len(), 1);
    }
}
