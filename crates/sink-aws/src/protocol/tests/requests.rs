//! Requests are those of the SDK, byte for byte.

use aws_sdk_firehose::{
    operation::put_record_batch::PutRecordBatchInput, types::Record as FirehoseRecord,
};
use aws_sdk_kinesis::{
    operation::{
        list_shards::ListShardsInput,
        put_records::{PutRecordsInput, builders::PutRecordsInputBuilder},
    },
    types::PutRecordsRequestEntry,
};
use aws_smithy_types::Blob;
use proptest::prelude::*;

use super::*;

/// Every byte, every character that JSON escapes, every form of a length in CBOR.
fn data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(vec![]),
        prop::collection::vec(any::<u8>(), 0..100),
        (any::<u8>(), prop::sample::select(vec![23, 24, 255, 256, 65_535, 65_536, 300_000]))
            .prop_map(|(byte, length)| vec![byte; length]),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{1,256}",
        "[a-z]{0,20}[\u{0}-\u{22}\\\\]?[a-zé]{0,20}",
        "[\u{0}-\u{24}\\\\\"/\u{7f}\u{2028}é🦀]{1,40}",
        prop::collection::vec(any::<char>(), 1..30).prop_map(String::from_iter),
    ]
}

fn letters() -> impl Strategy<Value = Vec<Letter>> {
    let letter = (data(), prop::option::of(key()), any::<Option<u128>>());
    let letter = letter.prop_map(|(data, key, hash)| Letter { data, key, hash });
    prop::collection::vec(letter, 0..8)
}

/// A request to Kinesis, but for its records.
fn kinesis_input() -> impl Strategy<Value = PutRecordsInputBuilder> {
    (prop::option::of(key()), any::<Option<bool>>()).prop_map(|(name, dry_run)| {
        PutRecordsInput::builder()
            .set_stream_arn(name.is_none().then(|| "arn:aws:kinesis".to_owned()))
            .set_stream_name(name)
            .set_dry_run(dry_run)
    })
}

fn kinesis_record(letter: &Letter) -> PutRecordsRequestEntry {
    PutRecordsRequestEntry::builder()
        .data(Blob::new(letter.data.clone()))
        .set_partition_key(letter.key.clone())
        .set_explicit_hash_key(letter.hash.map(|hash| hash.to_string()))
        .build()
        .unwrap()
}

/// The request with these records, and without any but with a body.
fn kinesis(
    bodies: &Bodies,
    input: &PutRecordsInputBuilder,
    letters: &[Letter],
) -> (PutRecordsInput, PutRecordsInput, Body) {
    let with = |records| input.clone().set_records(Some(records)).build().unwrap();
    let (all, _) = write(&Bodies::new(BodyEncoding::Sdk), letters, kinesis_record);
    let (none, body) = write(bodies, letters, kinesis_record);
    (with(all), with(none), body.unwrap())
}

fn firehose_record(letter: &Letter) -> FirehoseRecord {
    FirehoseRecord::builder().data(Blob::new(letter.data.clone())).build().unwrap()
}

/// Head and body, all that is sent but for the signature and the host.
#[derive(Debug, PartialEq)]
struct Sent {
    method: String,
    uri: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn sent(request: &Request) -> Sent {
    let headers = request.headers().iter();
    let mut headers: Vec<_> = headers.map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    headers.sort();
    Sent {
        method: request.method().to_owned(),
        uri: request.uri().to_owned(),
        headers,
        body: request.body().bytes().unwrap().to_vec(),
    }
}

fn by_sdk(input: &dyn SerializableStruct, config: &ConfigBag) -> Sent {
    sent(&sdk().serialize_request(input, input.schema(), "/", config).unwrap())
}

fn by_us(bodies: &Bodies, body: Body, input: &dyn SerializableStruct, config: &ConfigBag) -> Sent {
    let protocol = bodies.protocol().unwrap();
    let write = || protocol.serialize_request(input, input.schema(), "/", config).unwrap();
    sent(&exchange::within(body, write).0)
}

proptest! {
    #[test]
    fn json_for_kinesis_is_what_the_sdk_sends(
        requests in prop::collection::vec((kinesis_input(), letters()), 1..4)
    ) {
        // One for all, so that later bodies are written into buffers that held earlier ones.
        let bodies = Bodies::new(BodyEncoding::Json);
        for (input, letters) in &requests {
            let (all, none, body) = kinesis(&bodies, input, letters);
            prop_assert_eq!(
                by_us(&bodies, body, &none, &put_records()),
                by_sdk(&all, &put_records())
            );
        }
    }

    #[test]
    fn json_for_firehose_is_what_the_sdk_sends(
        requests in prop::collection::vec((key(), prop::collection::vec(data(), 0..8)), 1..4)
    ) {
        let bodies = Bodies::new(BodyEncoding::Json);
        for (name, data) in requests {
            let letter = |data| Letter { data, key: None, hash: None };
            let letters: Vec<_> = data.into_iter().map(letter).collect();
            let with = |records| {
                let input = PutRecordBatchInput::builder().delivery_stream_name(&name);
                input.set_records(Some(records)).build().unwrap()
            };
            let (all, _) = write(&Bodies::new(BodyEncoding::Sdk), &letters, firehose_record);
            let (none, body) = write(&bodies, &letters, firehose_record);
            prop_assert_eq!(
                by_us(&bodies, body.unwrap(), &with(none), &put_record_batch()),
                by_sdk(&with(all), &put_record_batch())
            );
        }
    }

    /// Not only of equal meaning: the SDK's own codec writes the same bytes.
    #[test]
    fn cbor_is_what_the_sdks_codec_writes(
        requests in prop::collection::vec((kinesis_input(), letters()), 1..4)
    ) {
        let bodies = Bodies::new(BodyEncoding::Cbor);
        for (input, letters) in &requests {
            let (all, none, body) = kinesis(&bodies, input, letters);
            let mut codec = Codec::create_serializer(&CborCodec::default());
            codec.write_struct(all.schema(), &all).unwrap();
            let expected_body = codec.finish();
            let mut expected = by_sdk(&all, &put_records());
            for (name, value) in &mut expected.headers {
                match &**name {
                    "content-type" => *value = "application/x-amz-cbor-1.1".to_owned(),
                    "content-length" => *value = expected_body.len().to_string(),
                    _ => {}
                }
            }
            expected.body = expected_body;
            prop_assert_eq!(by_us(&bodies, body, &none, &put_records()), expected);
        }
    }
}

fn one_letter() -> [Letter; 1] {
    [Letter { data: b"x".to_vec(), key: Some("k".to_owned()), hash: None }]
}

/// A request of one record: whole, and without it but with a body.
fn one_record(bodies: &Bodies) -> (PutRecordsInput, PutRecordsInput, Body) {
    kinesis(bodies, &PutRecordsInput::builder().stream_name("flights"), &one_letter())
}

#[test]
fn the_headers_of_cbor_are_those_of_the_sdk_for_java() {
    let bodies = Bodies::new(BodyEncoding::Cbor);
    let (_, input, body) = one_record(&bodies);
    let sent = by_us(&bodies, body, &input, &put_records());
    let length = sent.body.len().to_string();
    let headers: Vec<_> = sent.headers.iter().map(|(k, v)| (&**k, &**v)).collect();
    assert_eq!(
        headers,
        [
            ("content-length", &*length),
            ("content-type", "application/x-amz-cbor-1.1"),
            ("x-amz-target", "Kinesis_20131202.PutRecords"),
        ]
    );
}

/// The SDK writes a request once a call; nobody promises that.
#[test]
fn a_request_that_is_written_again_has_its_records_again() {
    for encoding in [BodyEncoding::Json, BodyEncoding::Cbor] {
        let bodies = Bodies::new(encoding);
        let (_, input, body) = one_record(&bodies);
        let (protocol, config) = (bodies.protocol().unwrap(), put_records());
        let write =
            || sent(&protocol.serialize_request(&input, input.schema(), "/", &config).unwrap());
        let (twice, _) = exchange::within(body.clone(), || [write(), write()]);
        assert_eq!(twice[0], twice[1]);
        assert_eq!(twice[0], by_us(&bodies, body, &input, &put_records()));
    }
}

#[test]
fn another_operation_and_a_call_of_somebody_else_are_the_sdks() {
    let shards = ListShardsInput::builder().stream_name("flights").max_results(7).build().unwrap();
    let list = config("Kinesis", "ListShards");
    let put = config("Another", "PutRecords");
    for encoding in [BodyEncoding::Json, BodyEncoding::Cbor] {
        let bodies = Bodies::new(encoding);
        let (all, _, body) = one_record(&bodies);
        assert_eq!(by_us(&bodies, body.clone(), &shards, &list), by_sdk(&shards, &list));
        assert_eq!(by_us(&bodies, body, &all, &put), by_sdk(&all, &put));
        // Nobody waits for `answer`.
        let protocol = bodies.protocol().unwrap();
        let request = protocol.serialize_request(&all, all.schema(), "/", &put_records());
        assert_eq!(sent(&request.unwrap()), by_sdk(&all, &put_records()));
    }
}

#[test]
fn a_request_that_has_no_place_for_the_records_is_not_sent() {
    let no_list = PutRecordsInput::builder().stream_name("\"Records\":[]").build().unwrap();
    for encoding in [BodyEncoding::Json, BodyEncoding::Cbor] {
        let bodies = Bodies::new(encoding);
        let (_, _, body) = one_record(&bodies);
        let (protocol, config) = (bodies.protocol().unwrap(), put_records());
        let write = || protocol.serialize_request(&no_list, no_list.schema(), "/", &config);
        let (request, _) = exchange::within(body, write);
        assert!(request.err().unwrap().to_string().contains("set body_encoding to `sdk`"));
    }
}
