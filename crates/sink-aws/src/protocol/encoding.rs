//! Which body a request has, as configuration data.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sink_core::{Error, ErrorKind};

/// How the records of a request are written, and how its answer is read. What arrives is the same.
///
/// Default: [`Json`](Self::Json), and for CloudWatch [`Cbor`](Self::Cbor). In configuration data and
/// on the command line it is `sdk`, `json` or `cbor`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BodyEncoding {
    /// Whatever the client does by itself: the AWS SDK's own JSON, or the protocol that a client
    /// of yours was given.
    Sdk,
    /// The bytes that the AWS SDK would send, written into one buffer that later requests use
    /// again. An answer that calls each record stored is counted and not taken apart; any other is
    /// read by the SDK. Takes the place of a protocol that a client of yours was given.
    #[default]
    Json,
    /// For CloudWatch, whose SDK writes CBOR: what `Json` is for the others, the bytes that the AWS
    /// SDK would send, written into one buffer.
    ///
    /// For Kinesis as `Json`, but the records go as `application/x-amz-cbor-1.1`, without base64: a
    /// quarter fewer bytes to hash, encrypt and send.
    ///
    /// The AWS SDK for Java writes so by default, but **we have tried it against emulators only,
    /// never against AWS**, and AWS documents it nowhere. An endpoint that refuses it is logged
    /// once, and gets JSON from that client for good; the records of the refused request are sent
    /// again.
    Cbor,
}

impl BodyEncoding {
    const ALL: [Self; 3] = [Self::Sdk, Self::Json, Self::Cbor];

    /// `json` in the place of `cbor`, for a service that speaks none.
    #[must_use]
    pub fn without_cbor(self) -> Self {
        if self == Self::Cbor { Self::Json } else { self }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Sdk => "sdk",
            Self::Json => "json",
            Self::Cbor => "cbor",
        }
    }
}

impl fmt::Display for BodyEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for BodyEncoding {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|encoding| encoding.as_str() == text).ok_or_else(|| {
            let problem = format!("body_encoding is `{text}`: write `sdk`, `json` or `cbor`");
            Error::new(ErrorKind::Config, "body encoding", problem)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_word_everywhere() {
        for encoding in BodyEncoding::ALL {
            let word = encoding.to_string();
            assert_eq!(word.parse::<BodyEncoding>().unwrap(), encoding);
            assert_eq!(serde_json::to_string(&encoding).unwrap(), format!("\"{word}\""));
            let read: BodyEncoding = serde_json::from_str(&format!("\"{word}\"")).unwrap();
            assert_eq!(read, encoding);
        }
        assert_eq!(BodyEncoding::default().to_string(), "json");
    }

    #[test]
    fn a_service_that_speaks_no_cbor_gets_json() {
        let (sdk, json) = (BodyEncoding::Sdk, BodyEncoding::Json);
        assert_eq!(BodyEncoding::ALL.map(BodyEncoding::without_cbor), [sdk, json, json]);
    }

    #[test]
    fn any_other_word_is_refused_with_what_would_be_accepted() {
        for text in ["", "JSON", "ion", "cbor "] {
            let error = text.parse::<BodyEncoding>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert_eq!(
                error.message(),
                format!("body_encoding is `{text}`: write `sdk`, `json` or `cbor`")
            );
            serde_json::from_str::<BodyEncoding>(&format!("\"{text}\"")).unwrap_err();
        }
    }
}
