//! Delivery streams and what they hold.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::limits::FirehoseLimits;
use crate::{
    api::{ACCOUNT, ApiError},
    codec::now_ms,
    token_bucket::TokenBucket,
};

#[derive(Debug)]
pub(super) struct Store {
    pub(super) limits: FirehoseLimits,
    pub(super) forget_records: bool,
    pub(super) streams: BTreeMap<String, Stream>,
    pub(super) largest: BatchSize,
    next_record: u64,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) created_at: i64,
    pub(super) records: Vec<Bytes>,
    pub(super) batches: Vec<BatchSize>,
    pub(super) totals: StreamTotals,
    requests_bucket: Option<TokenBucket>,
    records_bucket: Option<TokenBucket>,
    bytes_bucket: Option<TokenBucket>,
}

/// How large one request was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchSize {
    /// Its records.
    pub records: usize,
    /// Their data in bytes, before base64: what the limits of a request count.
    pub bytes: usize,
}

/// What a delivery stream took and refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamTotals {
    /// Records stored.
    pub records: u64,
    /// Bytes stored, before base64: what the limits count. (What is billed is each record rounded
    /// up to 5 KiB.)
    pub bytes: u64,
    /// Records refused with `ServiceUnavailableException`.
    pub throttled: u64,
    /// Records refused with another error.
    pub failed: u64,
}

impl Store {
    pub(super) fn new(limits: FirehoseLimits, forget_records: bool) -> Self {
        Self {
            limits,
            forget_records,
            streams: BTreeMap::new(),
            largest: BatchSize::default(),
            next_record: 0,
        }
    }

    pub(super) fn add_stream(&mut self, name: &str) {
        let stream = Stream {
            name: name.to_owned(),
            created_at: now_ms(),
            records: Vec::new(),
            batches: Vec::new(),
            totals: StreamTotals::default(),
            requests_bucket: self.limits.stream_requests_per_second.map(TokenBucket::new),
            records_bucket: self.limits.stream_records_per_second.map(TokenBucket::new),
            bytes_bucket: self.limits.stream_bytes_per_second.map(TokenBucket::new),
        };
        self.streams.insert(name.to_owned(), stream);
    }

    pub(super) fn find(&mut self, name: &str) -> Result<&mut Stream, ApiError> {
        self.streams.get_mut(name).ok_or_else(|| {
            let message = format!("Firehose {name} under account {ACCOUNT} not found.");
            ApiError::new("ResourceNotFoundException", message)
        })
    }

    /// Notes a request's size, whatever becomes of it.
    pub(super) fn count_batch(&mut self, name: &str, size: BatchSize) {
        self.largest.records = self.largest.records.max(size.records);
        self.largest.bytes = self.largest.bytes.max(size.bytes);
        if let Some(stream) = self.streams.get_mut(name)
            && !self.forget_records
        {
            stream.batches.push(size);
        }
    }

    /// An id that no other record of the endpoint has.
    pub(super) fn next_record_id(&mut self) -> String {
        self.next_record += 1;
        format!("{:056}", self.next_record)
    }
}

impl Stream {
    pub(super) fn arn(&self) -> String {
        format!("arn:aws:firehose:us-east-1:{ACCOUNT}:deliverystream/{}", self.name)
    }

    /// Whether the stream's rate lets one more request in; counts it if so.
    pub(super) fn admit_request(&mut self) -> bool {
        let Some(bucket) = &mut self.requests_bucket else { return true };
        let admits = bucket.has(1);
        if admits {
            bucket.take(1);
        }
        admits
    }

    /// Whether the stream's rates let a record of this size in; counts it if so.
    pub(super) fn admit_record(&mut self, bytes: usize) -> bool {
        let records = self.records_bucket.as_mut().is_none_or(|bucket| bucket.has(1));
        let size = self.bytes_bucket.as_mut().is_none_or(|bucket| bucket.has(bytes));
        if !(records && size) {
            return false;
        }
        if let Some(bucket) = &mut self.records_bucket {
            bucket.take(1);
        }
        if let Some(bucket) = &mut self.bytes_bucket {
            bucket.take(bytes);
        }
        true
    }

    pub(super) fn store(&mut self, data: Bytes, forget: bool) {
        self.totals.records += 1;
        self.totals.bytes += data.len() as u64;
        if !forget {
            self.records.push(data);
        }
    }
}
