//! Who is told when an entry is settled.

use std::collections::VecDeque;

use crate::{inbox::Receipts, outcome::Settled, receipt::SettledSender};

/// Whose receipts are in the driver's hands.
///
/// Their sequences rise as they come, and most are settled in nearly that order: so this is a queue
/// with gaps, in which a request's entries stand next to each other.
#[derive(Debug, Default)]
pub(super) struct Untold {
    /// Those that were told are gone, and leave gaps. The first is none.
    queue: VecDeque<(u64, Option<SettledSender>)>,
    gaps: usize,
}

impl Untold {
    /// Takes over all of these, which came after those that are here.
    pub(super) fn take(&mut self, new: &mut Receipts) {
        self.queue.extend(new.drain(..).map(|(sequence, receipt)| (sequence, Some(receipt))));
    }

    /// Tells whoever asked for these entries how they were settled.
    pub(super) fn tell(&mut self, settled: impl IntoIterator<Item = (u64, Settled)>) {
        let mut next = 0;
        for (sequence, how) in settled {
            let found = match self.queue.get(next) {
                Some((at, _)) if *at == sequence => Ok(next),
                _ => self.queue.binary_search_by_key(&sequence, |(at, _)| *at),
            };
            let Ok(place) = found else { continue }; // nobody asked
            next = place + 1;
            if let Some(receipt) = self.queue.get_mut(place).and_then(|(_, receipt)| receipt.take())
            {
                self.gaps += 1;
                let _gone = receipt.send(how); // whoever asked may have gone
            }
        }
        self.close_gaps();
    }

    /// Those in front go at once. The others go when they are the most, so that an entry that is
    /// never settled does not keep the places of all that came after it.
    fn close_gaps(&mut self) {
        while let Some((_, None)) = self.queue.front() {
            self.queue.pop_front();
            self.gaps -= 1;
        }
        if self.gaps > self.queue.len() / 2 {
            self.queue.retain(|(_, receipt)| receipt.is_some());
            self.gaps = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::sync::oneshot::{self, error::TryRecvError};

    use super::*;

    type Asked = oneshot::Receiver<Settled>;

    fn ask(untold: &mut Untold, sequences: impl IntoIterator<Item = u64>) -> Vec<(u64, Asked)> {
        let (mut new, asked): (Receipts, Vec<_>) = sequences
            .into_iter()
            .map(|sequence| {
                let (sender, receiver) = oneshot::channel();
                ((sequence, sender), (sequence, receiver))
            })
            .unzip();
        untold.take(&mut new);
        asked
    }

    #[test]
    fn one_entry_that_is_never_settled_does_not_keep_the_places_of_the_others() {
        let mut untold = Untold::default();
        let mut first = ask(&mut untold, [1]);
        for sequence in 2..100_000 {
            let mut asked = ask(&mut untold, [sequence]);
            untold.tell([(sequence, Settled::Delivered)]);
            assert_eq!(asked[0].1.try_recv(), Ok(Settled::Delivered));
            assert!(untold.queue.len() < 4, "{} places for one", untold.queue.len());
        }
        assert_eq!(first[0].1.try_recv(), Err(TryRecvError::Empty));
        untold.tell([(1, Settled::Delivered)]);
        assert_eq!(first[0].1.try_recv(), Ok(Settled::Delivered));
        assert!(untold.queue.is_empty());
    }

    proptest! {
        #[test]
        fn everybody_is_told_of_their_own_entry_and_only_of_it(
            gaps in prop::collection::vec(1_u64..4, 1..200),
            parts in prop::collection::vec((any::<u64>(), any::<bool>()), 1..50),
        ) {
            let mut untold = Untold::default();
            let mut last = 0;
            let sequences = gaps.into_iter().map(|gap| { last += gap; last });
            let mut asked = ask(&mut untold, sequences);
            for (seed, backwards) in parts {
                // Some that nobody asked for, some that were told before, in any order.
                let from = seed % (last + 2);
                let mut settled: Vec<_> = (from..(from + seed % 40).min(last + 3)).collect();
                if backwards {
                    settled.reverse();
                }
                untold.tell(settled.iter().map(|&sequence| (sequence, Settled::Delivered)));
                asked.retain_mut(|(sequence, receiver)| {
                    let told = receiver.try_recv();
                    assert_eq!(told.is_ok(), settled.contains(sequence), "of {sequence}");
                    told.is_err()
                });
                let waiting = untold.queue.iter().filter(|(_, receipt)| receipt.is_some()).count();
                prop_assert_eq!(waiting, asked.len());
                prop_assert_eq!(untold.queue.len() - waiting, untold.gaps);
                prop_assert!(untold.gaps <= untold.queue.len() / 2);
            }
        }
    }
}
