//! Requests are those of the SDK, byte for byte.

use aws_sdk_firehose::{operation::put_record_batch::PutRecordBatchInput, types::Record};
use aws_sdk_kinesis::{
    operation::{list_shards::ListShardsInput, put_records::PutRecordsInput},
    types::PutRecordsRequestEntry,
};
use aws_smithy_schema::codec::FinishSerializer;
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
        "[\u{0}-\u{24}\\\\\"/\u{7f}\u{2028}é🦀]{1,40}",
        prop::collection::vec(any::<char>(), 1..30).prop_map(String::from_iter),
    ]
}

fn hash_key() -> impl Strategy<Value = Option<String>> {
    any::<Option<u128>>().prop_map(|hash| hash.map(|hash| hash.to_string()))
}

fn kinesis_input() -> impl Strategy<Value = PutRecordsInput> {
    let record = (data(), prop::option::of(key()), hash_key()).prop_map(|(data, key, hash)| {
        PutRecordsRequestEntry::builder()
            .data(Blob::new(data))
            .set_partition_key(key)
            .set_explicit_hash_key(hash)
            .build()
            .unwrap()
    });
    (prop::collection::vec(record, 0..8), prop::option::of(key()), any::<Option<bool>>()).prop_map(
        |(records, name, dry_run)| {
            PutRecordsInput::builder()
                .set_stream_arn(name.is_none().then(|| "arn:aws:kinesis".to_owned()))
                .set_stream_name(name)
                .set_records(Some(records))
                .set_dry_run(dry_run)
                .build()
                .unwrap()
        },
    )
}

fn firehose_input() -> impl Strategy<Value = PutRecordBatchInput> {
    let record = data().prop_map(|data| Record::builder().data(Blob::new(data)).build().unwrap());
    (prop::collection::vec(record, 0..8), key()).prop_map(|(records, name)| {
        PutRecordBatchInput::builder()
            .delivery_stream_name(name)
            .set_records(Some(records))
            .build()
            .unwrap()
    })
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

fn by_us(
    protocol: &SharedClientProtocol,
    input: &dyn SerializableStruct,
    config: &ConfigBag,
) -> Sent {
    let write = || protocol.serialize_request(input, input.schema(), "/", config).unwrap();
    sent(&exchange::within(write).0)
}

proptest! {
    #[test]
    fn json_for_kinesis_is_what_the_sdk_sends(
        inputs in prop::collection::vec(kinesis_input(), 1..4)
    ) {
        // One protocol, so that later bodies are written into buffers that held earlier ones.
        let protocol = ours(BodyEncoding::Json);
        for input in &inputs {
            prop_assert_eq!(
                by_us(&protocol, input, &put_records()),
                by_sdk(input, &put_records())
            );
        }
    }

    #[test]
    fn json_for_firehose_is_what_the_sdk_sends(
        inputs in prop::collection::vec(firehose_input(), 1..4),
        encoding in prop::sample::select(vec![BodyEncoding::Json, BodyEncoding::Cbor]),
    ) {
        let protocol = ours(encoding);
        for input in &inputs {
            prop_assert_eq!(
                by_us(&protocol, input, &put_record_batch()),
                by_sdk(input, &put_record_batch())
            );
        }
    }

    /// Not only of equal meaning: the SDK's own codec writes the same bytes.
    #[test]
    fn cbor_is_what_the_sdks_codec_writes(
        inputs in prop::collection::vec(kinesis_input(), 1..4)
    ) {
        let protocol = ours(BodyEncoding::Cbor);
        for input in &inputs {
            let mut codec = Codec::create_serializer(&CborCodec::default());
            codec.write_struct(input.schema(), input).unwrap();
            let body = codec.finish();
            let mut expected = by_sdk(input, &put_records());
            for (name, value) in &mut expected.headers {
                match &**name {
                    "content-type" => *value = "application/x-amz-cbor-1.1".to_owned(),
                    "content-length" => *value = body.len().to_string(),
                    _ => {}
                }
            }
            expected.body = body;
            prop_assert_eq!(by_us(&protocol, input, &put_records()), expected);
        }
    }
}

fn one_record() -> PutRecordsInput {
    let record = PutRecordsRequestEntry::builder().data(Blob::new("x")).partition_key("k");
    let input = PutRecordsInput::builder().stream_name("flights");
    input.records(record.build().unwrap()).build().unwrap()
}

#[test]
fn the_headers_of_cbor_are_those_of_the_sdk_for_java() {
    let sent = by_us(&ours(BodyEncoding::Cbor), &one_record(), &put_records());
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

#[test]
fn another_operation_and_a_call_of_somebody_else_are_the_sdks() {
    let shards = ListShardsInput::builder().stream_name("flights").max_results(7).build().unwrap();
    let list = config("Kinesis", "ListShards");
    let put = config("Another", "PutRecords");
    for encoding in [BodyEncoding::Json, BodyEncoding::Cbor] {
        let protocol = ours(encoding);
        assert_eq!(by_us(&protocol, &shards, &list), by_sdk(&shards, &list));
        assert_eq!(by_us(&protocol, &one_record(), &put), by_sdk(&one_record(), &put));
        // Nobody waits for `answer`.
        let input = one_record();
        let request = protocol.serialize_request(&input, input.schema(), "/", &put_records());
        assert_eq!(sent(&request.unwrap()), by_sdk(&input, &put_records()));
    }
}

#[test]
fn a_request_with_a_shape_that_is_new_to_us_is_the_sdks() {
    // A number, as if `PutRecords` had one.
    let shards = ListShardsInput::builder().max_results(7).build().unwrap();
    for encoding in [BodyEncoding::Json, BodyEncoding::Cbor] {
        let sent = by_us(&ours(encoding), &shards, &put_records());
        assert_eq!(sent, by_sdk(&shards, &put_records()));
    }
}
