//! The destination that the sink under measure writes to.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use sink_core::{Batch, Cause, Destination, Error, ErrorKind, Lane, Limits, Outcome, Verdict};

use super::{
    far::Far,
    judge::Judge,
    ledger::Ledger,
    plan::{Plan, Sabotage},
    record::{Record, SAMPLE, Template},
};

/// The records of a request: each as its number, once its payload is found to be what it was. A
/// connector would encode the payloads; here that would only hide what the sink costs.
#[derive(Debug)]
pub struct Request {
    numbers: Vec<u64>,
    altered: u64,
}

/// The record that [`Sabotage`] spoils: one that is looked at closely.
const SPOILED: u64 = 12 * SAMPLE;

/// Position and cause of each record that is not stored, positions rising.
pub type Refused = Vec<(usize, Cause)>;

/// What is at the other end, however far it is: judges, and ticks off what it stores.
#[derive(Debug)]
pub struct Store(Mutex<(Judge, Ledger)>);

impl Store {
    fn state(&self) -> MutexGuard<'_, (Judge, Ledger)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at what has arrived.
    pub fn ledger<R>(&self, look: impl FnOnce(&Ledger) -> R) -> R {
        look(&self.state().1)
    }

    /// Judges the records of a request, and stores those that it takes.
    pub fn arrive(&self, request: &Request) -> Refused {
        let now = Instant::now();
        let (judge, ledger) = &mut *self.state();
        judge.begin(now);
        let mut refused = Refused::new();
        if judge.takes_all() {
            request.numbers.iter().for_each(|number| ledger.accept(*number, now));
        } else {
            for (position, number) in request.numbers.iter().enumerate() {
                match judge.refuses(*number, now) {
                    None => ledger.accept(*number, now),
                    Some(cause) => refused.push((position, cause)),
                }
            }
        }
        let accepted = (request.numbers.len() - refused.len()) as u64;
        ledger.note_request(accepted, refused.len() as u64, request.altered, now);
        refused
    }
}

/// The way to a [`Store`].
#[derive(Debug)]
pub struct Service<const LANES: bool> {
    store: Arc<Store>,
    far: Option<Far>,
    template: Template,
    lanes: u64,
    sabotage: Option<Sabotage>,
}

impl<const LANES: bool> Service<LANES> {
    /// The one of a plan, and its store.
    pub fn new(plan: &Plan, template: Template, ledger: Ledger) -> (Self, Arc<Store>) {
        let judge = Judge::new(&plan.behaviour, ledger.start());
        let store = Arc::new(Store(Mutex::new((judge, ledger))));
        let latency = plan.behaviour.latency;
        let far = (!latency.is_zero()).then(|| Far::new(Arc::clone(&store), latency));
        let Plan { lanes, sabotage, .. } = *plan;
        (Self { store: Arc::clone(&store), far, template, lanes, sabotage }, store)
    }

    /// Does it to [`SPOILED`], if it is in this request.
    fn spoil(&self, how: Sabotage, batch: &Batch<'_, Record>, request: &mut Request) {
        let found = batch.iter().enumerate().find(|(_, record)| record.number == SPOILED);
        let Some((position, record)) = found else { return };
        match how {
            Sabotage::Drop => {
                request.numbers.remove(position);
            }
            Sabotage::Repeat => request.numbers.push(SPOILED),
            Sabotage::Alter => {
                let mut record = record.clone();
                if let Some(last) = record.payload.to_mut().last_mut() {
                    *last ^= 1;
                }
                request.altered += u64::from(!self.template.is_intact(&record));
            }
        }
    }
}

/// The thread of the destination is gone: it panicked.
#[derive(Debug)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the destination's thread is gone")
    }
}

impl std::error::Error for Gone {}

impl<const LANES: bool> Destination for Service<LANES> {
    type Entry = Record;
    type Request = Request;
    type Response = Refused;
    type Error = Gone;

    const KIND: &'static str = "bench";
    const HAS_LANES: bool = LANES;
    const LIMITS: Limits = crate::LIMITS;

    fn build_request(&self, batch: &Batch<'_, Record>) -> Request {
        let mut altered = 0;
        let number = |record: &Record| {
            altered += u64::from(!self.template.is_intact(record));
            record.number
        };
        let numbers = batch.iter().map(number).collect();
        let mut request = Request { numbers, altered };
        if let Some(how) = self.sabotage {
            self.spoil(how, batch, &mut request);
        }
        request
    }

    async fn send(&self, request: Request) -> Result<Refused, Gone> {
        match &self.far {
            None => Ok(self.store.arrive(&request)),
            Some(far) => far.send(request).await,
        }
    }

    fn extract_failures(&self, answer: Result<Refused, Gone>, sent: usize) -> Outcome {
        let refused = match answer {
            Ok(refused) if refused.is_empty() => return Outcome::Delivered,
            Ok(refused) => refused,
            Err(gone) => {
                return Outcome::Fatal(Error::new(ErrorKind::Fatal, "send", gone.to_string()));
            }
        };
        let mut refused = refused.into_iter().peekable();
        let verdict = |position: usize| match refused.next_if(|(of, _)| *of == position) {
            None => Verdict::Delivered,
            Some((_, cause)) => Verdict::Retry(cause),
        };
        Outcome::per_entry(sent, (0..sent).map(verdict))
    }

    #[inline]
    fn lane(&self, record: &Record) -> Lane {
        match self.lanes {
            0 | 1 => Lane::SHARED,
            lanes => Lane::new(1 + record.number % lanes),
        }
    }
}
