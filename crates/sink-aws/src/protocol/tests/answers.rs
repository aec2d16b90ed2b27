//! Whatever the wire says, it means to a connector what it means with the SDK's own parser.

use aws_sdk_firehose::operation::put_record_batch::PutRecordBatchOutput;
use aws_sdk_kinesis::operation::put_records::PutRecordsOutput;
use proptest::prelude::*;
use sink_core::Outcome;

use super::*;
use crate::{Classifier, not_stored};

/// The SDK's parser of Kinesis' answers in CBOR: all that is not ours.
struct SdkCbor;

impl SdkCbor {
    fn outcome(body: &[u8], sent: usize) -> String {
        let codec = cbor_codec();
        let mut parser = Codec::create_deserializer(&codec, body);
        kinesis(PutRecordsOutput::deserialize(&mut parser).ok(), sent)
    }
}

fn classifier() -> Classifier {
    Classifier::new("Put", &[])
}

fn text(outcome: &Outcome) -> String {
    format!("{outcome:?}")
}

/// As the failure extractor of sink-kinesis says.
fn kinesis(output: Option<PutRecordsOutput>, sent: usize) -> String {
    let Some(output) = output else { return "unreadable".to_owned() };
    let failures = output.records().iter().map(|record| {
        not_stored(record.sequence_number(), record.error_code(), record.error_message())
    });
    text(&classifier().answered(sent, failures))
}

/// As the failure extractor of sink-firehose says.
fn firehose(output: Option<PutRecordBatchOutput>, sent: usize) -> String {
    let Some(output) = output else { return "unreadable".to_owned() };
    let failures = output
        .request_responses()
        .iter()
        .map(|record| not_stored(record.record_id(), record.error_code(), record.error_message()));
    text(&classifier().answered(sent, failures))
}

/// Outcome, whether the answer was scanned, and the shards it names.
fn by_us(
    encoding: BodyEncoding,
    is_kinesis: bool,
    answer: &Response,
    sent: usize,
) -> (String, Option<Vec<Option<String>>>) {
    let protocol = ours(encoding);
    let (parsed, stored) = exchange::within(any_body(), || {
        if is_kinesis {
            let config = put_records();
            let mut parser = protocol
                .deserialize_response(answer, PutRecordsOutput::SCHEMA, &config)
                .map_err(|_| ())
                .unwrap();
            kinesis(PutRecordsOutput::deserialize(&mut *parser).ok(), sent)
        } else {
            let config = put_record_batch();
            let mut parser = protocol
                .deserialize_response(answer, PutRecordBatchOutput::SCHEMA, &config)
                .map_err(|_| ())
                .unwrap();
            firehose(PutRecordBatchOutput::deserialize(&mut *parser).ok(), sent)
        }
    });
    match stored {
        Some(stored) => {
            // What would be seen without looking at what was scanned: never that all is well.
            assert!(sent == 0 || parsed.contains("WrongAnswerLength"), "{parsed}");
            let place = |at| stored.place(at).map(str::to_owned);
            let places = (0..stored.count()).map(place).collect();
            (text(&classifier().stored(sent, &stored)), Some(places))
        }
        None => (parsed, None),
    }
}

fn by_sdk(is_kinesis: bool, body: &[u8], sent: usize) -> String {
    let answer = answer_of(200, JSON, body);
    if is_kinesis {
        let config = put_records();
        let mut parser = sdk().deserialize_response(&answer, PutRecordsOutput::SCHEMA, &config);
        kinesis(PutRecordsOutput::deserialize(&mut **parser.as_mut().unwrap()).ok(), sent)
    } else {
        let config = put_record_batch();
        let mut parser = sdk().deserialize_response(&answer, PutRecordBatchOutput::SCHEMA, &config);
        firehose(PutRecordBatchOutput::deserialize(&mut **parser.as_mut().unwrap()).ok(), sent)
    }
}

/// Both must agree; says whether the answer was scanned.
fn agree(is_kinesis: bool, is_cbor: bool, body: &[u8], sent: usize) -> bool {
    let (encoding, kind, expected) = if is_cbor {
        (BodyEncoding::Cbor, CBOR, SdkCbor::outcome(body, sent))
    } else {
        (BodyEncoding::Json, JSON, by_sdk(is_kinesis, body, sent))
    };
    let answer = answer_of(200, kind, body);
    let (outcome, scanned) = by_us(encoding, is_kinesis, &answer, sent);
    assert_eq!(outcome, expected, "{}", body.escape_ascii());
    scanned.is_some()
}

/// Records that look like the one before, and records that do not.
const KINESIS: &str = concat!(
    r#"{"FailedRecordCount":0,"Records":[{"SequenceNumber":"4954","ShardId":"shardId-0"},"#,
    r#"{"SequenceNumber":"4955","ShardId":"shardId-1"},"#,
    r#"{"ShardId":"shardId-1","SequenceNumber":"4955"},{"SequenceNumber":"7"},"#,
    r#"{"SequenceNumber":"8"}],"EncryptionType":"KMS"}"#
);
const FIREHOSE: &str = concat!(
    r#"{"RequestResponses":[{"RecordId":"a+/="},{"RecordId":"b+/="},{"RecordId":"b"}],"#,
    r#""Encrypted":false,"FailedPutCount":0}"#
);

/// A JSON text as CBOR; with known lengths, or with unknown ones as Kinesis' own service writes.
fn as_cbor(json: &str, is_known: bool) -> Vec<u8> {
    fn write(value: &serde_json::Value, is_known: bool, out: &mut Vec<u8>) {
        use serde_json::Value;
        let small = |kind: u8, length: usize, out: &mut Vec<u8>| match u8::try_from(length).unwrap()
        {
            length @ 0..=23 => out.push(kind | length),
            length => out.extend([kind | 24, length]),
        };
        match value {
            Value::Number(number) => small(0, number.as_u64().unwrap().try_into().unwrap(), out),
            Value::Bool(is) => out.push(0xf4 | u8::from(*is)),
            Value::Null => out.push(0xf6),
            Value::String(text) => {
                small(0x60, text.len(), out);
                out.extend_from_slice(text.as_bytes());
            }
            Value::Array(values) => {
                if is_known {
                    small(0x80, values.len(), out)
                } else {
                    out.push(0x9f)
                }
                values.iter().for_each(|value| write(value, is_known, out));
                out.extend((!is_known).then_some(0xff));
            }
            Value::Object(members) => {
                if is_known {
                    small(0xa0, members.len(), out)
                } else {
                    out.push(0xbf)
                }
                for (name, value) in members {
                    write(&Value::String(name.clone()), is_known, out);
                    write(value, is_known, out);
                }
                out.extend((!is_known).then_some(0xff));
            }
        }
    }
    let mut out = Vec::new();
    write(&serde_json::from_str(json).unwrap(), is_known, &mut out);
    out
}

/// Each answer in which all is well: service, encoding, body, records.
fn all_well() -> [(bool, bool, Vec<u8>, usize); 4] {
    [
        (true, false, KINESIS.as_bytes().to_vec(), 5),
        (false, false, FIREHOSE.as_bytes().to_vec(), 3),
        (true, true, as_cbor(KINESIS, true), 5),
        (true, true, as_cbor(KINESIS, false), 5),
    ]
}

#[test]
fn an_answer_in_which_all_is_well_is_counted_and_its_shards_are_known() {
    for (is_kinesis, is_cbor, body, sent) in all_well() {
        assert!(agree(is_kinesis, is_cbor, &body, sent));
        // The scan counts what is there; that it is too many or too few is seen.
        for wrong in [0, sent - 1, sent + 1] {
            assert!(agree(is_kinesis, is_cbor, &body, wrong));
        }
        let kind = if is_cbor { CBOR } else { JSON };
        let answer = answer_of(200, kind, &body);
        let (outcome, places) = by_us(BodyEncoding::Cbor, is_kinesis, &answer, sent);
        assert_eq!(outcome, "Delivered");
        let shard = |name: &str| Some(name.to_owned());
        let one = || shard("shardId-1");
        let kinesis = vec![shard("shardId-0"), one(), one(), None, None];
        assert_eq!(places.unwrap(), if is_kinesis { kinesis } else { vec![None; 3] });
    }
}

#[test]
fn an_answer_cut_at_any_byte_means_what_it_means_to_the_sdk() {
    for (is_kinesis, is_cbor, body, sent) in all_well() {
        for end in 0..body.len() {
            assert!(!agree(is_kinesis, is_cbor, &body[..end], sent), "cut at {end}");
        }
    }
}

#[test]
fn an_answer_with_any_byte_changed_means_what_it_means_to_the_sdk() {
    for (is_kinesis, is_cbor, body, sent) in all_well() {
        for at in 0..body.len() {
            let mut changed = body.clone();
            for byte in 0..=255 {
                changed[at] = byte;
                agree(is_kinesis, is_cbor, &changed, sent);
            }
        }
    }
}

#[test]
fn anything_else_is_left_to_the_sdk() {
    for body in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"FailedRecordCount":0}"#,
        r#"{"FailedRecordCount":1,"Records":[{"SequenceNumber":"1"}]}"#,
        r#"{"FailedRecordCount":00,"Records":[{"SequenceNumber":"1"}]}"#,
        r#"{"FailedRecordCount":null,"Records":[{"SequenceNumber":"1"}]}"#,
        r#"{"FailedRecordCount":0,"FailedRecordCount":0,"Records":[{"SequenceNumber":"1"}]}"#,
        r#"{"Records":[{"SequenceNumber":"1"}],"Records":[{"SequenceNumber":"1"}]}"#,
        r#"{"Records":[{"SequenceNumber":"1"}],"EncryptionType":"NONE","EncryptionType":"KMS"}"#,
        r#"{"Records":[{"SequenceNumber":"1"}],"New":1}"#,
        r#"{"Records":[{"SequenceNumber":"1"}],"Encrypted":true}"#,
        r#"{"Records":[{"SequenceNumber":"1"}]} "#,
        r#"{"Records":[{"SequenceNumber":"1"}]}}"#,
        r#"{"Records": [{"SequenceNumber":"1"}]}"#,
        r#"{"Records":[{"SequenceNumber":"1"},]}"#,
        r#"{"Records":[{"SequenceNumber":"1",}]}"#,
        r#"{"Records":[{"SequenceNumber":""}]}"#,
        r#"{"Records":[{"SequenceNumber":null}]}"#,
        r#"{"Records":[{"SequenceNumber":1}]}"#,
        r#"{"Records":[{"SequenceNumber":"\u0031"}]}"#,
        r#"{"Records":[{"SequenceNumber":"1","SequenceNumber":"2"}]}"#,
        r#"{"Records":[{"SequenceNumber":"1","ErrorCode":"InternalFailure"}]}"#,
        r#"{"Records":[{"SequenceNumber":"1","ErrorCode":null,"ErrorMessage":null}]}"#,
        r#"{"Records":[{"SequenceNumber":"1","ErrorMessage":"x"}]}"#,
        r#"{"Records":[{"ErrorCode":"InternalFailure","ErrorMessage":"x"}]}"#,
        r#"{"Records":[{"ShardId":"shardId-0"}]}"#,
        r#"{"Records":[{"ShardId":"a","ShardId":"b","SequenceNumber":"1"}]}"#,
        r#"{"Records":[{"SequenceNumber":"1","ShardId":""}]}"#,
        r#"{"Records":[{}]}"#,
        r#"{"Records":[null]}"#,
        r#"{"Records":[[]]}"#,
        r#"{"Records":{}}"#,
        r#"{"RequestResponses":[{"RecordId":"1"}]}"#,
        "{\"Records\":[{\"SequenceNumber\":\"\u{e9}\"}]}",
        "{\"Records\":[{\"SequenceNumber\":\"\t\"}]}",
        "<html></html>",
    ] {
        assert!(!agree(true, false, body.as_bytes(), 1), "{body}");
    }
    for body in [
        &b""[..],
        b"\xa0",
        b"\xa1\x67Records\x81\xa1\x6eSequenceNumber\x60",
        b"\xa1\x67Records\x81\xa1\x6eSequenceNumber\xf6",
        b"\xa1\x67Records\x81\xa1\x6eSequenceNumber\x41\x31",
        b"\xa1\x67Records\x81\xa1\x6eSequenceNumber\x62\xc3\xa9",
        b"\xa1\x67Records\x81\xa1\x6eSequenceNumber\x61\xff",
        b"\xa1\x67Records\x81\xa1\x6eSequenceNumber\x7f\x61\x31\xff",
        b"\xa1\x67Records\x81\xa2\x6eSequenceNumber\x61\x31\x69ErrorCode\x61\x78",
        b"\xa1\x67Records\x81\xa2\x6eSequenceNumber\x61\x31\x6eSequenceNumber\x61\x32",
        b"\xa1\x67Records\x81\xa1\x6eSequenceNumber\x61\x31\x00",
        b"\xa1\x67Records\x82\xa1\x6eSequenceNumber\x61\x31",
        b"\xa2\x67Records\x81\xa1\x6eSequenceNumber\x61\x31\x71FailedRecordCount\x01",
        b"\xa2\x67Records\x81\xa1\x6eSequenceNumber\x61\x31\x71FailedRecordCount\x20",
        b"\xa2\x67Records\x81\xa1\x6eSequenceNumber\x61\x31\x63New\x00",
        b"\xc1\xa1\x67Records\x81\xa1\x6eSequenceNumber\x61\x31",
        b"\xbf\x67Records\x9f\xbf\x6eSequenceNumber\x61\x31\xff\xff",
    ] {
        assert!(!agree(true, true, body, 1), "{}", body.escape_ascii());
    }
    // No error's body is ever scanned, and no other operation's.
    let failed = answer_of(500, JSON, KINESIS.as_bytes());
    let protocol = ours(BodyEncoding::Json);
    let (_, stored) = exchange::within(any_body(), || {
        protocol.deserialize_error_response(&failed, &put_records()).is_ok()
    });
    assert!(stored.is_none());
    let other = config("Kinesis", "PutRecord");
    let answer = answer_of(200, JSON, KINESIS.as_bytes());
    let schema = PutRecordsOutput::SCHEMA;
    let (_, stored) = exchange::within(any_body(), || {
        protocol.deserialize_response(&answer, schema, &other).is_ok()
    });
    assert!(stored.is_none());
    // An empty list is counted as what it is.
    assert!(agree(true, false, br#"{"Records":[]}"#, 1));
}

/// Its id would be one that holds quotation marks, and with them the error.
#[test]
fn a_failed_record_in_the_form_of_a_stored_one_is_seen() {
    let failed = r#"","ErrorCode":"InternalFailure","ErrorMessage":""#;
    let stored = "4".repeat(failed.len());
    let record = |id: &str| format!(r#"{{"SequenceNumber":"{id}","ShardId":"shardId-0"}}"#);
    for (ids, is_scanned) in
        [([&*stored, &*stored], true), ([&*stored, failed], false), ([failed, &*stored], false)]
    {
        let body = format!(r#"{{"Records":[{}]}}"#, ids.map(record).join(","));
        assert_eq!(agree(true, false, body.as_bytes(), 2), is_scanned, "{body}");
    }
}

#[test]
fn what_an_earlier_attempt_was_told_counts_no_longer() {
    let protocol = ours(BodyEncoding::Json);
    let good = answer_of(200, JSON, KINESIS.as_bytes());
    let bad = answer_of(200, JSON, br#"{"Records":[{"ErrorCode":"InternalFailure"}]}"#);
    let schema = PutRecordsOutput::SCHEMA;
    let (_, stored) = exchange::within(any_body(), || {
        for answer in [&good, &bad] {
            assert!(protocol.deserialize_response(answer, schema, &put_records()).is_ok());
        }
    });
    assert!(stored.is_none());
}

fn member(is_kinesis: bool) -> impl Strategy<Value = String> {
    let (id, place) = if is_kinesis { ("SequenceNumber", "ShardId") } else { ("RecordId", "New") };
    prop_oneof![
        8 => Just(format!(r#""{id}":"4954""#)),
        2 => Just(format!(r#""{place}":"shardId-0""#)),
        1 => Just(format!(r#""{id}":"""#)),
        1 => Just(format!(r#""{id}":null"#)),
        1 => Just(r#""ErrorCode":"ProvisionedThroughputExceededException""#.to_owned()),
        1 => Just(r#""ErrorCode":"""#.to_owned()),
        1 => Just(r#""ErrorMessage":"caf\u00e9 \"x\"""#.to_owned()),
    ]
}

/// Answers, most of which are well.
fn answer_text(is_kinesis: bool) -> impl Strategy<Value = String> {
    let (list, count) = if is_kinesis {
        ("Records", "FailedRecordCount")
    } else {
        ("RequestResponses", "FailedPutCount")
    };
    let id = if is_kinesis { "SequenceNumber" } else { "RecordId" };
    let good = format!(r#"{{"{id}":"495"}}"#);
    let any = prop::collection::vec(member(is_kinesis), 0..4)
        .prop_map(|members| format!("{{{}}}", members.join(",")));
    let record = prop_oneof![6 => Just(good), 1 => any];
    let records = prop::collection::vec(record, 0..5)
        .prop_map(move |records| format!(r#""{list}":[{}]"#, records.join(",")));
    let rest = prop::sample::subsequence(
        vec![
            format!(r#""{count}":0"#),
            r#""EncryptionType":"KMS""#.to_owned(),
            r#""Encrypted":true"#.to_owned(),
        ],
        0..=3,
    );
    let odd = prop_oneof![
        9 => Just(None),
        1 => prop::sample::select(vec![
            format!(r#""{count}":2"#), r#""New":[1,{"a":null}]"#.to_owned(), format!(r#""{list}":[]"#),
        ]).prop_map(Some),
    ];
    (records, rest, odd)
        .prop_flat_map(|(records, rest, odd)| {
            let members: Vec<_> = [records].into_iter().chain(rest).chain(odd).collect();
            Just(members).prop_shuffle()
        })
        .prop_map(|members| format!("{{{}}}", members.join(",")))
}

/// What happens to an answer on its way.
#[derive(Debug, Clone)]
enum Mishap {
    Nothing,
    Cut(prop::sample::Index),
    Byte(prop::sample::Index, u8),
    Insert(prop::sample::Index, u8),
    Remove(prop::sample::Index),
}

fn mishap() -> impl Strategy<Value = Mishap> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        4 => Just(Mishap::Nothing),
        1 => at().prop_map(Mishap::Cut),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Mishap::Byte(at, byte)),
        1 => (at(), prop::sample::select(b" \n\",:{}[]\\0".to_vec()))
            .prop_map(|(at, byte)| Mishap::Insert(at, byte)),
        1 => at().prop_map(Mishap::Remove),
    ]
}

fn after(mut body: Vec<u8>, mishap: &Mishap) -> Vec<u8> {
    match mishap {
        Mishap::Nothing => {}
        Mishap::Cut(at) => body.truncate(at.index(body.len())),
        Mishap::Byte(at, byte) => {
            let at = at.index(body.len());
            body[at] = *byte;
        }
        Mishap::Insert(at, byte) => body.insert(at.index(body.len() + 1), *byte),
        Mishap::Remove(at) => drop(body.remove(at.index(body.len()))),
    }
    body
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn json_means_to_a_connector_what_it_means_to_the_sdk(
        (is_kinesis, text) in any::<bool>().prop_flat_map(|is| (Just(is), answer_text(is))),
        mishap in mishap(),
        sent in 0_usize..5,
    ) {
        agree(is_kinesis, false, &after(text.into_bytes(), &mishap), sent);
    }

    #[test]
    fn cbor_means_to_a_connector_what_it_means_to_the_sdk(
        text in answer_text(true),
        is_known in any::<bool>(),
        mishap in mishap(),
        sent in 0_usize..5,
    ) {
        agree(true, true, &after(as_cbor(&text, is_known), &mishap), sent);
    }

    #[test]
    fn any_bytes_mean_to_a_connector_what_they_mean_to_the_sdk(
        body in prop::collection::vec(any::<u8>(), 0..60),
        is_cbor in any::<bool>(),
    ) {
        agree(true, is_cbor, &body, 1);
    }
}
