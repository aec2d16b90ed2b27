//! The records that both sides write.

use bytes::Bytes;
use md5::{Digest as _, Md5};

use super::plan::{Plan, Service};
use crate::speed::{plan::Sabotage, record::Template};

/// Open shards of the stream, each with an eighth of the hash keys.
pub const SHARDS: usize = 8;

/// Hosts that the metrics are of.
pub const HOSTS: u64 = 200;

/// Between the values of two data: values with many digits, as measured ones have, which gzip can do
/// little about.
const STEP: f64 = 0.37;

/// Makes records by their number.
#[derive(Debug)]
pub struct Source {
    template: Template,
    keys: Vec<String>,
    records: u64,
    sabotage: Option<Sabotage>,
    victim: u64,
}

impl Source {
    /// As planned. Making the keys costs a moment, before the run.
    pub fn new(plan: &Plan) -> Self {
        let keys = if plan.service == Service::Kinesis { keys(plan.batch()) } else { Vec::new() };
        Self {
            template: Template::new(plan.size, true),
            keys,
            records: plan.records,
            sabotage: plan.sabotage,
            victim: plan.victim(),
        }
    }

    /// The numbers of all records, in the order in which they are written.
    pub fn numbers(&self) -> impl Iterator<Item = u64> + use<> {
        let (sabotage, victim) = (self.sabotage, self.victim);
        (0..self.records).flat_map(move |number| {
            let times = match sabotage.filter(|_| number == victim) {
                Some(Sabotage::Drop) => 0,
                Some(Sabotage::Repeat) => 2,
                Some(Sabotage::Alter) | None => 1,
            };
            std::iter::repeat_n(number, times)
        })
    }

    /// A payload of its own for a record.
    pub fn payload(&self, number: u64) -> Bytes {
        let mut payload = self.template.payload(number).into_owned();
        if self.is_altered(number)
            && let Some(last) = payload.last_mut()
        {
            *last ^= 1;
        }
        payload.into()
    }

    /// The partition key of a record.
    pub fn key(&self, number: u64) -> &str {
        self.keys.get((number % self.keys.len().max(1) as u64) as usize).map_or("", String::as_str)
    }

    /// The value of a datum.
    pub fn value(&self, number: u64) -> f64 {
        number as f64 * STEP + if self.is_altered(number) { STEP / 2.0 } else { 0.0 }
    }

    fn is_altered(&self, number: u64) -> bool {
        self.sabotage == Some(Sabotage::Alter) && number == self.victim
    }
}

/// The number of the datum that has this value; `None` for a value that none has.
pub fn number_of(value: f64) -> Option<u64> {
    let number = (value / STEP).round();
    (number * STEP == value).then_some(number as u64)
}

/// The shard of a request's record at this place: what the server answers, and what the keys are
/// chosen for, because the sink compares the two.
pub fn shard_at(place: usize) -> usize {
    place % SHARDS
}

/// Keys for some requests on end.
fn keys(batch: usize) -> Vec<String> {
    let mut candidates = (0_u64..).map(|number| format!("{:016x}", number.wrapping_mul(ODD)));
    let mut key = |shard| {
        candidates.by_ref().find(|key| {
            let hash = u128::from_be_bytes(Md5::digest(key.as_bytes()).into());
            hash >> (u128::BITS - SHARDS.ilog2()) == shard as u128
        })
    };
    // Without an end there is always another candidate.
    (0..SHARDS * batch).map(|at| key(shard_at(at % batch)).unwrap_or_default()).collect()
}

/// Makes of numbers something that looks like keys; being odd it makes no two alike.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::plan::BodyEncoding;

    fn plan(sabotage: Option<Sabotage>) -> Plan {
        Plan {
            service: Service::Kinesis,
            size: 100,
            records: 1000,
            in_flight: 1,
            encoding: BodyEncoding::Sdk,
            pairs: 1,
            only: None,
            sabotage,
        }
    }

    #[test]
    fn sabotage_is_done_to_one_record() {
        for (sabotage, times) in [
            (None, 1),
            (Some(Sabotage::Drop), 0),
            (Some(Sabotage::Repeat), 2),
            (Some(Sabotage::Alter), 1),
        ] {
            let plan = plan(sabotage);
            let source = Source::new(&plan);
            let numbers: Vec<_> = source.numbers().collect();
            let victims = numbers.iter().filter(|number| **number == plan.victim()).count();
            assert_eq!((victims, numbers.len()), (times, 999 + times), "{sabotage:?}");
            let other = Source::new(&self::plan(None));
            let altered: Vec<_> =
                (0..1000).filter(|n| source.payload(*n) != other.payload(*n)).collect();
            let expected: &[u64] =
                if sabotage == Some(Sabotage::Alter) { &[plan.victim()] } else { &[] };
            assert_eq!(altered, expected);
        }
    }

    #[test]
    fn a_value_tells_its_number() {
        let source = Source::new(&plan(None));
        for number in [0, 1, 999, 1_234_567, 1 << 40] {
            assert_eq!(number_of(source.value(number)), Some(number));
        }
        let altered = Source::new(&plan(Some(Sabotage::Alter)));
        assert_eq!(number_of(altered.value(plan(None).victim())), None);
    }

    #[test]
    fn a_key_points_to_the_shard_of_its_place() {
        let source = Source::new(&plan(None));
        for number in [0, 1, 7, 8, 499, 500, 501, 4000] {
            let hash = u128::from_be_bytes(Md5::digest(source.key(number).as_bytes()).into());
            assert_eq!((hash >> 125) as usize, shard_at(number as usize % 500), "{number}");
        }
    }
}
