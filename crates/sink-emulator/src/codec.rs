//! JSON and CBOR. The same types are read and written in both; only blobs and timestamps
//! differ, and ask the format whether it is for humans.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Response, StatusCode, header::HeaderValue};
use serde::{Serialize, de::DeserializeOwned};

use crate::api::{ApiError, response};

/// How a request is encoded; its answer is encoded alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// awsJson1.1: blobs are base64, timestamps are seconds.
    Json,
    /// Kinesis' awsCbor1.1, the default of the AWS SDK for Java: blobs are byte strings,
    /// timestamps are milliseconds under tag 1.
    Cbor,
    /// Smithy's RPC v2 with CBOR, for CloudWatch: timestamps are seconds under tag 1.
    RpcV2Cbor,
}

impl Encoding {
    pub(crate) fn of_content_type(content_type: &str) -> Option<Self> {
        match content_type.split(';').next().map(str::trim)? {
            "application/x-amz-json-1.1" => Some(Self::Json),
            "application/x-amz-cbor-1.1" => Some(Self::Cbor),
            "application/cbor" => Some(Self::RpcV2Cbor),
            _ => None,
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => "application/x-amz-cbor-1.1",
            Self::RpcV2Cbor => "application/cbor",
        }
    }

    /// An answer in this encoding.
    pub(crate) fn response(self, status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
        let mut response = response(status, self.content_type(), body);
        if self == Self::RpcV2Cbor {
            let protocol = HeaderValue::from_static("rpc-v2-cbor");
            response.headers_mut().insert("smithy-protocol", protocol);
        }
        response
    }

    pub(crate) fn decode<T: DeserializeOwned>(self, body: &[u8]) -> Result<T, ApiError> {
        let decoded = match self {
            Self::Json => serde_json::from_slice(body).map_err(|error| error.to_string()),
            Self::Cbor | Self::RpcV2Cbor => {
                ciborium::from_reader(body).map_err(|error| error.to_string())
            }
        };
        decoded.map_err(|error| ApiError::new("SerializationException", error))
    }

    pub(crate) fn encode<T: Serialize>(self, value: &T) -> Vec<u8> {
        let mut body = Vec::new();
        let encoded = match self {
            Self::Json => serde_json::to_writer(&mut body, value).map_err(|e| e.to_string()),
            Self::Cbor | Self::RpcV2Cbor => {
                ciborium::into_writer(value, &mut body).map_err(|e| e.to_string())
            }
        };
        // Our own structs of strings and numbers, written to memory.
        debug_assert_eq!(encoded, Ok(()), "an answer can always be encoded");
        body
    }
}

/// A blob: base64 in JSON, a byte string in CBOR.
pub(crate) mod blob {
    use std::fmt;

    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use bytes::Bytes;
    use serde::{Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(data: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(data))
        } else {
            serializer.serialize_bytes(data)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Bytes, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Blob)
        } else {
            deserializer.deserialize_byte_buf(Blob)
        }
    }

    struct Blob;

    impl de::Visitor<'_> for Blob {
        type Value = Bytes;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a blob: base64 text in JSON, a byte string in CBOR")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
            STANDARD.decode(text).map(Bytes::from).map_err(E::custom)
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
            Ok(Bytes::copy_from_slice(bytes))
        }

        fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
            Ok(Bytes::from(bytes))
        }
    }
}

/// A moment, in milliseconds since 1970: seconds in JSON, tagged milliseconds in Kinesis' CBOR.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Timestamp(pub(crate) i64);

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            #[allow(clippy::cast_precision_loss)] // exact for the next 285,000 years
            serializer.serialize_f64(self.0 as f64 / 1000.0)
        } else {
            ciborium::tag::Required::<i64, 1>(self.0).serialize(serializer)
        }
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let seconds = f64::deserialize(deserializer)?;
            #[allow(clippy::cast_possible_truncation)] // saturates
            Ok(Self((seconds * 1000.0) as i64))
        } else {
            ciborium::tag::Accepted::<i64, 1>::deserialize(deserializer).map(|tag| Self(tag.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Record {
        #[serde(with = "blob")]
        data: Bytes,
        at: Timestamp,
    }

    #[test]
    fn blobs_and_timestamps_survive_both_encodings() {
        let record =
            Record { data: Bytes::from_static(b"\x00\xffabc"), at: Timestamp(1_700_000_000_123) };
        for encoding in [Encoding::Json, Encoding::Cbor] {
            let body = encoding.encode(&record);
            assert_eq!(encoding.decode::<Record>(&body).unwrap(), record, "{encoding:?}");
        }
        let json = String::from_utf8(Encoding::Json.encode(&record)).unwrap();
        assert_eq!(json, r#"{"data":"AP9hYmM=","at":1700000000.123}"#);
        let cbor = Encoding::Cbor.encode(&record);
        assert!(cbor.windows(6).any(|bytes| bytes == b"\x45\x00\xffabc"), "a byte string");
        assert!(cbor.windows(2).any(|bytes| bytes == [0xc1, 0x1b]), "a tagged integer");
    }

    #[test]
    fn what_cannot_be_decoded_is_a_serialization_exception() {
        for (encoding, body) in [
            (Encoding::Json, &b"{\"data\": 1}"[..]),
            (Encoding::Json, b"{\"data\": \"!\", \"at\": 1}"),
            (Encoding::Json, b"\xff"),
            (Encoding::Cbor, b""),
            (Encoding::Cbor, b"\xbf\x64data"),
        ] {
            let error = encoding.decode::<Record>(body).unwrap_err();
            assert_eq!(error.code, "SerializationException");
        }
    }
}
