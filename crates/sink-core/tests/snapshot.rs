//! Snapshots as a program uses them: taken, kept as bytes, restored to another sink.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking

mod common;

use common::{Item, convert, ids, scripted, settings, sink};
use sink_core::{Appender, Bytes, ErrorKind, Sink, Snapshot, SnapshotEntry};

impl SnapshotEntry for Item {
    fn encode(&self, bytes: &mut Appender<'_>) {
        bytes.extend_from_slice(&self.id.to_le_bytes());
        bytes.extend_from_slice(&(self.size as u64).to_le_bytes());
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        let bytes: [u8; 16] = bytes[..].try_into().map_err(|_| "not 16 bytes".to_owned())?;
        let [id, size] = [0, 8].map(|at| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()));
        Ok(Self { id, size: size as usize })
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_in_flight_and_buffered_survives_as_bytes() {
    let (first, mut requests) = sink(settings());
    for id in 1..=6 {
        first.write(id).await.unwrap();
    }
    let _in_flight = requests.recv().await.unwrap();
    let bytes = first.snapshot().await.to_bytes();
    drop(first.into_unsent().await);

    let snapshot = Snapshot::from_bytes(bytes).unwrap();
    assert_eq!(ids(snapshot.entries()), [1, 2, 3, 4, 5, 6]);
    let (destination, mut requests) = scripted();
    let second = Sink::builder(convert, destination)
        .settings(settings())
        .restore(&snapshot)
        .build()
        .unwrap();
    second.write(7).await.unwrap();
    let request = requests.recv().await.unwrap();
    assert_eq!(request.ids, [1, 2, 3, 4]);
    request.deliver();
    let request = requests.recv().await.unwrap();
    assert_eq!(request.ids, [5, 6, 7]);
    request.deliver();
    second.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_restore_leaves_the_snapshot_to_be_restored_again() {
    let entries = [(1, 10), (2, 900)].map(|(id, size)| Item { id, size });
    let snapshot = Snapshot::new("scripted", entries.to_vec());
    let mut too_tight = settings();
    too_tight.max_record_size_in_bytes = Some(500);
    let error = Sink::builder(convert, scripted().0)
        .settings(too_tight)
        .restore(&snapshot)
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Snapshot);
    assert!(error.to_string().contains("entry 2 of 2 has 900 bytes"), "{error}");

    let (destination, mut requests) = scripted();
    let sink = Sink::builder(convert, destination)
        .settings(settings())
        .restore(&snapshot)
        .build()
        .unwrap();
    assert_eq!(requests.recv().await.unwrap().ids, [1, 2]);
    assert_eq!(sink.into_unsent().await, entries);
}

#[tokio::test]
async fn a_snapshot_of_another_kind_of_destination_is_refused() {
    let snapshot = Snapshot::new("kinesis", vec![Item { id: 1, size: 10 }]);
    let error = Sink::builder(convert, scripted().0).restore(&snapshot).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Snapshot);
    assert!(error.to_string().contains("of a kinesis sink"), "{error}");
}
