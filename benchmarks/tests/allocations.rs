//! How often the core allocates: for a request, never for a record.

use allocation_counter::measure;
use sink_benchmarks::{
    Result,
    hot_path::{self, Payload},
    speed::plan::Call,
};

const RECORDS: [u64; 2] = [20_000, 120_000];
const RECORDS_OF_A_REQUEST: f64 = 500.0;

fn allocations_per_record(call: Call, payload: Payload) -> Result<f64> {
    // The counter counts those of its own thread; the hot path has one.
    let count = |records| {
        let mut result = Ok(());
        let info = measure(|| result = hot_path::run(call, payload, records));
        result.map(|()| info.count_total)
    };
    hot_path::per_record(RECORDS, count)
}

#[test]
fn the_core_allocates_for_requests_and_never_for_records() {
    for call in [Call::Write, Call::WriteAll] {
        let per_record = allocations_per_record(call, Payload::Shared).unwrap();
        let per_request = RECORDS_OF_A_REQUEST * per_record;
        // Its future, which the driver polls by itself, as the destination answers at once. None less,
        // or the counter is broken.
        assert!((0.9..=1.1).contains(&per_request), "{call:?}: {per_request} a request");
    }
}

#[test]
fn a_receipt_is_allocated_once() {
    let [plain, tracked] = [Call::Write, Call::Tracked]
        .map(|call| allocations_per_record(call, Payload::Shared).unwrap());
    let receipt = tracked - plain;
    // Its channel. The queue where the driver keeps it uses its memory again.
    assert!((0.99..1.01).contains(&receipt), "{receipt} allocations a receipt");
}

#[test]
fn a_fresh_payload_is_allocated_once() {
    for call in [Call::Write, Call::WriteAll] {
        let [shared, fresh] = [Payload::Shared, Payload::Fresh]
            .map(|payload| allocations_per_record(call, payload).unwrap());
        let payload = fresh - shared;
        assert!((payload - 1.0).abs() < 1e-3, "{call:?}: {payload} allocations a payload");
    }
}
