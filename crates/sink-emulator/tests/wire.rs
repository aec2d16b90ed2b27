//! What no SDK client sends: CBOR by hand, and nonsense.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use ciborium::{Value, cbor};
use proptest::prelude::*;
use sink_emulator::Emulator;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const CBOR: &str = "application/x-amz-cbor-1.1";
const JSON: &str = "application/x-amz-json-1.1";

/// Sends a request by hand; gives status, content type and body.
async fn call(
    emulator: &Emulator,
    content_type: &str,
    operation: &str,
    body: &[u8],
) -> (u16, String, Vec<u8>) {
    let headers = format!(
        "authorization: AWS4-HMAC-SHA256 Credential=test/x\r\ncontent-type: {content_type}\r\n\
         x-amz-target: Kinesis_20131202.{operation}\r\ncontent-length: {}\r\n",
        body.len()
    );
    raw(emulator, &headers, body).await
}

async fn raw(emulator: &Emulator, headers: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let address = emulator.endpoint_url().replace("http://", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head[9..12].parse().unwrap();
    let content_type = head
        .lines()
        .find_map(|line| line.strip_prefix("content-type: "))
        .unwrap_or_default()
        .to_owned();
    (status, content_type, answer[end + 4..].to_vec())
}

fn encode(value: &Value) -> Vec<u8> {
    let mut body = Vec::new();
    ciborium::into_writer(value, &mut body).unwrap();
    body
}

fn member(map: &Value, name: &str) -> Value {
    let members = map.as_map().unwrap();
    members.iter().find(|(key, _)| key.as_text() == Some(name)).unwrap().1.clone()
}

#[tokio::test]
async fn kinesis_speaks_cbor_in_and_out() {
    let emulator = Emulator::builder().stream("flights", 1).start().await.unwrap();
    let body = encode(
        &cbor!({
            "StreamName" => "flights",
            "Records" => [{"Data" => Value::Bytes(vec![0, 255, 7]), "PartitionKey" => "k"}],
        })
        .unwrap(),
    );
    let (status, content_type, answer) = call(&emulator, CBOR, "PutRecords", &body).await;
    assert_eq!((status, content_type.as_str()), (200, CBOR));
    let answer: Value = ciborium::from_reader(answer.as_slice()).unwrap();
    assert_eq!(member(&answer, "FailedRecordCount"), Value::from(0));
    let result = member(&answer, "Records").as_array().unwrap()[0].clone();
    assert_eq!(member(&result, "ShardId"), Value::from("shardId-000000000000"));

    let body = encode(
        &cbor!({
            "StreamName" => "flights",
            "ShardId" => "shardId-000000000000",
            "ShardIteratorType" => "TRIM_HORIZON",
        })
        .unwrap(),
    );
    let (_, _, answer) = call(&emulator, CBOR, "GetShardIterator", &body).await;
    let iterator = member(&ciborium::from_reader(answer.as_slice()).unwrap(), "ShardIterator");
    let body = encode(&Value::Map(vec![("ShardIterator".into(), iterator)]));
    let (_, _, answer) = call(&emulator, CBOR, "GetRecords", &body).await;
    let records = member(&ciborium::from_reader(answer.as_slice()).unwrap(), "Records");
    let record = &records.as_array().unwrap()[0];
    assert_eq!(member(record, "Data"), Value::Bytes(vec![0, 255, 7]), "no base64");
    assert!(matches!(member(record, "ApproximateArrivalTimestamp"), Value::Tag(1, _)));

    let body = encode(&cbor!({"StreamName" => "none", "Records" => [{"Data" => Value::Bytes(vec![]), "PartitionKey" => "k"}]}).unwrap());
    let (status, content_type, answer) = call(&emulator, CBOR, "PutRecords", &body).await;
    assert_eq!((status, content_type.as_str()), (400, CBOR), "errors too");
    let error: Value = ciborium::from_reader(answer.as_slice()).unwrap();
    assert_eq!(member(&error, "__type"), Value::from("ResourceNotFoundException"));
}

#[tokio::test]
async fn requests_that_are_none_get_an_error_that_says_why() {
    let emulator = Emulator::builder().stream("flights", 1).start().await.unwrap();
    let signed = "authorization: AWS4-HMAC-SHA256 Credential=test/x\r\n";
    let json = format!("content-type: {JSON}\r\n");
    for (headers, expected_status, expected) in [
        (json.clone(), 400, "MissingAuthenticationTokenException"),
        (format!("{signed}{json}"), 400, "X-Amz-Target is missing"),
        (format!("{signed}content-type: text/plain\r\n"), 404, "is not spoken here"),
        (format!("{signed}{json}x-amz-target: Other_1.PutRecords\r\n"), 400, "no service Other_1"),
        (
            format!("{signed}{json}x-amz-target: Kinesis_20131202.PutRecords\r\n"),
            400,
            "SerializationException",
        ),
    ] {
        let headers = format!("{headers}content-length: 2\r\n");
        let (status, _, body) = raw(&emulator, &headers, b"[]").await;
        let body = String::from_utf8(body).unwrap();
        assert_eq!(status, expected_status, "{body}");
        assert!(body.contains(expected), "{body}");
    }
}

#[tokio::test]
async fn a_body_that_is_far_too_large_is_refused() {
    let emulator = Emulator::builder().stream("flights", 1).start().await.unwrap();
    let (status, _, _) = call(&emulator, JSON, "PutRecords", &vec![b' '; (32 << 20) + 1]).await;
    assert_eq!(status, 413);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_body_makes_it_panic(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        is_json in any::<bool>(),
        operation in proptest::sample::select(vec![
            "PutRecords", "CreateStream", "ListShards", "GetShardIterator", "GetRecords",
        ]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let emulator = Emulator::builder().stream("flights", 1).start().await.unwrap();
            let encoding = if is_json { JSON } else { CBOR };
            let (status, _, _) = call(&emulator, encoding, operation, &body).await;
            assert_eq!(status, 400);
        });
    }
}
