//! Where producers leave their entries and the driver picks them up: one short lock, no channel.
//!
//! The inbox owns the budget, so there is one place that says whether there is room; it owns the
//! gate, so a closed or failed sink refuses at the door; and when the driver ends, for whatever
//! reason, it owns what is left.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    admission::{Admission, Reservation, Turn, Waiter},
    destination::{Lane, Queued},
    engine::{Budget, Chunk, Load, Spare, Stats},
    error::{Error, ErrorKind},
    receipt::SettledSender,
    sink::Summary,
};

/// An entry on its way in.
pub(crate) struct Arrival<E> {
    pub(crate) entry: E,
    pub(crate) size: usize,
    pub(crate) lane: Lane,
}

/// Who wants to know when an entry is settled, by its sequence.
pub(crate) type Receipts = VecDeque<(u64, SettledSender)>;

impl<E> fmt::Debug for Arrival<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival").field("size", &self.size).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(crate) struct Inbox<E> {
    state: Mutex<State<E>>,
    /// Wakes the driver.
    wake: Notify,
    /// Turns true when the driver has ended and left what remains.
    ended: watch::Sender<bool>,
    /// Every sequence up to this one is settled.
    settled_up_to: watch::Sender<u64>,
}

#[derive(Debug)]
pub(crate) struct State<E> {
    /// What may come in before anything else needs a look: see [`State::grant`].
    quota: Load,
    /// What it was before entries came in.
    granted: Load,
    /// The last entries that the driver has not picked up, as the engine keeps them.
    open: Chunk<E>,
    /// Those before them.
    arrived: VecDeque<Chunk<E>>,
    /// The load of both, but for what the quota let in.
    arrived_load: Load,
    /// When the driver was woken, if it has not come since.
    called_at: Option<Instant>,
    /// How large a request may be, and so a chunk.
    request: Load,
    spare: Spare<E>,
    /// Who wants to know when one of them is settled, by its sequence, rising. Beside the entries,
    /// not with them, so that an entry that nobody tracks pays nothing.
    receipts: Receipts,
    /// Of the last entry that was admitted.
    last_sequence: u64,
    /// When the first of them arrived: one clock read a batch, not an entry. Taking it for all of
    /// them is early, never late.
    first_at: Instant,
    /// How much must have arrived for the driver to be woken.
    wake_at: Load,
    /// Whether the driver may merge what has arrived, which leaves room.
    may_merge: bool,
    pub(crate) budget: Budget,
    closing: Closing,
    /// Why the sink stopped, if it did: every call returns this.
    failed: Option<Error>,
    /// Writers that wait for room, first come first served.
    pub(crate) waiters: VecDeque<Waiter>,
    /// How many of them have no room yet.
    pub(crate) in_line: usize,
    pub(crate) next_ticket: u64,
    /// As the driver last saw them, and when.
    stats: (Stats, Instant),
    /// What the driver left when it ended.
    remains: Vec<E>,
    summary: Option<Summary>,
}

/// When the driver is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Closing {
    /// Not yet.
    No,
    /// Once everything inside is settled; nothing more comes in.
    WhenSettled,
    /// Now; what is inside is left unsent.
    Now,
}

/// See [`State::is_driver_due`].
const REQUESTS_UNTIL_DUE: usize = 4;
const TIME_UNTIL_DUE: Duration = Duration::from_micros(50);

/// What became of an entry.
pub(crate) enum Written<E> {
    /// It is in.
    Admitted,
    /// It will be, when there is room and its turn; or once the driver had a chance to run.
    MustWait(Arrival<E>),
    /// It cannot come in.
    Refused(Error),
}

/// Why an entry was not admitted; it is given back.
pub(crate) enum Refused<E> {
    Full(E),
    Gate(E, Error),
}

impl<E> Inbox<E> {
    pub(crate) fn new(budget: Budget) -> Self {
        Self {
            state: Mutex::new(State {
                quota: Load::default(),
                granted: Load::default(),
                open: Chunk::default(),
                arrived: VecDeque::new(),
                arrived_load: Load::default(),
                called_at: None,
                request: budget.request(),
                spare: Spare::new(),
                receipts: Receipts::new(),
                last_sequence: 0,
                first_at: Instant::now(),
                wake_at: Load { entries: 1, bytes: usize::MAX },
                may_merge: false,
                budget,
                closing: Closing::No,
                failed: None,
                waiters: VecDeque::new(),
                in_line: 0,
                next_ticket: 0,
                stats: (Stats::default(), Instant::now()),
                remains: Vec::new(),
                summary: None,
            }),
            wake: Notify::new(),
            ended: watch::Sender::new(false),
            settled_up_to: watch::Sender::new(0),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State<E>> {
        let mut state = self.lock_as_is();
        state.note_quota();
        state
    }

    /// Without counting what the quota let in.
    #[inline]
    fn lock_as_is(&self) -> MutexGuard<'_, State<E>> {
        // Nothing that can panic runs under the lock, and a half-done push would only leave the
        // budget too small: going on loses nothing, refusing would.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, where another writer has it: leaves it to that one for a while.
    ///
    /// Two threads that write as fast as they can would pass the lock, and all that it guards, from
    /// one processor's cache to the other's for each entry, which takes longer than the writing.
    #[cold]
    fn lock_contended(&self) -> MutexGuard<'_, State<E>> {
        for pauses in [64, 128, 256, 512] {
            (0..pauses).for_each(|_| std::hint::spin_loop());
            if let Ok(state) = self.state.try_lock() {
                return state;
            }
        }
        self.lock_as_is()
    }

    // ---------------------------------------------------------------------------- producers

    /// Admits the entry if there is room, nobody who waits was first, and the driver is not due.
    #[inline]
    pub(crate) fn try_admit(&self, arrival: Arrival<E>) -> Written<E> {
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(_) => self.lock_contended(),
        };
        if state.is_in_quota(&arrival) {
            state.admit_by_quota(arrival);
            return Written::Admitted;
        }
        self.try_admit_slowly(state, arrival)
    }

    #[cold]
    fn try_admit_slowly(
        &self,
        mut state: MutexGuard<'_, State<E>>,
        arrival: Arrival<E>,
    ) -> Written<E> {
        state.note_quota();
        if let Err(error) = state.check_gate() {
            return Written::Refused(error);
        }
        if state.is_driver_due() || !state.has_room(arrival.lane, arrival.size) {
            return Written::MustWait(arrival);
        }
        let wake = state.admit(arrival, None);
        state.grant();
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        Written::Admitted
    }

    /// Admits a chunk as it is, if there is room for all of it, nobody waits, all of it is in
    /// [`Lane::SHARED`] and the driver is not due; then an empty one is in its place.
    pub(crate) fn try_admit_chunk(&self, chunk: &mut Chunk<E>) -> Result<bool, Error> {
        let mut state = self.lock();
        state.check_gate()?;
        let has_room = chunk.load().min(state.budget.free()) == chunk.load();
        if !has_room || !chunk.is_plain || state.in_line > 0 || state.is_driver_due() {
            return Ok(false);
        }
        let wake = state.admit_chunk(chunk);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        Ok(true)
    }

    /// Admits entries from the front as long as there is room and nobody who waits was first: one
    /// lock for all of them. Those without room stay where they are.
    pub(crate) fn try_admit_all(&self, arrivals: &mut VecDeque<Arrival<E>>) -> Result<(), Error> {
        let mut state = self.lock();
        state.check_gate()?;
        let mut wake = false;
        while let Some(arrival) = arrivals.front() {
            if state.is_in_quota(arrival) {
                let Some(arrival) = arrivals.pop_front() else { break };
                state.admit_by_quota(arrival);
                continue;
            }
            state.note_quota();
            if !state.has_room(arrival.lane, arrival.size) {
                break;
            }
            let Some(arrival) = arrivals.pop_front() else { break };
            wake |= state.admit(arrival, None);
            state.grant();
        }
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Lets the driver run, where it was woken and had no chance to.
    ///
    /// tokio runs a task that was woken on the thread of whoever woke it, once that thread is free;
    /// a writer that never waits would keep it busy until the buffer is full.
    ///
    /// To be awaited before a write has admitted anything: it changes nothing when it is dropped.
    pub(crate) async fn let_driver_run(&self) {
        if self.lock().take_driver_due() {
            tokio::task::yield_now().await;
        }
    }

    /// How large a chunk should be.
    pub(crate) fn chunk_size(&self) -> Load {
        self.lock().request
    }

    /// Waits for room and admits the entry.
    ///
    /// Dropped before it is ready, it has not admitted its entry; there is no await after that.
    pub(crate) fn admit(
        &self,
        arrival: Arrival<E>,
        receipt: Option<SettledSender>,
    ) -> Admission<'_, E> {
        Admission::new(self, arrival, receipt)
    }

    /// Holds room for one entry of up to `size` bytes, if there is so much and nobody was first.
    pub(crate) fn reserve(&self, size: usize) -> Result<Reservation<'_, E>, Refused<()>> {
        let mut state = self.lock();
        if let Err(error) = state.check_gate() {
            return Err(Refused::Gate((), error));
        }
        if !state.has_room(Lane::SHARED, size) {
            if state.may_make_room() {
                self.wake.notify_one();
            }
            return Err(Refused::Full(()));
        }
        state.budget.take(Lane::SHARED, size);
        Ok(Reservation::new(self, size))
    }

    /// Takes somebody who gives up out of the queue, and lets the next one have the room.
    pub(crate) fn leave(&self, turn: &mut Turn) {
        let mut state = self.lock();
        turn.leave(&mut state);
        self.tell_waiters(state, &mut Vec::new());
    }

    /// Takes the room that there is for those who wait for it, and tells them.
    pub(crate) fn tell_waiters(
        &self,
        mut state: MutexGuard<'_, State<E>>,
        wakers: &mut Vec<Waker>,
    ) {
        state.call_waiters(wakers);
        drop(state);
        wakers.drain(..).for_each(Waker::wake);
    }

    /// Refuses new entries from now on, and tells the driver when to end.
    pub(crate) fn close(&self, closing: Closing) {
        let mut state = self.lock();
        state.closing = state.closing.max(closing);
        self.wake_everybody(state);
    }

    /// Refuses new entries from now on, with this error.
    pub(crate) fn fail(&self, error: &Error) {
        let mut state = self.lock();
        if state.failed.is_none() {
            state.failed = Some(error.clone());
            self.wake_everybody(state);
        }
    }

    fn wake_everybody(&self, state: MutexGuard<'_, State<E>>) {
        let waiters: Vec<_> = state.waiters.iter().map(|waiter| waiter.waker().clone()).collect();
        drop(state);
        waiters.into_iter().for_each(Waker::wake);
        self.wake.notify_one();
    }

    /// Why the sink takes nothing more, if it does not.
    pub(crate) fn error(&self) -> Option<Error> {
        self.lock().check_gate().err()
    }

    /// Waits until the driver has ended.
    pub(crate) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        // The sender lives in `self`, so it cannot be gone.
        let _closed = ended.wait_for(|ended| *ended).await;
    }

    /// What was done, once the driver has ended; the error if it ended with one.
    pub(crate) fn summary(&self) -> Result<Summary, Error> {
        let state = self.lock();
        match (&state.failed, &state.summary) {
            (Some(error), _) => Err(error.clone()),
            (None, Some(summary)) => Ok(summary.clone()),
            (None, None) => {
                Err(Error::new(ErrorKind::Closed, "close", "the sink is still closing"))
            }
        }
    }

    /// What the driver left, once.
    pub(crate) fn take_remains(&self) -> Vec<E> {
        std::mem::take(&mut self.lock().remains)
    }

    /// A look at what the driver left.
    pub(crate) fn with_remains<R>(&self, look: impl FnOnce(&[E]) -> R) -> R {
        look(&self.lock().remains)
    }

    pub(crate) fn stats(&self) -> Stats {
        let state = self.lock();
        let (mut stats, seen_at) = state.stats.clone();
        let arrived = state.arrived_load;
        stats.counters.admitted += arrived;
        stats.buffered += arrived;
        if !stats.oldest_age.is_zero() {
            stats.oldest_age += seen_at.elapsed();
        } else if arrived.entries > 0 {
            stats.oldest_age = state.first_at.elapsed();
        }
        stats
    }

    // ---------------------------------------------------------------------------- driver

    /// Counts a restored entry, even beyond the budget.
    pub(crate) fn count_restored(&self, lane: Lane, size: usize) {
        let mut state = self.lock();
        state.budget.take(lane, size);
        state.last_sequence += 1;
    }

    /// Swaps what has arrived into the empty `arrivals` and `receipts`, and gives its load. Takes
    /// memory for what will arrive from `spare`.
    pub(crate) fn take_arrivals(
        &self,
        arrivals: &mut VecDeque<Chunk<E>>,
        receipts: &mut Receipts,
        spare: &mut Spare<E>,
    ) -> Load {
        debug_assert!(arrivals.is_empty() && receipts.is_empty(), "arrivals would be overtaken");
        let mut state = self.lock();
        state.called_at = None;
        spare.share(&mut state.spare);
        state.seal();
        std::mem::swap(&mut state.arrived, arrivals);
        std::mem::swap(&mut state.receipts, receipts);
        std::mem::take(&mut state.arrived_load)
    }

    /// Gives room back, of which `lanes` tells the lanes' part, and lets those who wait have it.
    /// `wakers` is empty before and after: memory for them.
    pub(crate) fn give_back(
        &self,
        settled: Load,
        lanes: &mut Vec<(Lane, usize)>,
        wakers: &mut Vec<Waker>,
    ) {
        if settled != Load::default() {
            let mut state = self.lock();
            state.budget.give_back(settled, lanes.drain(..));
            self.tell_waiters(state, wakers);
        }
    }

    /// Tells everybody how far everything is settled.
    pub(crate) fn note_settled_up_to(&self, sequence: u64) {
        self.settled_up_to
            .send_if_modified(|current| std::mem::replace(current, sequence) != sequence);
    }

    /// How far everything is settled.
    pub(crate) fn settled_up_to(&self) -> watch::Receiver<u64> {
        self.settled_up_to.subscribe()
    }

    /// Says when the driver wants to be woken for new entries, and whether also when they leave no
    /// room; leaves its stats.
    pub(crate) fn rest(&self, appetite: Load, may_merge: bool, stats: Stats, now: Instant) {
        let mut state = self.lock();
        state.wake_at = appetite;
        state.may_merge = may_merge;
        state.stats = (stats, now);
        // A writer that came meanwhile, and waits, has found that nobody would make room.
        let wake = state.is_enough() || (state.in_line > 0 && state.may_make_room());
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Wakes the driver.
    pub(crate) fn wake_driver(&self) {
        self.wake.notify_one();
    }

    /// Waits until enough has arrived, or the gate has moved.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn closing(&self) -> Closing {
        self.lock().closing
    }

    /// Leaves what the ended driver held, before what has arrived since, for whoever asks.
    /// Gives how many entries there are.
    pub(crate) fn deposit(&self, unsent: Vec<E>, summary: Summary) -> usize {
        let mut state = self.lock();
        let state = &mut *state;
        state.remains = unsent;
        state.seal();
        let arrived = state.arrived.drain(..).flat_map(|chunk| chunk.entries);
        state.remains.extend(arrived.map(|queued| queued.entry));
        state.arrived_load = Load::default();
        state.receipts.clear(); // which tells their owners that the sink has ended
        state.summary = Some(summary);
        state.remains.len()
    }

    /// Tells everybody that the driver has ended.
    pub(crate) fn announce_end(&self) {
        self.ended.send_replace(true);
    }
}

impl<E> State<E> {
    #[inline]
    pub(crate) fn check_gate(&self) -> Result<(), Error> {
        if self.closing == Closing::No && self.failed.is_none() { Ok(()) } else { self.refuse() }
    }

    #[cold]
    fn refuse(&self) -> Result<(), Error> {
        let closed = || Error::new(ErrorKind::Closed, "write", "the sink is closed");
        Err(self.failed.clone().unwrap_or_else(closed))
    }

    /// Takes an entry in; gives whether the driver is to be woken.
    pub(crate) fn admit(&mut self, arrival: Arrival<E>, receipt: Option<SettledSender>) -> bool {
        self.budget.take(arrival.lane, arrival.size);
        if self.arrived_load.entries == 0 {
            self.first_at = Instant::now();
        }
        let tracked = receipt.is_some();
        if let Some(receipt) = receipt {
            self.receipts.push_back((self.last_sequence + 1, receipt));
        }
        self.arrived_load.add(arrival.size);
        self.open.bytes += arrival.size;
        self.open.is_plain &= arrival.lane == Lane::SHARED && !tracked;
        self.put(arrival, tracked);
        self.note_arrival()
    }

    fn note_arrival(&mut self) -> bool {
        let wake = self.is_enough();
        if wake {
            // Once is enough until the driver rests again.
            self.wake_at = Load { entries: usize::MAX, bytes: usize::MAX };
            self.called_at = Some(Instant::now());
        }
        if wake || self.open.entries.len() >= self.request.entries {
            self.seal(); // what the driver waited for is a request as it is
        }
        wake
    }

    /// The same for a chunk of [`Lane::SHARED`]. Leaves an empty one in its place.
    fn admit_chunk(&mut self, chunk: &mut Chunk<E>) -> bool {
        let load = chunk.load();
        self.budget.take_shared(load);
        if self.arrived_load.entries == 0 {
            self.first_at = Instant::now();
        }
        self.arrived_load += load;
        for queued in &mut chunk.entries {
            self.last_sequence += 1;
            (queued.sequence, queued.admitted_at) = (self.last_sequence, self.first_at.into_std());
        }
        if self.open.entries.len() + load.entries < self.request.entries {
            self.open.bytes += std::mem::take(&mut chunk.bytes);
            self.open.entries.append(&mut chunk.entries);
        } else {
            self.seal();
            let next = Chunk::in_vec(self.spare.take());
            self.arrived.push_back(std::mem::replace(chunk, next));
        }
        self.note_arrival()
    }

    #[inline]
    fn put(&mut self, arrival: Arrival<E>, tracked: bool) {
        let Arrival { entry, size, lane } = arrival;
        self.last_sequence += 1;
        self.open.entries.push(Queued {
            entry,
            sequence: self.last_sequence,
            size,
            lane,
            attempts: 0,
            tracked,
            admitted_at: self.first_at.into_std(),
        });
    }

    /// Whether writers should let the driver run: it was woken, and some requests have come
    /// together since, or some time has passed. Not at once: the change to it and back costs as
    /// much as a hundred writes.
    fn is_driver_due(&self) -> bool {
        self.called_at.is_some_and(|at| {
            self.arrived_load.entries >= self.request.entries.saturating_mul(REQUESTS_UNTIL_DUE)
                || at.elapsed() >= TIME_UNTIL_DUE
        })
    }

    /// The same, and then no more until it is woken again.
    fn take_driver_due(&mut self) -> bool {
        let is_due = self.is_driver_due();
        if is_due {
            self.called_at = None;
        }
        is_due
    }

    /// Puts the open chunk behind the others.
    fn seal(&mut self) {
        if !self.open.entries.is_empty() {
            let next = Chunk::in_vec(self.spare.take());
            self.arrived.push_back(std::mem::replace(&mut self.open, next));
        }
    }

    /// Lets so much come in as needs no other look: there is room for it in the budget and in the
    /// open chunk, the driver need not be woken for it, nobody waits, and the gate is open.
    ///
    /// So nearly every write compares two numbers. What was let in is counted by whoever takes the
    /// lock next for another reason.
    fn grant(&mut self) {
        debug_assert!(self.quota == Load::default(), "what was let in would not be counted");
        if self.arrived_load.entries == 0 || self.in_line > 0 {
            return;
        }
        let until_woken = Load {
            entries: self.wake_at.entries.saturating_sub(self.arrived_load.entries + 1),
            bytes: self.wake_at.bytes.saturating_sub(self.arrived_load.bytes + 1),
        };
        let of_chunk = Load {
            entries: self.request.entries.saturating_sub(self.open.entries.len() + 1),
            bytes: self.request.bytes.saturating_sub(self.open.bytes),
        };
        self.quota = self.budget.free().min(until_woken).min(of_chunk);
        self.granted = self.quota;
    }

    #[inline]
    fn is_in_quota(&self, arrival: &Arrival<E>) -> bool {
        self.quota.entries > 0 && arrival.size <= self.quota.bytes && arrival.lane == Lane::SHARED
    }

    #[inline]
    fn admit_by_quota(&mut self, arrival: Arrival<E>) {
        self.quota.remove(arrival.size);
        self.put(arrival, false);
    }

    /// Counts what the quota let in, and ends it.
    #[inline]
    fn note_quota(&mut self) {
        let mut let_in = std::mem::take(&mut self.granted);
        let_in -= std::mem::take(&mut self.quota);
        self.budget.take_shared(let_in);
        self.arrived_load += let_in;
        self.open.bytes += let_in.bytes;
    }

    /// Of the last entry that was admitted, restored ones included.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// Whether the driver could make room by merging what has arrived. It would not come for that
    /// by itself while nothing may be sent.
    #[inline]
    pub(crate) fn may_make_room(&self) -> bool {
        self.may_merge && self.arrived_load.entries > 0
    }

    #[inline]
    fn is_enough(&self) -> bool {
        self.arrived_load.entries >= self.wake_at.entries
            || self.arrived_load.bytes >= self.wake_at.bytes
    }
}
