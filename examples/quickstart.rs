//! What a user copies: events of your own to a Kinesis stream.
//!
//! `cargo run -p examples --bin quickstart -- STREAM`, with AWS credentials and a region in the
//! environment, and, for an endpoint other than AWS, its URL in `AWS_ENDPOINT_URL`.
#![allow(clippy::print_stdout)] // a program may speak

use std::{error::Error, time::Duration};

use sink_kinesis::{KinesisConverter, KinesisSinkConfig};

/// Yours.
struct Departure {
    airport: &'static str,
    flight: u32,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let stream = std::env::args().nth(1).ok_or("usage: quickstart STREAM")?;

    // The record's bytes, and the key that says which shard it goes to.
    let converter = KinesisConverter::new(|departure: &Departure| {
        serde_json::to_vec(&serde_json::json!({
            "airport": departure.airport,
            "flight": departure.flight,
        }))
    })
    .partition_key(|departure: &Departure| departure.airport);

    let mut config = KinesisSinkConfig::new(stream);
    config.settings.max_time_in_buffer = Some(Duration::from_millis(500));
    let sink = config.build(converter).await?;

    // Clones of the sink can be written to from any number of tasks.
    for flight in 0..10_000 {
        let airport = ["JFK", "LGA", "EWR"][flight as usize % 3];
        sink.write(Departure { airport, flight }).await?; // waits only when the buffer is full
    }

    // Everything is delivered, or this says why not; then `sink.into_unsent()` has the rest.
    let summary = sink.close().await?;
    let counters = summary.counters;
    println!(
        "{} delivered in {} requests, {} retries, {:?}",
        counters.delivered.entries,
        counters.requests,
        counters.retried(),
        summary.elapsed
    );
    Ok(())
}
