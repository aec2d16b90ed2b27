//! Dead letters: slow, and failing when they are told to.

use std::{sync::Mutex, time::Duration};

use sink_core::{DeadLetter, DeadLetterFuture, DeadLetterHandler, Settings};
use tokio::time::sleep;

use crate::world::{Item, Quality, Shared};

pub(crate) struct Letters {
    pub(crate) shared: Shared,
    pub(crate) sink: usize,
    pub(crate) settings: Settings,
    pub(crate) random: Mutex<fastrand::Rng>,
    /// How many are taken before one fails.
    pub(crate) fails_after: Mutex<Option<u32>>,
}

impl DeadLetterHandler<Item> for Letters {
    fn handle(&self, letter: &DeadLetter<'_, Item>) -> DeadLetterFuture {
        let (shared, sink, id) = (self.shared.clone(), self.sink, letter.entry.id);
        let given_up = letter.reason.code().starts_with("Max");
        self.check(letter);
        let pause = Duration::from_millis(self.random.lock().unwrap().u64(0..100));
        let mut fails_after = self.fails_after.lock().unwrap();
        let fails = *fails_after == Some(0);
        *fails_after = fails_after.map(|left| left.saturating_sub(1));
        Box::pin(async move {
            sleep(pause).await;
            if fails {
                shared.log(format_args!("no place for dead letter {id}"));
                return Err("disk full".into());
            }
            let mut world = shared.world();
            world.dead_letters.insert(id);
            world.sinks[sink].given_up += u64::from(given_up);
            if !world.sinks[sink].lettered.insert(id) {
                world.violations.push(format!("{id} is twice with the dead letters"));
            }
            drop(world);
            let why = if given_up { "given up" } else { "rejected" };
            shared.log(format_args!("dead letter {id} {why}"));
            Ok(())
        })
    }
}

impl Letters {
    /// Nothing comes here without the reason that it is said to have: no good entry is rejected
    /// for a bad one's sake.
    fn check(&self, letter: &DeadLetter<'_, Item>) {
        let mut world = self.shared.world();
        let model = &world.sinks[self.sink];
        let sent = model.sent.get(&letter.entry.id).copied().unwrap_or(0);
        let place = usize::try_from(letter.sequence).unwrap() - 1;
        let is_right = model.ledger.get(place) == Some(&letter.entry.id)
            && letter.attempts >= 1
            && letter.attempts <= sent
            && !model.is_settled(letter.entry.id)
            && match letter.reason.code() {
                "Refused" => letter.entry.quality == Quality::Refused,
                "Spoilt" => letter.entry.quality == Quality::Spoils,
                "MaxAttempts" => Some(letter.attempts) == self.settings.max_attempts,
                "MaxAge" => self.settings.max_age.is_some_and(|most| letter.age >= most),
                _ => false,
            };
        if !is_right {
            world.violations.push(format!("a dead letter is wrong: {letter:?}, sent {sent} times"));
        }
    }
}
