//! Where to send, and the flags that each kind of destination has for itself.

use std::{fmt, str::FromStr};

use clap::{ArgMatches, Args, Command, parser::ValueSource};
use sink_aws::BodyEncoding;
use sink_cloudwatch::Unit;

use crate::fields::FieldPath;

/// Where to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum To {
    Kinesis { stream: String },
    Firehose { stream: String },
    CloudWatch { namespace: String },
}

const ACCEPTED: &str = "write kinesis://STREAM, firehose://STREAM or cloudwatch://NAMESPACE";

impl To {
    fn scheme(&self) -> &'static str {
        match self {
            Self::Kinesis { .. } => "kinesis://",
            Self::Firehose { .. } => "firehose://",
            Self::CloudWatch { .. } => "cloudwatch://",
        }
    }
}

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((scheme, name)) = text.split_once("://") else {
            return Err(format!("a destination begins with what it is; {ACCEPTED}"));
        };
        let name = name.to_owned();
        match scheme {
            "kinesis" => Ok(Self::Kinesis { stream: name }),
            "firehose" => Ok(Self::Firehose { stream: name }),
            "cloudwatch" => Ok(Self::CloudWatch { namespace: name }),
            _ => Err(format!("`{scheme}` is no known destination; {ACCEPTED}")),
        }
    }
}

/// Says which flags were given that belong to another destination than the chosen one.
pub(super) fn check(to: &To, matches: &ArgMatches) -> Result<(), String> {
    for (schemes, flags) in [
        (&["kinesis://"][..], KinesisArgs::augment_args(Command::new(""))),
        (&["firehose://"], FirehoseArgs::augment_args(Command::new(""))),
        (&["cloudwatch://"], CloudWatchArgs::augment_args(Command::new(""))),
    ] {
        let given = flags.get_arguments().find(|flag| {
            matches.value_source(flag.get_id().as_str()) == Some(ValueSource::CommandLine)
        });
        if let Some(flag) = given.and_then(|flag| flag.get_long())
            && !schemes.contains(&to.scheme())
        {
            return Err(format!(
                "--{flag} is for {} destinations and means nothing to {}; leave it out",
                schemes.join(" and "),
                to.scheme()
            ));
        }
    }
    Ok(())
}

/// Records with the same key go to the same shard.
#[derive(Debug, Args)]
#[group(multiple = false)]
#[command(next_help_heading = "For kinesis://")]
pub(crate) struct KinesisArgs {
    /// Take the partition key from this field (`a.b` is field b of the object in field a): text as
    /// it is, numbers and booleans as they are written. Default: a random key for each record.
    #[arg(long, value_name = "FIELD")]
    pub(crate) partition_key: Option<FieldPath>,

    /// Use this partition key for every record, so all go to one shard.
    #[arg(long, value_name = "KEY")]
    pub(crate) partition_key_fixed: Option<String>,
}

/// What stands between records in the files that Firehose writes.
#[derive(Debug, Args)]
#[command(next_help_heading = "For firehose://")]
pub(crate) struct FirehoseArgs {
    /// End each record with this text: Firehose joins records as they are, so with a newline its
    /// files have the lines that were read. `\n`, `\r`, `\t` and `\\` are understood.
    #[arg(long, value_name = "TEXT", default_value = r"\n", allow_hyphen_values = true)]
    pub(crate) delimiter: Delimiter,

    /// Add nothing to a record; the same as --delimiter "".
    #[arg(long, conflicts_with = "delimiter")]
    pub(crate) no_delimiter: bool,
}

/// How requests are written.
#[derive(Debug, Args)]
#[command(next_help_heading = "For every destination")]
pub(crate) struct BodyArgs {
    /// How the body of a request is written; what arrives is the same. `sdk`: by the AWS SDK.
    /// `json`, for kinesis:// and firehose://, and `cbor`, for cloudwatch://: the same bytes, for
    /// less processor time. `cbor` for kinesis://: a quarter fewer bytes; tried against emulators,
    /// never against AWS, and an endpoint that refuses it gets JSON [default: json, and cbor for
    /// cloudwatch://].
    #[arg(long, value_name = "ENCODING")]
    pub(crate) body_encoding: Option<BodyEncoding>,
}

/// How a line becomes a value of a metric.
#[derive(Debug, Args)]
#[command(next_help_heading = "For cloudwatch:// (one line is one value of a metric)")]
pub(crate) struct CloudWatchArgs {
    /// Name of the metric.
    #[arg(long, value_name = "NAME", conflicts_with = "metric_field")]
    pub(crate) metric: Option<String>,

    /// Take the metric's name from this field, as with --partition-key.
    #[arg(long, value_name = "FIELD")]
    pub(crate) metric_field: Option<FieldPath>,

    /// The value of every line, such as 1 to count lines.
    #[arg(long, value_name = "NUMBER", conflicts_with = "value_field", allow_hyphen_values = true)]
    pub(crate) value: Option<f64>,

    /// Take the value from this field, which must be a number.
    #[arg(long, value_name = "FIELD")]
    pub(crate) value_field: Option<FieldPath>,

    /// Add a dimension whose value is taken from this field; repeat it for more, 30 at most. Each
    /// set of values is a metric of its own, and is billed as one.
    #[arg(long, value_name = "NAME=FIELD")]
    pub(crate) dimension: Vec<Named<FieldPath>>,

    /// Add a dimension with this value; repeat it for more.
    #[arg(long, value_name = "NAME=TEXT")]
    pub(crate) dimension_fixed: Vec<Named<String>>,

    /// What the values are measured in, as CloudWatch's API names it: Count, Milliseconds,
    /// Bytes/Second and so on [default: None].
    #[arg(long, value_parser = sink_cloudwatch::parse_unit)]
    pub(crate) unit: Option<Unit>,

    /// Take the time from this field: RFC 3339 text (2026-11-21T13:00:00Z), or a number of seconds
    /// or, from 100000000000 on, milliseconds since 1970. CloudWatch takes two weeks past to two
    /// hours ahead; other lines are bad lines. Default: the time of reading.
    #[arg(long, value_name = "FIELD")]
    pub(crate) timestamp_field: Option<FieldPath>,

    /// Seconds in which CloudWatch stores the metric: 60, or 1 for a high-resolution metric
    /// [default: 60].
    #[arg(long, value_name = "SECONDS", value_parser = ["1", "60"])]
    pub(crate) resolution: Option<String>,

    /// Merge values of one metric in one period (a minute, or a second with --resolution 1) while
    /// they wait to be sent. Sum, count, minimum, maximum and percentiles stay what they are; there
    /// is less to send and to pay. A longer --max-time-in-buffer merges more.
    #[arg(long)]
    pub(crate) aggregate: bool,
}

/// Bytes that end each record.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Delimiter(pub(crate) String);

impl FromStr for Delimiter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut read = String::new();
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            read.push(match (char, char == '\\') {
                (char, false) => char,
                (_, true) => match chars.next() {
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some('\\') => '\\',
                    other => {
                        let other = other.map(String::from).unwrap_or_default();
                        return Err(format!(
                            r"`\{other}` is unknown; write \n, \r, \t, or \\ for a backslash"
                        ));
                    }
                },
            });
        }
        Ok(Self(read))
    }
}

impl fmt::Debug for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// `NAME=` and something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named<T> {
    pub(crate) name: String,
    pub(crate) value: T,
}

impl<T: FromStr<Err: fmt::Display>> FromStr for Named<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                let value = value.parse().map_err(|error: T::Err| error.to_string())?;
                Ok(Self { name: name.to_owned(), value })
            }
            _ => Err("write the dimension's name, `=`, and what it is".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_read() {
        let kinesis = |stream: &str| To::Kinesis { stream: stream.to_owned() };
        assert_eq!("kinesis://flights".parse(), Ok(kinesis("flights")));
        let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/flights";
        assert_eq!(format!("kinesis://{arn}").parse(), Ok(kinesis(arn)));
        let firehose = To::Firehose { stream: "flights".to_owned() };
        assert_eq!("firehose://flights".parse(), Ok(firehose));
        let cloudwatch = To::CloudWatch { namespace: "Shop/Checkout".to_owned() };
        assert_eq!("cloudwatch://Shop/Checkout".parse(), Ok(cloudwatch));
        for (text, expected) in [("kafka://x", "`kafka`"), ("flights", "begins with what it is")] {
            let error = text.parse::<To>().unwrap_err();
            assert!(error.contains(expected) && error.contains(ACCEPTED), "{error}");
        }
    }

    #[test]
    fn delimiters_are_text_with_escapes() {
        for (text, read) in [
            ("", ""),
            (r"\n", "\n"),
            (r"\r\n", "\r\n"),
            ("|", "|"),
            (r"\\n", r"\n"),
            (r"é\t", "é\t"),
            ("\n", "\n"),
        ] {
            assert_eq!(text.parse(), Ok(Delimiter(read.to_owned())), "{text}");
        }
        assert!(r"\x".parse::<Delimiter>().unwrap_err().starts_with(r"`\x` is unknown; write \n"));
        assert!(r"x\".parse::<Delimiter>().unwrap_err().starts_with(r"`\` is unknown"));
    }

    #[test]
    fn dimensions_have_a_name_and_something() {
        let dimension: Named<FieldPath> = "Carrier=flight.carrier".parse().unwrap();
        assert_eq!(
            (&*dimension.name, dimension.value.to_string()),
            ("Carrier", "flight.carrier".into())
        );
        let dimension: Named<String> = "Env=a=b".parse().unwrap();
        assert_eq!((&*dimension.name, &*dimension.value), ("Env", "a=b"));
        for text in ["Carrier", "=carrier", "", "Carrier=", "Carrier=a..b"] {
            assert!(text.parse::<Named<FieldPath>>().is_err(), "{text}");
        }
    }
}
