//! A service in memory, and a connector to it that can be wrong in one way.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use sink_core::{
    Batch, Cause, Destination, Error, ErrorKind, Lane, Limits, Ordering, Outcome, Reason, Verdict,
    testkit::{Arrived, Cannot, Service, Trouble},
};

use crate::item::{Item, KEY_BYTES, Wrong, number};

/// What the service takes.
const SERVICE: Limits =
    Limits { max_batch_size: 20, max_batch_size_in_bytes: 2000, max_record_size_in_bytes: 300 };

/// An error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Throttled,
    Internal,
    Bad,
    Denied,
    TooLarge,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Code {}

#[derive(Debug, Default)]
struct Store {
    payloads: Vec<Vec<u8>>,
    trouble: Option<Trouble>,
}

impl Store {
    /// What comes of a request; `None` is silence.
    fn put(
        &mut self,
        payloads: Vec<Vec<u8>>,
        is_whole: bool,
    ) -> Option<Result<Vec<Result<(), Code>>, Code>> {
        let trouble = self.trouble;
        if trouble != Some(Trouble::Fatal) {
            self.trouble = None;
        }
        match trouble {
            Some(Trouble::Fatal) => return Some(Err(Code::Denied)),
            Some(Trouble::Throttle) => return Some(Err(Code::Throttled)),
            Some(Trouble::Unavailable) => return Some(Err(Code::Internal)),
            Some(Trouble::Silence) => return None,
            _ => {}
        }
        let sizes = payloads.iter().map(|payload| payload.len() + KEY_BYTES);
        if payloads.len() > SERVICE.max_batch_size
            || sizes.clone().sum::<usize>() > SERVICE.max_batch_size_in_bytes
            || sizes.clone().any(|size| size > SERVICE.max_record_size_in_bytes)
        {
            return Some(Err(Code::TooLarge));
        }
        let is_bad = |payload: &Vec<u8>| payload.starts_with(b"!");
        if is_whole && payloads.iter().any(is_bad) {
            return Some(Err(Code::Bad));
        }
        let mut results = Vec::new();
        for (index, payload) in payloads.into_iter().enumerate() {
            let result = match trouble {
                _ if is_bad(&payload) => Err(Code::Bad),
                Some(Trouble::ThrottleSome) if index % 3 == 1 => Err(Code::Throttled),
                Some(Trouble::FailSome) if index % 3 == 1 => Err(Code::Internal),
                _ => Ok(()),
            };
            if result.is_ok() {
                self.payloads.push(payload);
            }
            results.push(result);
        }
        match trouble {
            Some(Trouble::AnswerTooShort) => drop(results.pop()),
            Some(Trouble::AnswerTooLong) => results.push(Ok(())),
            _ => {}
        }
        Some(Ok(results))
    }
}

/// A service whose answers speak of each entry, or of the request as a whole. `OFF` is what is wrong
/// with the connector's limits: see [`off`].
#[derive(Debug)]
pub(crate) struct Memory<const OFF: usize> {
    pub(crate) wrong: Wrong,
    pub(crate) is_whole: bool,
    store: Arc<Mutex<Store>>,
}

impl<const OFF: usize> Memory<OFF> {
    pub(crate) fn new(wrong: Wrong, is_whole: bool) -> Self {
        Self { wrong, is_whole, store: Arc::default() }
    }
}

/// One limit, one too high (1, 3, 5) or too low (2, 4, 6).
const fn off(off: usize) -> Limits {
    let Limits { max_batch_size: count, max_batch_size_in_bytes: bytes, .. } = SERVICE;
    let record = SERVICE.max_record_size_in_bytes;
    Limits {
        max_batch_size: if off == 1 { count + 1 } else { count - (off == 2) as usize },
        max_batch_size_in_bytes: if off == 3 { bytes + 1 } else { bytes - (off == 4) as usize },
        max_record_size_in_bytes: if off == 5 { record + 1 } else { record - (off == 6) as usize },
    }
}

/// The connector.
#[derive(Debug)]
pub(crate) struct Connector<const OFF: usize> {
    wrong: Wrong,
    is_whole: bool,
    store: Arc<Mutex<Store>>,
    /// What a connector should not have: something that changes.
    asked: Mutex<u64>,
    is_pending: Mutex<bool>,
}

impl<const OFF: usize> Connector<OFF> {
    async fn put(&self, payloads: Vec<Vec<u8>>) -> Result<Vec<Result<(), Code>>, Code> {
        let answer = self.store.lock().unwrap().put(payloads, self.is_whole);
        match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    fn verdict(&self, code: Code) -> Verdict {
        match (code, self.wrong) {
            (Code::Throttled, Wrong::TakesThrottledEntriesForUnavailable) => {
                Verdict::Retry(Cause::Unavailable)
            }
            (Code::Throttled, _) => Verdict::Retry(Cause::THROTTLED),
            (Code::Bad, Wrong::TakesBadForDelivered) => Verdict::Delivered,
            (Code::Bad, Wrong::TakesBadForUnavailable) => Verdict::Retry(Cause::Unavailable),
            (Code::Bad | Code::TooLarge, _) => Verdict::Reject(Reason::new("Bad", "")),
            (Code::Internal | Code::Denied, _) => Verdict::Retry(Cause::Unavailable),
        }
    }

    fn failed(&self, code: Code) -> Outcome {
        let reason = Reason::new(code.to_string(), "");
        let retry = |cause| Outcome::RetryAll(cause, Reason::new(code.to_string(), ""));
        let fatal = || Outcome::Fatal(Error::new(ErrorKind::Fatal, "put", code.to_string()));
        match (code, self.wrong) {
            (Code::Denied, Wrong::TakesFatalForDelivered)
            | (Code::Internal, Wrong::TakesUnavailableForDelivered)
            | (Code::TooLarge, Wrong::TakesRefusalOfSizeForDelivered)
            | (Code::Bad, Wrong::TakesBadForDelivered) => Outcome::Delivered,
            (Code::Denied, Wrong::TakesFatalForUnavailable)
            | (Code::Throttled, Wrong::TakesThrottledForUnavailable)
            | (Code::Bad, Wrong::TakesBadForUnavailable) => retry(Cause::Unavailable),
            (Code::Denied, Wrong::TakesFatalForRejected)
            | (Code::Bad, Wrong::RejectsTheWholeRequestForABadEntry) => Outcome::RejectAll(reason),
            (Code::Internal, Wrong::TakesUnavailableForFatal) => fatal(),
            (Code::Throttled, _) => retry(Cause::THROTTLED),
            (Code::Internal, _) => retry(Cause::Unavailable),
            (Code::Bad, _) => Outcome::Bisect(reason),
            (Code::Denied | Code::TooLarge, _) => fatal(),
        }
    }
}

impl<const OFF: usize> Destination for Connector<OFF> {
    type Entry = Item;
    type Request = Vec<Vec<u8>>;
    type Response = Vec<Result<(), Code>>;
    type Error = Code;

    const KIND: &'static str = "memory";
    const LIMITS: Limits = off(OFF);

    fn build_request(&self, batch: &Batch<'_, Item>) -> Vec<Vec<u8>> {
        let mut request: Vec<_> = batch.iter().map(|item| item.payload.clone()).collect();
        match self.wrong {
            Wrong::Reverses => request.reverse(),
            Wrong::BuildsFromWhatIsPending
                if std::mem::replace(&mut *self.is_pending.lock().unwrap(), true) =>
            {
                request[0] = request[1].clone();
            }
            _ => {}
        }
        request
    }

    async fn send(&self, request: Vec<Vec<u8>>) -> Result<Self::Response, Code> {
        *self.is_pending.lock().unwrap() = false;
        let count = request.len();
        match self.wrong {
            Wrong::RetriesByItself => match self.put(request.clone()).await {
                Err(Code::Internal) => self.put(request).await,
                answer => answer,
            },
            Wrong::SendsTwice => {
                let answer = self.put(request.clone()).await;
                if answer.is_ok() { self.put(request).await } else { answer }
            }
            Wrong::TakesSilenceForDelivered => {
                let limit = Duration::from_millis(100);
                let answer = tokio::time::timeout(limit, self.put(request)).await;
                answer.unwrap_or_else(|_| Ok(vec![Ok(()); count]))
            }
            _ => self.put(request).await,
        }
    }

    fn extract_failures(&self, answer: Result<Self::Response, Code>, sent: usize) -> Outcome {
        let mut results = match answer {
            Ok(results) => results,
            Err(code) => return self.failed(code),
        };
        if self.is_whole {
            return Outcome::Delivered;
        }
        match self.wrong {
            Wrong::TrustsTheFailedCount if results.iter().any(Result::is_ok) => {
                results.fill(Ok(())); // "some were taken"
            }
            Wrong::RetriesAllOfAPartialFailure if results.iter().any(Result::is_err) => {
                return Outcome::RetryAll(Cause::Unavailable, Reason::new("Partial", ""));
            }
            Wrong::MixesUpPositions | Wrong::Reverses => results.reverse(),
            Wrong::FillsUpShortAnswers if results.len() < sent => results.resize(sent, Ok(())),
            Wrong::CutsLongAnswers => results.truncate(sent),
            Wrong::TakesDeliveredForUnavailable => {
                // … now and then.
                let mut asked = self.asked.lock().unwrap();
                *asked += 1;
                if *asked == 1 {
                    return Outcome::RetryAll(Cause::Unavailable, Reason::new("Unknown", ""));
                }
            }
            _ => {}
        }
        let verdict = |result: Result<(), Code>| {
            result.map_or_else(|code| self.verdict(code), |()| Verdict::Delivered)
        };
        Outcome::per_entry(sent, results.into_iter().map(verdict))
    }

    fn lane(&self, item: &Item) -> Lane {
        if self.wrong == Wrong::ChangesLanes {
            let mut asked = self.asked.lock().unwrap();
            *asked += 1;
            return Lane::new(*asked);
        }
        Lane::new(number(&item.payload) % 3)
    }
}

impl<const OFF: usize> Service for Memory<OFF> {
    type Destination = Connector<OFF>;

    fn destination(&self, _: Ordering) -> Connector<OFF> {
        Connector {
            wrong: self.wrong,
            is_whole: self.is_whole,
            store: Arc::clone(&self.store),
            asked: Mutex::default(),
            is_pending: Mutex::default(),
        }
    }

    fn entry(&self, number: u64, size_bytes: usize) -> Result<Item, Cannot> {
        let mut payload = format!("{number:05}").into_bytes();
        payload.resize(size_bytes - KEY_BYTES, b'x');
        Ok(Item { payload, wrong: self.wrong })
    }

    fn number(entry: &Item) -> u64 {
        number(&entry.payload)
    }

    fn smallest_size(&self) -> usize {
        5 + KEY_BYTES
    }

    async fn arrived(&self) -> Arrived {
        if self.wrong == Wrong::NeverArrives {
            std::future::pending::<()>().await;
        }
        let payloads = &self.store.lock().unwrap().payloads;
        let metered: usize = payloads.iter().map(|payload| payload.len() + KEY_BYTES).sum();
        Arrived::in_order(payloads.iter().map(|payload| number(payload))).metered(metered as u64)
    }

    async fn cause(&self, trouble: Trouble) -> Result<(), Cannot> {
        if self.is_whole && matches!(trouble, Trouble::ThrottleSome | Trouble::FailSome) {
            return Err(Cannot::new("a request is stored as a whole or not at all"));
        }
        self.store.lock().unwrap().trouble = Some(trouble);
        Ok(())
    }

    async fn calm(&self) {
        self.store.lock().unwrap().trouble = None;
    }

    fn bad_entry(&self, number: u64) -> Result<Item, Cannot> {
        Ok(Item { payload: format!("!{number:05}").into_bytes(), wrong: self.wrong })
    }

    fn answers_per_entry(&self) -> bool {
        !self.is_whole
    }
}
