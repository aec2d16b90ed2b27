//! Firehose: a line, ended by a delimiter, is a record.

use aws_types::SdkConfig;
use sink_aws::{AwsConfig, BodyEncoding};
use sink_core::{Error, Settings};
use sink_emulator::{Emulator, EmulatorBuilder, firehose::FirehoseLimits};
use sink_firehose::{
    DeliveryStream, FirehoseDestination, FirehoseEntry, FirehoseSinkConfig, as_is,
};

use super::{Builder, Place, Service, no_shards};
use crate::{
    args::Send,
    fields::check,
    records::{LineConverter, Problem},
    summary::Part,
};

/// A delivery stream.
#[derive(Debug)]
pub(crate) struct Firehose {
    stream: String,
    lines: DelimitedLines,
    encoding: Option<BodyEncoding>,
}

impl Firehose {
    pub(crate) fn new(stream: &str, args: &Send) -> Result<Self, String> {
        no_shards(args)?;
        let flags = &args.firehose;
        let delimiter = if flags.no_delimiter { "" } else { &*flags.delimiter.0 };
        let lines = DelimitedLines { delimiter: delimiter.as_bytes().to_vec() };
        Ok(Self { stream: stream.to_owned(), lines, encoding: args.bodies.body_encoding })
    }

    fn config(&self, settings: Settings) -> FirehoseSinkConfig {
        let mut config = FirehoseSinkConfig::new(&self.stream);
        config.settings = settings;
        config.body_encoding = self.encoding.unwrap_or(config.body_encoding);
        config
    }
}

impl Service for Firehose {
    type Entry = FirehoseEntry;
    type Destination = FirehoseDestination;
    type Lines = DelimitedLines;

    fn lines(&self) -> DelimitedLines {
        self.lines.clone()
    }

    async fn builder(
        &self,
        aws: AwsConfig,
        settings: Settings,
    ) -> Result<Builder<FirehoseDestination>, Error> {
        let mut config = self.config(settings);
        config.aws = aws;
        config.builder(as_is).await
    }

    fn builder_with(
        &self,
        sdk: &SdkConfig,
        settings: Settings,
    ) -> Result<Builder<FirehoseDestination>, Error> {
        let client = aws_sdk_firehose::Client::new(sdk);
        self.config(settings).builder_with_client(&client, as_is)
    }

    fn place(&self) -> Result<Place, Error> {
        Ok(Place::of(&self.stream.parse::<DeliveryStream>()?))
    }

    fn emulated(
        &self,
        place: &Place,
        any_rate: bool,
        emulator: EmulatorBuilder,
    ) -> EmulatorBuilder {
        let limits =
            if any_rate { FirehoseLimits::without_rates() } else { FirehoseLimits::default() };
        emulator.delivery_stream(&place.name).firehose_limits(limits)
    }

    const PARTS: (&'static str, &'static str) = ("delivery stream", "delivery_streams");

    fn arrived(emulator: &Emulator, name: &str) -> Vec<Part> {
        let totals = emulator.firehose().totals(name);
        let part = totals.map(|totals| Part {
            id: name.to_owned(),
            records: totals.records,
            bytes: Some(totals.bytes),
            throttled: Some(totals.throttled),
        });
        part.into_iter().collect()
    }
}

/// Lines, each with a delimiter at its end.
#[derive(Debug, Clone)]
pub(crate) struct DelimitedLines {
    delimiter: Vec<u8>,
}

impl LineConverter for DelimitedLines {
    type Entry = FirehoseEntry;

    const SIZE: &'static str = "bytes with its delimiter";

    fn convert(&self, line: &[u8]) -> Result<FirehoseEntry, Problem> {
        check(line)?;
        Ok(FirehoseEntry::new([line, &self.delimiter].concat()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{BadKind, Item, tests::records};

    fn lines(delimiter: &str) -> DelimitedLines {
        DelimitedLines { delimiter: delimiter.into() }
    }

    #[test]
    fn a_line_is_a_record_that_ends_with_the_delimiter() {
        for (delimiter, expected) in [("\n", "{}\n"), ("", "{}"), ("\r\n", "{}\r\n"), ("}", "{}}")]
        {
            let entry = lines(delimiter).convert(b"{}").unwrap();
            assert_eq!(entry.data(), expected);
        }
    }

    #[test]
    fn a_record_is_too_large_with_its_delimiter() {
        assert!(matches!(records("\"1234\"", lines("\n"), 7)[..], [Item::Record(_)]));
        let items = records("\"12345\"", lines("\n"), 7);
        let [Item::Bad(bad)] = &items[..] else { panic!("{items:?}") };
        assert_eq!(
            bad.reason,
            "the record has 8 bytes with its delimiter; 7 are taken (max_record_size_in_bytes)"
        );
    }

    #[test]
    fn what_is_no_json_is_a_bad_line() {
        let problem = lines("\n").convert(b"nonsense").unwrap_err();
        let expected = "not JSON: expected ident at column 2";
        assert_eq!(problem, Problem::new(BadKind::NotJson, expected));
    }
}
