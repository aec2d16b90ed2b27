//! What really happened, as told by the destination, the producers and the dead letters; and what
//! of it was promised never to happen.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use sink_core::{Appender, Bytes, Entry, SnapshotEntry};
use tokio::time::Instant;

/// An entry with a number, a size and a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) id: u64,
    pub(crate) size: usize,
    pub(crate) lane: u64,
    pub(crate) quality: Quality,
}

/// What the destination thinks of an entry. It never changes its mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quality {
    Good,
    /// Refused by name, for good; others of its request are stored.
    Refused,
    /// Its whole request is refused, and the destination does not say why.
    Spoils,
}

impl Entry for Item {
    fn size_bytes(&self) -> usize {
        self.size
    }
}

impl SnapshotEntry for Item {
    fn encode(&self, bytes: &mut Appender<'_>) {
        for number in [self.id, self.size as u64, self.lane, self.quality as u64] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        let numbers: Vec<_> = bytes
            .chunks(8)
            .map(|chunk| chunk.try_into().map(u64::from_le_bytes))
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        let [id, size, lane, quality] = numbers[..] else {
            return Err(format!("an item is 4 numbers, these are {}", numbers.len()));
        };
        let size = usize::try_from(size).map_err(|error| error.to_string())?;
        let quality = match quality {
            0 => Quality::Good,
            1 => Quality::Refused,
            2 => Quality::Spoils,
            other => return Err(format!("there is no quality {other}")),
        };
        Ok(Self { id, size, lane, quality })
    }
}

/// Everything that happened.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// One line an event, with simulated time: one seed gives one history.
    pub(crate) history: Vec<String>,
    /// How often each entry was stored, by whatever sink and however late.
    pub(crate) stored: BTreeMap<u64, u32>,
    /// For each lane, entries in the order in which they were first stored.
    pub(crate) first_stored: BTreeMap<u64, Vec<u64>>,
    /// For each lane, entries in the order in which they were first admitted.
    pub(crate) first_admitted: BTreeMap<u64, Vec<u64>>,
    /// Entries that were ever admitted.
    pub(crate) ever_written: BTreeSet<u64>,
    /// Entries that are safe with the dead letters.
    pub(crate) dead_letters: BTreeSet<u64>,
    /// What the source would not write again after a crash.
    pub(crate) written: BTreeSet<u64>,
    /// Whether a source went back to an earlier position than it had reached.
    pub(crate) has_rewound: bool,
    /// All sinks of the day, dead or alive.
    pub(crate) sinks: Vec<Model>,
    /// What must never happen and did.
    pub(crate) violations: Vec<String>,
}

/// What is known of one sink from outside.
#[derive(Debug, Default)]
pub(crate) struct Model {
    in_order: bool,
    /// Ids by sequence, from 1: what was restored first.
    pub(crate) ledger: Vec<u64>,
    lanes: BTreeMap<u64, LaneModel>,
    /// Entries whose delivery the sink was told of.
    pub(crate) confirmed: BTreeSet<u64>,
    /// Entries that the dead-letter handler took.
    pub(crate) lettered: BTreeSet<u64>,
    /// How many of them the sink gave up, and not the destination.
    pub(crate) given_up: u64,
    /// Entries that were stored by requests of this sink, however late.
    stored: BTreeSet<u64>,
    /// How often each entry was sent.
    pub(crate) sent: BTreeMap<u64, u32>,
    /// As `delivered_up_to` last said.
    pub(crate) settled_up_to: u64,
    pub(crate) receipts_open: usize,
    /// Entries whose receipts gave an error.
    pub(crate) receipts_broken: BTreeSet<u64>,
}

/// When somebody asked a sink for what is unsent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// How many entries it had been given.
    admitted: usize,
    /// What `delivered_up_to` had said.
    settled_up_to: u64,
}

/// A lane of one sink.
#[derive(Debug, Default)]
struct LaneModel {
    admitted: Vec<u64>,
    /// How many from the start are settled, as far as it was looked.
    settled: usize,
    /// How many from the start are stored or with the dead letters, as far as it was looked.
    stored: usize,
}

impl Model {
    pub(crate) fn new(in_order: bool, restored: &[Item]) -> Self {
        let mut model = Self { in_order, ..Self::default() };
        for item in restored {
            model.admit(item);
        }
        model
    }

    fn admit(&mut self, item: &Item) {
        self.ledger.push(item.id);
        self.lanes.entry(item.lane).or_default().admitted.push(item.id);
    }

    /// What was promised for by now.
    pub(crate) fn moment(&self) -> Moment {
        Moment { admitted: self.ledger.len(), settled_up_to: self.settled_up_to }
    }

    pub(crate) fn is_settled(&self, id: u64) -> bool {
        self.confirmed.contains(&id) || self.lettered.contains(&id)
    }

    /// The entry of this lane that may be sent now: the first one that is not settled.
    fn head(&mut self, lane: u64) -> Option<u64> {
        let lane = self.lanes.get_mut(&lane)?;
        let settled = |id: &u64| self.confirmed.contains(id) || self.lettered.contains(id);
        while lane.admitted.get(lane.settled).is_some_and(settled) {
            lane.settled += 1;
        }
        lane.admitted.get(lane.settled).copied()
    }

    /// The entry of this lane that may be stored for the first time now.
    fn next_first_store(&mut self, lane: u64) -> Option<u64> {
        let lane = self.lanes.get_mut(&lane)?;
        let gone = |id: &u64| self.stored.contains(id) || self.lettered.contains(id);
        while lane.admitted.get(lane.stored).is_some_and(gone) {
            lane.stored += 1;
        }
        lane.admitted.get(lane.stored).copied()
    }
}

impl World {
    /// A producer was told that the sink has its element.
    pub(crate) fn admitted(&mut self, sink: usize, item: &Item) {
        self.sinks[sink].admit(item);
        self.written.insert(item.id);
        if self.ever_written.insert(item.id) {
            self.first_admitted.entry(item.lane).or_default().push(item.id);
        }
    }

    /// A request was built. Nothing settled is sent again; and in order, an entry goes when all
    /// before it in its lane are settled, so a request has one of a lane at most.
    pub(crate) fn built(&mut self, sink: usize, items: &[Item]) {
        let model = &mut self.sinks[sink];
        for item in items {
            let id = item.id;
            *model.sent.entry(id).or_default() += 1;
            if model.is_settled(id) {
                self.violations.push(format!("{id} is sent again after it was settled"));
            } else if model.in_order && model.head(item.lane) != Some(id) {
                let head = model.head(item.lane);
                self.violations
                    .push(format!("{id} is sent before {head:?} of its lane is settled"));
            }
        }
    }

    /// The destination stored an entry, maybe long after its request was given up.
    ///
    /// In order, the first store of an entry follows the first stores of all before it in its lane.
    /// That holds for late stores too, which no client can prevent: a request that is given up is
    /// sent again, and nothing of the lane passes it until it is settled, so a late store is the
    /// first one of its entry, in its place, or a repetition. Two things are not promised: where
    /// an entry comes that the sink gave up to the dead letters, which is stored late all the
    /// same; and where repetitions come.
    pub(crate) fn stored(&mut self, sink: usize, item: &Item) {
        let id = item.id;
        if item.quality != Quality::Good {
            self.violations.push(format!("{id} was stored, a bad entry: the test is wrong"));
        }
        let times = self.stored.entry(id).or_default();
        *times += 1;
        if *times == 1 {
            self.first_stored.entry(item.lane).or_default().push(id);
        }
        let model = &mut self.sinks[sink];
        if model.in_order && !model.stored.contains(&id) && !model.lettered.contains(&id) {
            let next = model.next_first_store(item.lane);
            if next != Some(id) {
                self.violations.push(format!("{id} is stored before {next:?} of its lane"));
            }
        }
        model.stored.insert(id);
    }

    /// The sink was told that an entry is stored.
    pub(crate) fn confirmed(&mut self, sink: usize, id: u64) {
        if !self.sinks[sink].stored.contains(&id) {
            self.violations.push(format!("{id} is confirmed and not stored: the test is wrong"));
        }
        if !self.sinks[sink].confirmed.insert(id) {
            self.violations.push(format!("{id} is settled twice"));
        }
    }

    /// `delivered_up_to` moved.
    pub(crate) fn settled_up_to(&mut self, sink: usize, sequence: u64) {
        let model = &mut self.sinks[sink];
        let before = std::mem::replace(&mut model.settled_up_to, sequence);
        if sequence < before {
            self.violations.push(format!("delivered_up_to went from {before} back to {sequence}"));
        }
        for position in before..sequence {
            let id = model.ledger[usize::try_from(position).unwrap()];
            if !model.is_settled(id) {
                let passed = format!("delivered_up_to is {sequence}, and {id} is not settled");
                self.violations.push(passed);
            }
        }
    }

    /// Entries, told as unsent by a sink, are those that it held and had not settled, in admission
    /// order; all that were written by `call` are there, or settled.
    pub(crate) fn check_unsent(&self, sink: usize, unsent: &[Item], call: Moment) {
        let model = &self.sinks[sink];
        let places: BTreeMap<_, _> =
            model.ledger.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        let kept: Vec<_> = unsent.iter().map(|item| places.get(&item.id)).collect();
        assert!(kept.iter().all(Option::is_some), "unsent is nothing but what was written");
        assert!(kept.is_sorted() && kept.windows(2).all(|two| two[0] < two[1]), "unsent in order");
        let kept: BTreeSet<_> = kept.into_iter().flatten().copied().collect();
        for (place, id) in model.ledger[..call.admitted].iter().enumerate() {
            assert!(
                place as u64 >= call.settled_up_to || !kept.contains(&place),
                "{id} is unsent, though delivered_up_to had passed it"
            );
            assert!(
                kept.contains(&place) || model.is_settled(*id),
                "{id} was written and is neither settled nor unsent"
            );
        }
    }
}

impl World {
    pub(crate) fn check_nothing_wrong(&self) {
        assert_eq!(self.violations, Vec::<String>::new());
    }
}

/// What all share.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    world: Arc<Mutex<World>>,
    start: Instant,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self { world: Arc::default(), start: Instant::now() }
    }

    pub(crate) fn log(&self, event: impl fmt::Display) {
        let at = self.start.elapsed().as_micros();
        self.world().history.push(format!("{at} {event}"));
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Milliseconds since the day began.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap()
    }
}
