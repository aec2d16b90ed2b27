//! The driver: one task that owns the engine, carries out what it decides, and tells it what came
//! of it.

mod arrivals;
mod dead_letters;
mod lanes;
mod receipts;
mod sending;
mod warnings;

use std::{any::Any, collections::VecDeque, fmt, pin::pin, sync::Arc, task::Waker};

use tokio::{
    sync::{mpsc, oneshot},
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep_until},
};

use self::{
    receipts::Untold,
    sending::{MOST_AT_ONCE, Sent},
    warnings::Warnings,
};
use crate::{
    dead_letter::DeadLetterHandler,
    destination::{Destination, Lane, Queued},
    engine::{Chunk, Engine, RequestId},
    error::{Error, ErrorKind, panic_message},
    inbox::{Closing, Inbox, Receipts},
    rate_limit::Unlimited,
    sink::Summary,
};

/// What a handle asks of the driver.
pub(crate) enum Command<E> {
    /// Answer once everything admitted so far is settled, or the sink has failed.
    Flush(oneshot::Sender<Result<(), Error>>),
    /// Show everything admitted and not settled, in order.
    Look(Look<E>),
    /// The same, once nothing is in flight; nothing new is sent until then.
    SettleAndLook(Look<E>),
}

/// Gets everything admitted and not settled.
pub(crate) type Look<E> = Box<dyn FnOnce(Vec<&E>) + Send>;

/// The task behind a [`Sink`](crate::Sink): sends requests and handles their answers.
///
/// [`SinkBuilder::build`](crate::SinkBuilder::build) spawns it;
/// [`SinkBuilder::pair`](crate::SinkBuilder::pair) gives it to be spawned elsewhere. However it
/// ends, by closing, by a panic of the connector, or with its runtime, what is unsent is left to
/// the sink's handles, and `into_unsent` gives it.
#[must_use = "a sink does nothing until its driver runs"]
pub struct Driver<D: Destination> {
    engine: Engine<D::Entry>,
    destination: Arc<D>,
    inbox: Arc<Inbox<D::Entry>>,
    commands: mpsc::UnboundedReceiver<Command<D::Entry>>,
    /// Whether a handle is left that could send a command.
    has_handles: bool,
    requests: JoinSet<Sent>,
    /// Whether the last request was answered at once.
    answers_at_once: bool,
    handler: Option<Arc<dyn DeadLetterHandler<D::Entry>>>,
    /// Rejected entries with the handler, by sequence.
    dead_letters: JoinSet<(u64, Result<(), Error>)>,
    /// The task of each request in flight, by its slot.
    tasks: Vec<Option<(RequestId, AbortHandle)>>,
    /// Picked up and not pushed yet: a field, so that not even a panic loses them.
    arrivals: VecDeque<Chunk<D::Entry>>,
    /// Those of them that are pushed one by one, before what else is in `arrivals`.
    one_by_one: VecDeque<Queued<D::Entry>>,
    /// Picked up with them; empty between steps.
    new_receipts: Receipts,
    /// Who wants to know when an entry is settled, by its sequence.
    untold: Untold,
    /// Who looks once nothing is in flight.
    settling: Vec<Look<D::Entry>>,
    /// Empty between steps, like the next; kept for its memory.
    settled_lanes: Vec<(Lane, usize)>,
    wakers: Vec<Waker>,
    /// Who waits until which sequence is settled.
    flushes: Vec<(u64, oneshot::Sender<Result<(), Error>>)>,
    /// Lanes are asked for until then, at least.
    lanes_matter_until: Instant,
    /// The sequence with which there is another look at what the buffer is full of.
    looks_at_lanes_from: u64,
    /// When there will be a look at what has arrived, even if nobody wakes the driver before.
    looks_again_at: Option<Instant>,
    started_at: Instant,
    /// Set when `run` comes to its end. Unset when it is dropped: something cut it short.
    has_ended: bool,
    warnings: Warnings,
}

impl<D: Destination> Driver<D> {
    pub(crate) fn new(
        engine: Engine<D::Entry>,
        destination: Arc<D>,
        inbox: Arc<Inbox<D::Entry>>,
        commands: mpsc::UnboundedReceiver<Command<D::Entry>>,
        handler: Option<Arc<dyn DeadLetterHandler<D::Entry>>>,
    ) -> Self {
        let driver = Self {
            engine,
            destination,
            inbox,
            commands,
            has_handles: true,
            requests: JoinSet::new(),
            answers_at_once: false,
            handler,
            dead_letters: JoinSet::new(),
            tasks: Vec::new(),
            arrivals: VecDeque::new(),
            one_by_one: VecDeque::new(),
            new_receipts: Receipts::new(),
            untold: Untold::default(),
            settling: Vec::new(),
            settled_lanes: Vec::new(),
            wakers: Vec::new(),
            flushes: Vec::new(),
            lanes_matter_until: Instant::now(),
            looks_at_lanes_from: 0,
            looks_again_at: None,
            started_at: Instant::now(),
            has_ended: false,
            warnings: Warnings::default(),
        };
        driver.inbox.look_at(driver.next_look_at_lanes());
        driver
    }

    /// Runs until the sink is closed and everything is settled, or it has failed and nothing is in
    /// flight.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it ends the sink; what is unsent is left to the handles.
    pub async fn run(mut self) {
        let mut timer = pin!(sleep_until(self.started_at));
        loop {
            let closing = self.step();
            if self.is_over(closing) {
                self.has_ended = true;
                break;
            }
            let of_engine = self.engine.poll_timeout().map(Instant::from_std);
            let wake_at = of_engine.into_iter().chain(self.looks_again_at).min();
            if let Some(at) = wake_at
                && at != timer.deadline()
            {
                timer.as_mut().reset(at);
            }
            // In this order: an answer frees the window and the budget, a timer is owed before
            // what is new, and commands are few. Each arm only notes what happened.
            tokio::select! {
                biased;
                Some(result) = self.requests.join_next_with_id() => self.answered(result),
                Some(result) = self.dead_letters.join_next() => self.handle_dead_letter(result),
                () = timer.as_mut(), if wake_at.is_some() => {}
                command = self.commands.recv(), if self.has_handles => self.handle_command(command),
                () = self.inbox.woken() => {}
            }
        }
    }

    /// Everything that can be done without waiting. Gives whether the sink is closing.
    fn step(&mut self) -> Closing {
        while let Some(result) = self.requests.try_join_next_with_id() {
            self.answered(result);
        }
        while let Some(result) = self.dead_letters.try_join_next() {
            self.handle_dead_letter(result);
        }
        // Under load there is always an answer ready, and `select` would never come to these.
        while let Ok(command) = self.commands.try_recv() {
            self.handle_command(Some(command));
        }
        // First this, then the arrivals: nothing is admitted once it is closing, so the arrivals
        // taken afterwards are the last. The other way round, an entry admitted in between would
        // be overlooked.
        let closing = self.inbox.closing();
        let is_busy = self.take_arrivals();
        if closing == Closing::WhenSettled {
            self.engine.start_flush();
        }
        let now = Instant::now();
        self.watch_lanes(now);
        self.engine.handle_timeout(now.into_std());
        while let Some(id) = self.engine.poll_abandoned() {
            if let Some((_, task)) = self.tasks.get_mut(id.slot()).and_then(Option::take) {
                task.abort(); // frees its connection; what it still answers finds nothing
            }
        }
        if !self.settling.is_empty() && self.engine.requests_in_flight() == 0 {
            for look in std::mem::take(&mut self.settling) {
                look(self.engine.unsent());
            }
        }
        self.engine.hold_requests(!self.settling.is_empty());
        if closing != Closing::Now {
            let mut here = MOST_AT_ONCE;
            while let Some(id) = self.engine.poll_request(now.into_std()) {
                self.start(id, &mut here);
            }
        }
        self.hand_over_rejected();
        if let Some(error) = self.engine.fatal() {
            self.inbox.fail(error);
        }
        self.engine.drop_settled();
        self.tell_settled();
        self.answer_flushes();
        let stats = self.engine.stats(now.into_std());
        // Where entries keep coming, a look when the first of them could be due costs less than
        // being woken by each that finds the buffer empty.
        if is_busy {
            self.looks_again_at = now.checked_add(self.engine.config().max_time_in_buffer);
        } else if self.looks_again_at.is_some_and(|at| at <= now) {
            self.looks_again_at = None;
        }
        let appetite = self.engine.appetite(self.looks_again_at.is_some());
        let (look_at, may_merge) = (self.next_look_at_lanes(), self.engine.may_merge());
        self.inbox.rest(appetite, look_at, may_merge, stats, now);
        closing
    }

    fn is_over(&self, closing: Closing) -> bool {
        match closing {
            Closing::Now => true,
            Closing::WhenSettled if self.engine.unsettled().entries == 0 => true,
            Closing::No | Closing::WhenSettled => {
                self.engine.fatal().is_some() && self.requests.is_empty()
            }
        }
    }

    /// Gives the room of what was settled back, and tells whoever waits for it.
    fn tell_settled(&mut self) {
        self.untold.tell(self.engine.take_settled_tracked());
        let settled = self.engine.take_settled(&mut self.settled_lanes);
        self.inbox.note_settled_up_to(self.engine.settled_up_to());
        self.inbox.give_back(settled, &mut self.settled_lanes, &mut self.wakers);
    }

    fn handle_command(&mut self, command: Option<Command<D::Entry>>) {
        match command {
            Some(Command::Flush(done)) => {
                self.take_arrivals(); // what was admitted before the call is part of it
                self.flushes.push((self.engine.start_flush(), done));
            }
            Some(Command::Look(look)) => {
                self.take_arrivals();
                look(self.engine.unsent());
            }
            Some(Command::SettleAndLook(look)) => self.settling.push(look),
            None => {
                self.has_handles = false;
                let unsent = self.engine.unsettled().entries;
                if self.inbox.closing() == Closing::No && unsent > 0 {
                    tracing::error!(
                        kind = D::KIND,
                        unsent,
                        "sink dropped without close; what it holds is still being sent, but nobody \
                         waits for it"
                    );
                }
                self.inbox.close(Closing::WhenSettled);
            }
        }
    }

    fn answer_flushes(&mut self) {
        if self.flushes.is_empty() {
            return;
        }
        let settled_up_to = self.engine.settled_up_to();
        let fatal = self.engine.fatal();
        for (target, done) in std::mem::take(&mut self.flushes) {
            let answer = match fatal {
                _ if target <= settled_up_to => Ok(()),
                Some(error) => Err(error.clone()),
                None => {
                    self.flushes.push((target, done));
                    continue;
                }
            };
            // Whoever asked may have gone.
            let _gone = done.send(answer);
        }
    }
}

impl<D: Destination> Drop for Driver<D> {
    /// Leaves everything that is unsent to the handles, however the driver ends: after `run`, by
    /// an unwinding panic, or because its runtime went away.
    fn drop(&mut self) {
        self.requests.abort_all();
        // What they have put away they have put away; the entries are kept all the same.
        self.dead_letters.abort_all();
        let closing = self.inbox.closing();
        if let Some(error) = self.engine.fatal() {
            self.inbox.fail(error);
        } else if !self.has_ended {
            let message = "the sink's driver was dropped: its task panicked, or its runtime shut \
                           down; into_unsent gives what was not delivered";
            self.inbox.fail(&Error::new(ErrorKind::Fatal, "drive", message));
        }
        let config = self.engine.config();
        let counters = self.engine.stats(Instant::now().into_std()).counters;
        let summary = Summary {
            counters,
            elapsed: self.started_at.elapsed(),
            mean_batch_fill: counters.mean_batch_fill(config.max_batch_size),
        };
        let nothing = Engine::new(config.clone(), Box::new(Unlimited), 0);
        let mut unsent = std::mem::replace(&mut self.engine, nothing).into_unsent();
        let arrivals = self.arrivals.drain(..).flat_map(|chunk| chunk.entries);
        unsent.extend(self.one_by_one.drain(..).chain(arrivals).map(|queued| queued.entry));
        let unsent = self.inbox.deposit(unsent, summary);
        // Whoever said "now" asked for what is left, and gets it.
        if unsent > 0 && closing != Closing::Now {
            tracing::error!(
                kind = D::KIND,
                unsent,
                "sink ended with entries that were not delivered; into_unsent gives them"
            );
        }
        self.inbox.announce_end();
    }
}

fn panicked(
    kind: &'static str,
    operation: &'static str,
    part: &str,
    panic: &(dyn Any + Send),
) -> Error {
    let message = panic_message(panic);
    Error::new(
        ErrorKind::Fatal,
        operation,
        format!("the {part} panicked ({message}); its entries are kept"),
    )
    .with_context("destination", kind)
}

impl<D: Destination> fmt::Debug for Driver<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("kind", &D::KIND)
            .field("unsettled", &self.engine.unsettled())
            .field("requests", &self.requests.len())
            .finish_non_exhaustive()
    }
}
