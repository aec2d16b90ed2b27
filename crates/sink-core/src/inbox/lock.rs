//! The inbox's lock: a write takes and releases it once, and does little else.

use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    thread,
    time::Duration,
};

use spin::mutex::{SpinMutex, SpinMutexGuard};

/// A lock for some ten nanoseconds at a time, which is released by a plain store.
///
/// The standard library's is released by a second atomic operation, for it has to know whether
/// anybody sleeps who waits for it. An atomic operation waits until all that the processor has
/// written is in its cache, here a payload that was made a moment ago: the second one took a fifth
/// of the time of a write. Who waits for this one looks again by itself: soon at first, and more and
/// more rarely. So nobody spins for long who waits for a thread that the system has stopped.
pub(super) struct Lock<T>(SpinMutex<T>);

/// What a [`Lock`] guards. Not to be held across an `await`, nor sent.
pub(crate) struct Locked<'a, T> {
    guard: SpinMutexGuard<'a, T>,
    not_send: PhantomData<*const ()>,
}

/// How many pauses of a processor, some nanoseconds each, are between two looks at first. Two
/// threads that write as fast as they can would pass the lock, and all that it guards, from one
/// processor's cache to the other's for each entry, which takes longer than the writing: who comes
/// second leaves it to the first one for a while.
const PAUSES: [u32; 4] = [64, 128, 256, 512];

/// How often the system may then choose another thread to run before the next look.
const YIELDS: usize = 4;

/// How long to sleep between two looks after that.
const SLEEP: Duration = Duration::from_micros(50);

impl<T> Lock<T> {
    pub(super) fn new(guarded: T) -> Self {
        Self(SpinMutex::new(guarded))
    }

    #[inline]
    pub(super) fn lock(&self) -> Locked<'_, T> {
        let guard = match self.0.try_lock() {
            Some(guard) => guard,
            None => self.wait(),
        };
        Locked { guard, not_send: PhantomData }
    }

    #[cold]
    fn wait(&self) -> SpinMutexGuard<'_, T> {
        let pauses = PAUSES.iter().map(|pauses| Some(*pauses));
        for pauses in pauses.chain([None; YIELDS]) {
            match pauses {
                Some(pauses) => (0..pauses).for_each(|_| std::hint::spin_loop()),
                None => thread::yield_now(),
            }
            if let Some(guard) = self.0.try_lock() {
                return guard;
            }
        }
        loop {
            #[allow(clippy::disallowed_methods)]
            // blocks the thread, as any lock does that is held
            thread::sleep(SLEEP);
            if let Some(guard) = self.0.try_lock() {
                return guard;
            }
        }
    }
}

impl<T> Deref for Locked<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for Locked<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T: fmt::Debug> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, mpsc};

    use super::*;

    #[test]
    fn one_at_a_time() {
        let (lock, start) = (Lock::new((0_u64, 0_u64)), Barrier::new(4));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..50_000 {
                        let mut both = lock.lock();
                        both.0 += 1;
                        both.1 = both.0 * 2;
                    }
                });
            }
        });
        assert_eq!(*lock.lock(), (200_000, 400_000));
    }

    #[test]
    fn who_waits_for_long_gets_it_in_the_end() {
        let lock = Lock::new(1);
        let (waits, waiting) = mpsc::channel();
        thread::scope(|scope| {
            let held = lock.lock();
            scope.spawn(|| {
                waits.send(()).unwrap();
                *lock.lock() += 1;
            });
            waiting.recv().unwrap();
            // Longer than the pauses: it sleeps by now, or has not begun to.
            (0..1000).for_each(|_| thread::yield_now());
            drop(held);
        });
        assert_eq!(*lock.lock(), 2);
    }

    #[test]
    fn a_panic_releases_it() {
        let lock = Lock::new(1);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _held = lock.lock();
            panic!("under the lock");
        }));
        assert!(panicked.is_err());
        assert_eq!(*lock.lock(), 1);
    }
}
