//! Amazon Data Firehose: the operations that a producer and its tests need.

mod limits;
mod put;
mod shapes;
mod store;
mod streams;

use std::sync::Mutex;

use bytes::Bytes;

use self::store::Store;
pub use self::{
    limits::FirehoseLimits,
    store::{BatchSize, StreamTotals},
};
use crate::{
    api::{ApiError, Call},
    codec::Encoding,
    counts::Requests,
    faults::{Fault, Faults},
    server::lock,
};

/// The delivery streams of an [`Emulator`](crate::Emulator), and what arrived there.
///
/// Nothing is delivered further: what arrived stays, to be asked for.
#[derive(Debug)]
pub struct Firehose {
    store: Mutex<Store>,
    pub(crate) requests: Requests,
}

impl Firehose {
    pub(crate) const TARGET: &'static str = "Firehose_20150804";

    pub(crate) fn new(limits: FirehoseLimits, forget_records: bool) -> Self {
        Self {
            store: Mutex::new(Store::new(limits, forget_records)),
            requests: Requests::default(),
        }
    }

    /// Makes a delivery stream, at once active.
    ///
    /// # Errors
    ///
    /// The service's message, when there is such a stream, or the name is none.
    pub fn create_delivery_stream(&self, name: &str) -> Result<(), String> {
        streams::create(&mut lock(&self.store), name).map_err(|error| error.message)
    }

    /// The data of what arrived in a delivery stream, in order; `None` if there is no such stream.
    ///
    /// Empty if the emulator [forgets](crate::EmulatorBuilder::forget_records) records.
    pub fn records(&self, stream: &str) -> Option<Vec<Bytes>> {
        Some(lock(&self.store).streams.get(stream)?.records.clone())
    }

    /// What a delivery stream took and refused; `None` if there is no such stream.
    pub fn totals(&self, stream: &str) -> Option<StreamTotals> {
        Some(lock(&self.store).streams.get(stream)?.totals.clone())
    }

    /// The size of each request that came for a delivery stream, in order, those that were refused
    /// among them, but not those that a fault answered unread; `None` if there is no such stream.
    ///
    /// Empty if the emulator [forgets](crate::EmulatorBuilder::forget_records) records.
    pub fn batches(&self, stream: &str) -> Option<Vec<BatchSize>> {
        Some(lock(&self.store).streams.get(stream)?.batches.clone())
    }

    /// The most records that one request brought, of those that [`batches`](Self::batches) counts;
    /// kept even when records are forgotten.
    pub fn largest_batch_records(&self) -> usize {
        lock(&self.store).largest.records
    }

    /// The most bytes of data that one request brought, likewise.
    pub fn largest_batch_bytes(&self) -> usize {
        lock(&self.store).largest.bytes
    }

    /// How many requests to write came, whatever became of them.
    pub fn requests(&self) -> usize {
        self.requests.writes()
    }

    /// How many requests for this operation (such as `PutRecordBatch`) came, whatever became of
    /// them.
    pub fn calls(&self, operation: &str) -> usize {
        self.requests.calls(operation)
    }

    /// How many requests to write were there at once, at most.
    pub fn most_requests_in_flight(&self) -> usize {
        self.requests.most_in_flight()
    }

    /// Carries out an operation and gives the encoded answer.
    pub(crate) fn handle(
        &self,
        operation: &str,
        encoding: Encoding,
        body: &[u8],
        faults: &Faults,
        fault: Option<&Fault>,
    ) -> Result<Vec<u8>, ApiError> {
        let call = Call { store: &self.store, encoding, body };
        match operation {
            "PutRecordBatch" => {
                let input = encoding.decode(body)?;
                let mut answer = put::put_record_batch(&self.store, input, faults)?;
                if let Some(fault) = fault {
                    fault.tamper(&mut answer.request_responses);
                }
                Ok(encoding.encode(&answer))
            }
            "PutRecord" => {
                let answer = put::put_record(&self.store, encoding.decode(body)?, faults)?;
                Ok(encoding.encode(&answer))
            }
            "CreateDeliveryStream" => call.with(streams::create_delivery_stream),
            "DeleteDeliveryStream" => call.with(streams::delete_delivery_stream),
            "DescribeDeliveryStream" => call.with(streams::describe_delivery_stream),
            "ListDeliveryStreams" => call.with(streams::list_delivery_streams),
            _ => Err(ApiError::new(
                "UnknownOperationException",
                format!("the emulator has no operation {operation}"),
            )),
        }
    }
}
