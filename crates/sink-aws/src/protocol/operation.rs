//! The operations whose bodies we write and whose answers we scan. All others are the SDK's.

use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_types::config_bag::ConfigBag;

/// A batch operation, and the members of its answer when every record is stored.
#[derive(Debug)]
pub(super) struct Operation {
    service: &'static str,
    name: &'static str,
    /// Of the whole answer: how many records failed.
    pub(super) failed: &'static str,
    /// Of the whole answer: the list with one answer for each record.
    pub(super) records: &'static str,
    /// Of the whole answer: what it says of encryption, which nobody needs.
    pub(super) encryption: Encryption,
    /// Of a record: what is there and not empty where it is stored.
    pub(super) id: &'static str,
    /// Of a record: where it is stored, if the service says so.
    pub(super) place: Option<&'static str>,
}

/// The member that speaks of encryption.
#[derive(Debug, Clone, Copy)]
pub(super) enum Encryption {
    Text(&'static str),
    Flag(&'static str),
}

pub(super) static PUT_RECORDS: Operation = Operation {
    service: "Kinesis",
    name: "PutRecords",
    failed: "FailedRecordCount",
    records: "Records",
    encryption: Encryption::Text("EncryptionType"),
    id: "SequenceNumber",
    place: Some("ShardId"),
};

pub(super) static PUT_RECORD_BATCH: Operation = Operation {
    service: "Firehose",
    name: "PutRecordBatch",
    failed: "FailedPutCount",
    records: "RequestResponses",
    encryption: Encryption::Flag("Encrypted"),
    id: "RecordId",
    place: None,
};

impl Operation {
    /// The one that a call is of, if it is one of these.
    pub(super) fn of(config: &ConfigBag) -> Option<&'static Self> {
        let called = config.load::<Metadata>()?;
        [&PUT_RECORDS, &PUT_RECORD_BATCH].into_iter().find(|operation| {
            operation.name == called.name() && operation.service == called.service()
        })
    }
}
