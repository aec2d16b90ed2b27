//! A destination of your own: a key-value service that takes up to 25 pairs a call, answers for
//! each pair, and is busy now and then. `cargo run -p examples --bin custom_destination`

use std::{collections::BTreeMap, convert::Infallible, error::Error, sync::Mutex};

use sink_core::{
    Batch, Cause, ConvertError, Destination, Entry, Limits, Outcome, Reason, Sink, Verdict,
};

/// What the service stores, and what it meters: key and value.
#[derive(Debug, Clone)]
struct Pair {
    key: String,
    value: u64,
}

impl Entry for Pair {
    fn size_bytes(&self) -> usize {
        self.key.len() + size_of_val(&self.value)
    }
}

/// What the service answers for one pair.
enum Status {
    Stored,
    Busy,
    Forbidden,
}

/// The client of the service; yours would do I/O.
#[derive(Default)]
struct KeyValueService {
    stored: Mutex<BTreeMap<String, u64>>,
    calls: Mutex<usize>,
}

impl Destination for KeyValueService {
    type Entry = Pair;
    type Request = Vec<Pair>;
    type Response = Vec<Status>;
    type Error = Infallible;

    const KIND: &'static str = "key-value";
    const LIMITS: Limits = Limits {
        max_batch_size: 25,
        max_batch_size_in_bytes: 16 << 20,
        max_record_size_in_bytes: 400 << 10,
    };

    fn build_request(&self, batch: &Batch<'_, Pair>) -> Vec<Pair> {
        batch.iter().cloned().collect()
    }

    async fn send(&self, pairs: Vec<Pair>) -> Result<Vec<Status>, Infallible> {
        let mut calls = self.calls.lock().unwrap_or_else(|error| error.into_inner());
        let mut stored = self.stored.lock().unwrap_or_else(|error| error.into_inner());
        *calls += 1;
        let statuses = pairs.into_iter().enumerate().map(|(position, pair)| match &pair.key {
            key if key.starts_with("secret/") => Status::Forbidden,
            _ if (position + *calls).is_multiple_of(10) => Status::Busy,
            _ => {
                stored.insert(pair.key, pair.value);
                Status::Stored
            }
        });
        Ok(statuses.collect())
    }

    fn extract_failures(&self, answer: Result<Vec<Status>, Infallible>, sent: usize) -> Outcome {
        let Ok(statuses) = answer; // a service with errors says here which are worth a retry
        let verdicts = statuses.into_iter().map(|status| match status {
            Status::Stored => Verdict::Delivered,
            Status::Busy => Verdict::Retry(Cause::THROTTLED),
            Status::Forbidden => Verdict::Reject(Reason::new("Forbidden", "secret/ is read-only")),
        });
        Outcome::per_entry(sent, verdicts)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let converter = |number: u64| -> Result<Pair, ConvertError> {
        Ok(Pair { key: format!("square/{number}"), value: number * number })
    };
    let sink = Sink::builder(converter, KeyValueService::default()).build()?;
    for number in 0..10_000 {
        sink.write(number).await?;
    }
    let counters = sink.close().await?.counters;
    let (delivered, retried) = (counters.delivered.entries, counters.retried());
    #[allow(clippy::print_stdout)] // a program may speak
    {
        println!("{delivered} delivered in {} requests, {retried} retries", counters.requests);
    }
    assert_eq!(delivered, 10_000);
    Ok(())
}
