//! What every connector must do, against a service in memory.

#![allow(clippy::unwrap_used)] // clippy takes helpers of tests for no tests

use std::{
    future,
    sync::{Arc, Mutex},
    time::Duration,
};

use sink_core::{
    Destination as _, Ordering,
    testkit::{self, Arrived, Cannot, Service, Trouble},
};
use sink_key_value::{KeyValueClient, KeyValueDestination, KeyValueEntry, KeyValueError};

/// One table, and what happens to the next call.
#[derive(Default)]
struct Table {
    stored: Vec<KeyValueEntry>,
    trouble: Option<Trouble>,
}

#[derive(Clone, Default)]
struct KeyValueService(Arc<Mutex<Table>>);

impl KeyValueClient for KeyValueService {
    async fn put(&self, _: &str, pairs: Vec<KeyValueEntry>) -> Result<Vec<String>, KeyValueError> {
        let answer = self.0.lock().unwrap().put(pairs);
        let Some(answer) = answer else { future::pending().await };
        answer
    }
}

impl Table {
    /// `None` is an answer that never comes.
    fn put(&mut self, pairs: Vec<KeyValueEntry>) -> Option<Result<Vec<String>, KeyValueError>> {
        let trouble = self.trouble.take();
        let limits = KeyValueDestination::<KeyValueService>::LIMITS;
        let sizes = || pairs.iter().map(metered);
        let is_too_large = pairs.len() > limits.max_batch_size
            || sizes().sum::<usize>() > limits.max_batch_size_in_bytes
            || sizes().any(|size| size > limits.max_record_size_in_bytes);
        let code = match trouble {
            Some(Trouble::Throttle) => "too_many_requests",
            Some(Trouble::Unavailable) => "unavailable",
            Some(Trouble::Fatal) => "unauthorized",
            _ if is_too_large => "too_large",
            _ if pairs.iter().any(|pair| pair.value().starts_with(b"!")) => "bad_pair",
            _ => "",
        };
        if !code.is_empty() {
            let retry_after = Some(Duration::from_secs(1));
            return Some(Err(KeyValueError::Refused { code: code.to_owned(), retry_after }));
        }
        let mut codes = Vec::new();
        for (position, pair) in pairs.into_iter().enumerate() {
            let code = match trouble {
                Some(Trouble::ThrottleSome) if position % 3 == 1 => "busy",
                Some(Trouble::FailSome) if position % 3 == 1 => "internal",
                _ => "stored",
            };
            codes.push(code.to_owned());
            if code == "stored" {
                self.stored.push(pair);
            }
        }
        match trouble {
            Some(Trouble::AnswerTooShort) => codes.truncate(codes.len() - 1),
            Some(Trouble::AnswerTooLong) => codes.push("stored".to_owned()),
            Some(Trouble::Silence) => return None,
            _ => {}
        }
        Some(Ok(codes))
    }
}

impl Service for KeyValueService {
    type Destination = KeyValueDestination<Self>;

    fn destination(&self, _: Ordering) -> Self::Destination {
        KeyValueDestination::new(self.clone(), "flights")
    }

    fn entry(&self, number: u64, size_bytes: usize) -> Result<KeyValueEntry, Cannot> {
        let key = format!("tenant-{}/{number:05}", number % 4);
        let value = vec![b'x'; size_bytes - key.len() - 16];
        KeyValueEntry::new(&key, value).map_err(|error| Cannot::new(error.to_string()))
    }

    fn number(pair: &KeyValueEntry) -> u64 {
        pair.key().rsplit('/').next().unwrap().parse().unwrap()
    }

    fn smallest_size(&self) -> usize {
        "tenant-0/00000".len() + 16
    }

    async fn arrived(&self) -> Arrived {
        let stored = &self.0.lock().unwrap().stored;
        let metered: usize = stored.iter().map(metered).sum();
        Arrived::in_order(stored.iter().map(Self::number)).metered(metered as u64)
    }

    async fn cause(&self, trouble: Trouble) -> Result<(), Cannot> {
        self.0.lock().unwrap().trouble = Some(trouble);
        Ok(())
    }

    async fn calm(&self) {
        self.0.lock().unwrap().trouble = None;
    }

    fn bad_entry(&self, number: u64) -> Result<KeyValueEntry, Cannot> {
        let key = format!("tenant-0/{number:05}");
        KeyValueEntry::new(&key, &b"!"[..]).map_err(|error| Cannot::new(error.to_string()))
    }
}

/// What the service counts for a pair: asked of the service, not of the connector.
fn metered(pair: &KeyValueEntry) -> usize {
    pair.key().len() + pair.value().len() + 16
}

#[tokio::test(start_paused = true)]
async fn key_value_conforms() {
    let report = testkit::all_with_snapshots(|| async { KeyValueService::default() }).await;
    println!("{report}");
    report.assert_conforms(&[]);
}
