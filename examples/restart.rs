//! Nothing is lost when the program dies: a snapshot, and the position of the source, are kept now
//! and then; entries that the destination will never take go to a file.
//!
//! `cargo run -p examples --bin restart -- FOLDER 12345` writes events to `FOLDER/stored` and dies
//! at event 12,345. Without the number it goes on where that left off.
#![allow(clippy::print_stdout)] // a program may speak

use std::{
    error::Error,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use sink_core::{
    Appender, Batch, Bytes, Cause, ConvertError, Destination, Entry, FileDeadLetters,
    FileSnapshotStore, Limits, Outcome, Reason, Sink, Snapshot, SnapshotEntry, SnapshotStore as _,
    Verdict,
};

const EVENTS: u64 = 20_000;

#[derive(Clone)]
struct Event(u64);

impl Entry for Event {
    fn size_bytes(&self) -> usize {
        size_of::<u64>()
    }
}

/// What a snapshot, and a line of the dead letters, keeps of an event.
impl SnapshotEntry for Event {
    fn encode(&self, bytes: &mut Appender<'_>) {
        bytes.extend_from_slice(&self.0.to_le_bytes());
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        let bytes = bytes[..].try_into().map_err(|_| format!("{} bytes, not 8", bytes.len()))?;
        Ok(Self(u64::from_le_bytes(bytes)))
    }
}

/// A service that stores numbers, but none that ends with three zeros.
struct Service(Mutex<File>);

impl Destination for Service {
    type Entry = Event;
    type Request = Vec<u64>;
    type Response = Vec<Verdict>;
    type Error = io::Error;
    const KIND: &'static str = "numbers";
    const LIMITS: Limits = Limits {
        max_batch_size: 500,
        max_batch_size_in_bytes: 1 << 20,
        max_record_size_in_bytes: 1 << 10,
    };

    fn build_request(&self, batch: &Batch<'_, Event>) -> Vec<u64> {
        batch.iter().map(|event| event.0).collect()
    }

    async fn send(&self, numbers: Vec<u64>) -> Result<Vec<Verdict>, io::Error> {
        tokio::time::sleep(Duration::from_millis(5)).await; // the way there
        let mut lines = String::new();
        let verdicts = numbers.into_iter().map(|number| {
            if number.is_multiple_of(1000) {
                return Verdict::Reject(Reason::new("TooRound", "it ends with three zeros"));
            }
            lines += &format!("{number}\n");
            Verdict::Delivered
        });
        let verdicts = verdicts.collect();
        self.0.lock().unwrap_or_else(|error| error.into_inner()).write_all(lines.as_bytes())?;
        Ok(verdicts)
    }

    fn extract_failures(&self, answer: Result<Vec<Verdict>, io::Error>, sent: usize) -> Outcome {
        match answer {
            Ok(verdicts) => Outcome::per_entry(sent, verdicts),
            Err(error) => {
                Outcome::RetryAll(Cause::Unavailable, Reason::new("Io", error.to_string()))
            }
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("usage: restart FOLDER [DIES_AT]")?);
    let dies_at = args.next().map(|number| number.parse::<u64>()).transpose()?;

    fs::create_dir_all(folder.join("snapshots"))?;
    let store = FileSnapshotStore::open(folder.join("snapshots"))?;
    let letters = FileDeadLetters::open(folder.join("rejected.ndjson"))?;
    let stored = File::options().create(true).append(true).open(folder.join("stored"))?;
    let mut builder =
        Sink::builder(|number| Ok::<_, ConvertError>(Event(number)), Service(Mutex::new(stored)))
            .dead_letters(letters);

    // First what the last run had not delivered, then what it had not written.
    if let Some(bytes) = store.load_latest().await? {
        let snapshot = Snapshot::from_bytes(bytes)?;
        println!("{} restored", snapshot.len());
        builder = builder.restore(&snapshot);
    }
    let sink = builder.build()?;
    for number in position(&folder)? + 1..=EVENTS {
        sink.write(number).await?;
        if Some(number) == dies_at {
            std::process::exit(9); // as if the power had failed
        }
        if number.is_multiple_of(1000) {
            // Everything up to `number` is delivered, rejected, or in this snapshot. The sink goes
            // on sending meanwhile: what it delivers from here on may be delivered again.
            store.save(sink.snapshot().await.to_bytes()).await?;
            // In this order: after a crash in between, some events are written twice. The other way
            // round, those in the snapshot would be lost.
            keep_position(&folder, number)?;
        }
    }
    let counters = sink.close().await?.counters;
    // Nothing is left to restore.
    store.save(sink.snapshot().await.to_bytes()).await?;
    keep_position(&folder, EVENTS)?;
    println!("{} delivered, {} rejected", counters.delivered.entries, counters.rejected.entries);
    Ok(())
}

/// The last event that the snapshot knows of.
fn position(folder: &Path) -> Result<u64, Box<dyn Error>> {
    match fs::read_to_string(folder.join("position")) {
        Ok(text) => Ok(text.parse()?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Under another name first, so that a crash leaves the old position or the new one.
fn keep_position(folder: &Path, position: u64) -> io::Result<()> {
    let mut file = File::create(folder.join("position.new"))?;
    file.write_all(position.to_string().as_bytes())?;
    file.sync_all()?;
    fs::rename(folder.join("position.new"), folder.join("position"))
}
