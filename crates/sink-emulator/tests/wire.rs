//! What no SDK client sends: CBOR by hand, and nonsense.

#![allow(clippy::unwrap_used)] // a test fails by panicking

use ciborium::{Value, cbor};
use proptest::prelude::*;
use sink_emulator::{Emulator, cloudwatch::DatumValue};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const CBOR: &str = "application/x-amz-cbor-1.1";
const JSON: &str = "application/x-amz-json-1.1";
const RPC: &str = "application/cbor";

/// Sends a request by hand; gives status, content type and body.
async fn call(
    emulator: &Emulator,
    content_type: &str,
    operation: &str,
    body: &[u8],
) -> (u16, String, Vec<u8>) {
    let headers = format!(
        "authorization: AWS4-HMAC-SHA256 Credential=test/x\r\ncontent-type: {content_type}\r\n\
         x-amz-target: {}.{operation}\r\ncontent-length: {}\r\n",
        if operation.starts_with("PutRecordB") { "Firehose_20150804" } else { "Kinesis_20131202" },
        body.len()
    );
    raw(emulator, &headers, body).await
}

/// PutMetricData by hand; gives status, head and decoded body.
async fn put_metric_data(
    emulator: &Emulator,
    content_encoding: &str,
    body: &[u8],
) -> (u16, String, Value) {
    let headers = format!(
        "authorization: AWS4-HMAC-SHA256 Credential=test/x\r\ncontent-type: {RPC}\r\n\
         content-encoding: {content_encoding}\r\ncontent-length: {}\r\n",
        body.len()
    );
    let path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
    let (status, head, body) = exchange(emulator, path, &headers, body).await;
    let body = ciborium::from_reader(body.as_slice()).unwrap_or(Value::Null);
    (status, head, body)
}

async fn raw(emulator: &Emulator, headers: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let (status, head, body) = exchange(emulator, "/", headers, body).await;
    let content_type = head
        .lines()
        .find_map(|line| line.strip_prefix("content-type: "))
        .unwrap_or_default()
        .to_owned();
    (status, content_type, body)
}

/// Sends a request, and gives status, head and body of the answer.
async fn exchange(
    emulator: &Emulator,
    path: &str,
    headers: &str,
    body: &[u8],
) -> (u16, String, Vec<u8>) {
    let address = emulator.endpoint_url().replace("http://", "");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head[9..12].parse().unwrap();
    (status, head, answer[end + 4..].to_vec())
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
async fn cloudwatch_takes_integers_and_speaks_the_protocol_of_its_errors() {
    let emulator = Emulator::builder().start().await.unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let seconds = Value::from(now.as_secs());
    let put = |value: Value, at: Value| {
        let datum = cbor!({"MetricName" => "n", "Value" => value, "Timestamp" => at}).unwrap();
        encode(&cbor!({"Namespace" => "app", "MetricData" => [datum]}).unwrap())
    };
    let tagged = Value::Tag(1, Box::new(seconds.clone()));
    for (value, at) in [(7.into(), tagged.clone()), ((-7).into(), seconds), (0.5.into(), tagged)] {
        let (status, head, body) = put_metric_data(&emulator, "identity", &put(value, at)).await;
        assert_eq!((status, body), (200, Value::Null));
        assert!(head.contains("smithy-protocol: rpc-v2-cbor"), "{head}");
    }
    let data = emulator.cloudwatch().data("app");
    let values: Vec<_> = data.iter().map(|datum| datum.value.clone()).collect();
    assert_eq!(values, [7.0, -7.0, 0.5].map(DatumValue::Single));
    let at = i64::try_from(now.as_secs()).unwrap() * 1000;
    assert!(data.iter().all(|datum| datum.timestamp == at), "{data:?}");

    let nan = put(f64::NAN.into(), Value::Null);
    let (status, head, error) = put_metric_data(&emulator, "identity", &nan).await;
    assert_eq!(status, 400);
    assert!(head.contains("x-amzn-query-error: InvalidParameterValue;Sender"), "{head}");
    assert!(head.contains("smithy-protocol: rpc-v2-cbor"), "{head}");
    let shape = "com.amazonaws.cloudwatch#InvalidParameterValueException";
    assert_eq!(member(&error, "__type"), Value::from(shape));
}

#[tokio::test]
async fn a_body_may_be_gzip_and_nothing_else() {
    let emulator = Emulator::builder().start().await.unwrap();
    let pack = |body: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gzip, body).unwrap();
        gzip.finish().unwrap()
    };
    let body = encode(
        &cbor!({"Namespace" => "app", "MetricData" => [{"MetricName" => "n", "Value" => 1.0}]})
            .unwrap(),
    );
    assert_eq!(put_metric_data(&emulator, "gzip", &pack(&body)).await.0, 200);
    assert_eq!(emulator.cloudwatch().total("app"), 1);
    let cut = &pack(&body)[..20];
    let bomb = pack(&vec![0; (32 << 20) + 1]);
    for (content_encoding, body, status, code) in [
        ("gzip", &*body, 400, "SerializationException"),
        ("gzip", cut, 400, "SerializationException"),
        ("gzip", &*bomb, 413, "RequestEntityTooLarge"),
        ("br", &*body, 400, "SerializationException"),
        ("identity", &pack(&body), 400, "SerializationException"),
    ] {
        let (answered, _, error) = put_metric_data(&emulator, content_encoding, body).await;
        assert_eq!((answered, member(&error, "__type")), (status, code.into()));
    }
    assert_eq!(emulator.cloudwatch().total("app"), 1);
}

#[tokio::test]
async fn requests_that_are_none_get_an_error_that_says_why() {
    let emulator = Emulator::builder().stream("flights", 1).start().await.unwrap();
    let signed = "authorization: AWS4-HMAC-SHA256 Credential=test/x\r\n";
    let json = format!("content-type: {JSON}\r\n");
    for (headers, expected_status, expected) in [
        (json.clone(), 400, "MissingAuthenticationTokenException"),
        (format!("{signed}{json}"), 400, "X-Amz-Target is missing"),
        (format!("{signed}content-type: {RPC}\r\n"), 400, "/service/SERVICE/operation/OPERATION"),
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
        let body = String::from_utf8_lossy(&body).into_owned();
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
            "PutRecordBatch",
        ]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let emulator = Emulator::builder().stream("flights", 1).start().await.unwrap();
            let encoding = if is_json { JSON } else { CBOR };
            let (status, _, _) = call(&emulator, encoding, operation, &body).await;
            assert_eq!(status, 400);
            let packed = if is_json { "gzip" } else { "identity" };
            let (status, _, _) = put_metric_data(&emulator, packed, &body).await;
            assert_eq!(status, 400);
        });
    }
}
