//! What the server says: answers of the length that the service's have, made once for each number of
//! records.

use std::{collections::HashMap, fmt::Write as _};

use bytes::Bytes;

use super::{
    arrivals::Encoding,
    plan::Service,
    source::{SHARDS, shard_at},
};

/// Answers that say that all is stored.
#[derive(Debug)]
pub struct Answers {
    service: Service,
    made: HashMap<(Encoding, usize), Bytes>,
}

impl Answers {
    /// None made yet.
    pub fn new(service: Service) -> Self {
        Self { service, made: HashMap::new() }
    }

    /// The answer to a request with so many records.
    pub fn stored(&mut self, encoding: Encoding, records: usize) -> Bytes {
        let service = self.service;
        let made = self.made.entry((encoding, records));
        made.or_insert_with(|| make(service, encoding, records).into()).clone()
    }
}

fn make(service: Service, encoding: Encoding, records: usize) -> Vec<u8> {
    let places = 0..records;
    match (service, encoding) {
        (_, Encoding::Metrics) => vec![0xa0], // nothing is in it
        (Service::Kinesis, Encoding::Cbor) => {
            let stored = places.flat_map(|at| {
                map(&[
                    [text("SequenceNumber"), text(&sequence_number(at))],
                    [text("ShardId"), text(&shard_id(shard_at(at)))],
                ])
            });
            map(&[[text("FailedRecordCount"), vec![0]], [text("Records"), list(stored)]])
        }
        (_, Encoding::Cbor) => {
            let stored = places.flat_map(|_| map(&[[text("RecordId"), text(&record_id())]]));
            map(&[
                [text("FailedPutCount"), vec![0]],
                [text("Encrypted"), vec![0xf4]],
                [text("RequestResponses"), list(stored)],
            ])
        }
        (Service::Kinesis, Encoding::Json) => {
            let stored = places.map(|at| {
                let (number, shard) = (sequence_number(at), shard_id(shard_at(at)));
                format!(r#"{{"SequenceNumber":"{number}","ShardId":"{shard}"}}"#)
            });
            let stored = stored.collect::<Vec<_>>().join(",");
            format!(r#"{{"FailedRecordCount":0,"Records":[{stored}]}}"#).into_bytes()
        }
        (_, Encoding::Json) => {
            let stored = places.map(|_| format!(r#"{{"RecordId":"{}"}}"#, record_id()));
            let stored = stored.collect::<Vec<_>>().join(",");
            format!(r#"{{"FailedPutCount":0,"Encrypted":false,"RequestResponses":[{stored}]}}"#)
                .into_bytes()
        }
    }
}

/// The answer to `ListShards`: the sink asks for it, the bare loop does not.
pub fn shards(encoding: Encoding) -> Vec<u8> {
    let width = 1 << (u128::BITS - SHARDS.ilog2());
    let ranges = (0..SHARDS).map(|shard| {
        let first = shard as u128 * width;
        (shard_id(shard), first.to_string(), (first + (width - 1)).to_string())
    });
    let number = sequence_number(0);
    if encoding == Encoding::Json {
        let shards = ranges.map(|(id, first, last)| {
            let range = format!(r#"{{"StartingHashKey":"{first}","EndingHashKey":"{last}"}}"#);
            format!(
                r#"{{"ShardId":"{id}","HashKeyRange":{range},"SequenceNumberRange":{{"StartingSequenceNumber":"{number}"}}}}"#
            )
        });
        return format!(r#"{{"Shards":[{}]}}"#, shards.collect::<Vec<_>>().join(",")).into_bytes();
    }
    let shards = ranges.flat_map(|(id, first, last)| {
        let range =
            map(&[[text("StartingHashKey"), text(&first)], [text("EndingHashKey"), text(&last)]]);
        let numbers = map(&[[text("StartingSequenceNumber"), text(&number)]]);
        map(&[
            [text("ShardId"), text(&id)],
            [text("HashKeyRange"), range],
            [text("SequenceNumberRange"), numbers],
        ])
    });
    map(&[[text("Shards"), list(shards)]])
}

fn shard_id(shard: usize) -> String {
    format!("shardId-{shard:012}")
}

/// 56 digits.
fn sequence_number(at: usize) -> String {
    format!("49543463076548007577105092703039560359975228518395{at:06}")
}

/// 224 characters of base64, as Firehose's are.
fn record_id() -> String {
    (0..28).fold(String::new(), |mut id, part| {
        let _infallible = write!(id, "wKLr1c{:02}", part);
        id
    })
}

/// A CBOR text.
fn text(text: &str) -> Vec<u8> {
    const TEXT: u8 = 3 << 5;
    // All texts here have less than 256 bytes.
    let len = text.len() as u8;
    let head = if len < 24 { vec![TEXT | len] } else { vec![TEXT | 24, len] };
    [&head, text.as_bytes()].concat()
}

/// A CBOR map; of no length given, as Java's encoders make them.
fn map(pairs: &[[Vec<u8>; 2]]) -> Vec<u8> {
    let pairs = pairs.iter().flatten().flatten().copied();
    [0xbf].into_iter().chain(pairs).chain([0xff]).collect()
}

/// A CBOR list of these encoded items; of no length given.
fn list(items: impl Iterator<Item = u8>) -> Vec<u8> {
    [0x9f].into_iter().chain(items).chain([0xff]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_answer_speaks_of_each_record() {
        for (service, count, list) in [
            (Service::Kinesis, "FailedRecordCount", "Records"),
            (Service::Firehose, "FailedPutCount", "RequestResponses"),
        ] {
            let answer = Answers::new(service).stored(Encoding::Json, 500);
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!((&answer[count], answer[list].as_array().unwrap().len()), (&0.into(), 500));
        }
        assert_eq!(record_id().len(), 224);
        assert_eq!(sequence_number(0).len(), 56);
    }

    #[test]
    fn the_shards_cover_all_hash_keys() {
        let answer: Value = serde_json::from_slice(&shards(Encoding::Json)).unwrap();
        let key = |shard: usize, which: &str| {
            let key = answer["Shards"][shard]["HashKeyRange"][which].as_str().unwrap();
            key.parse::<u128>().unwrap()
        };
        assert_eq!(key(0, "StartingHashKey"), 0);
        assert_eq!(key(SHARDS - 1, "EndingHashKey"), u128::MAX);
        for shard in 1..SHARDS {
            assert_eq!(key(shard, "StartingHashKey"), key(shard - 1, "EndingHashKey") + 1);
        }
    }
}
