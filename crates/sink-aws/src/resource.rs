//! What a sink writes to, as somebody has written it down.

use std::{fmt, marker::PhantomData, str::FromStr};

use sink_core::{Error, ErrorKind};

/// What a sink writes to, made from the text in its configuration: a [`Resource`], a namespace.
pub trait Target: FromStr<Err = Error> {
    /// As messages call it, such as `"stream"`.
    const NOUN: &'static str;

    /// The region that it names itself. Default: none.
    fn region(&self) -> Option<&str> {
        None
    }
}

/// Which resources a [`Resource`] is one of.
///
/// ```
/// /// The streams of Kinesis.
/// #[derive(Debug, Clone, PartialEq, Eq, Hash)]
/// struct Streams;
///
/// impl sink_aws::ResourceKind for Streams {
///     const NOUN: &'static str = "stream";
///     const SERVICE: &'static str = "kinesis";
///     const TYPE: &'static str = "stream";
///     const MAX_NAME: usize = 128;
/// }
///
/// let arn = "arn:aws:kinesis:eu-central-1:123456789012:stream/flights";
/// let stream: sink_aws::Resource<Streams> = arn.parse()?;
/// assert_eq!((stream.name(), stream.arn()), ("flights", Some(arn)));
/// # Ok::<_, sink_core::Error>(())
/// ```
pub trait ResourceKind: Send + Sync + 'static {
    /// As messages call it, such as `"stream"`.
    const NOUN: &'static str;
    /// The service's name in an ARN.
    const SERVICE: &'static str;
    /// What stands in an ARN before the name, without the `/`.
    const TYPE: &'static str;
    /// Characters that a name may have at most: letters, digits, `_`, `.` and `-`.
    const MAX_NAME: usize;
}

/// A resource of one service, by its name or its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource<K> {
    text: String,
    /// What an ARN says; `None` where the text is a name.
    arn: Option<Arn>,
    kind: PhantomData<K>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Arn {
    region: String,
    name: String,
}

impl<K> Resource<K> {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name alone.
    pub fn name(&self) -> &str {
        self.arn.as_ref().map_or(&self.text, |arn| &arn.name)
    }

    /// The ARN, where the resource was given by it.
    pub fn arn(&self) -> Option<&str> {
        self.arn.is_some().then_some(&self.text)
    }

    /// The ARN's region.
    pub fn region(&self) -> Option<&str> {
        self.arn.as_ref().map(|arn| arn.region.as_str())
    }
}

impl<K: ResourceKind> Target for Resource<K> {
    const NOUN: &'static str = K::NOUN;

    fn region(&self) -> Option<&str> {
        self.region()
    }
}

impl<K: ResourceKind> FromStr for Resource<K> {
    type Err = Error;

    /// # Errors
    ///
    /// [`ErrorKind::Config`] when it is neither a name nor an ARN of such a resource.
    fn from_str(text: &str) -> Result<Self, Error> {
        let arn = parse_arn::<K>(text);
        if arn.is_some() || is_name::<K>(text) {
            return Ok(Self { text: text.to_owned(), arn, kind: PhantomData });
        }
        let (noun, service, kind) = (K::NOUN, K::SERVICE, K::TYPE);
        let given = text.chars().take(200).collect::<String>();
        Err(Error::new(
            ErrorKind::Config,
            noun,
            format!(
                "the {noun} is `{given}`: write its name (1 to {} letters, digits, `_`, `.` and \
                 `-`) or its ARN (arn:aws:{service}:<region>:<account>:{kind}/<name>)",
                K::MAX_NAME
            ),
        ))
    }
}

impl<K> fmt::Display for Resource<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_name<K: ResourceKind>(name: &str) -> bool {
    (1..=K::MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

fn parse_arn<K: ResourceKind>(arn: &str) -> Option<Arn> {
    let parts: Vec<_> = arn.split(':').collect();
    let ["arn", partition, service, region, account, resource] = parts[..] else { return None };
    let name = resource.strip_prefix(K::TYPE)?.strip_prefix('/')?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    let is_arn = service == K::SERVICE
        && partition.starts_with("aws")
        && !region.is_empty()
        && is_account
        && is_name::<K>(name);
    is_arn.then(|| Arn { region: region.to_owned(), name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Queues;

    impl ResourceKind for Queues {
        const NOUN: &'static str = "queue";
        const SERVICE: &'static str = "post";
        const TYPE: &'static str = "line";
        const MAX_NAME: usize = 8;
    }

    type Queue = Resource<Queues>;

    const ARN: &str = "arn:aws:post:eu-central-1:123456789012:line/letters";

    #[test]
    fn a_resource_is_a_name_or_an_arn() {
        for (text, name, region) in [
            ("letters", "letters", None),
            ("a", "a", None),
            ("Le_t.e-8", "Le_t.e-8", None),
            (ARN, "letters", Some("eu-central-1")),
            ("arn:aws-cn:post:cn-north-1:000000000000:line/a.b", "a.b", Some("cn-north-1")),
        ] {
            let queue: Queue = text.parse().unwrap();
            assert_eq!((queue.name(), queue.region()), (name, region), "{text}");
            assert_eq!(Target::region(&queue), region, "{text}");
            assert_eq!(queue.arn(), region.map(|_| text), "{text}");
            assert_eq!((queue.as_str(), queue.to_string().as_str()), (text, text));
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_would_be_accepted() {
        for text in [
            "",
            " letters",
            "a/b",
            "brïefe",
            "ninechars",
            "arn:aws:post:eu-central-1:123456789012:line/",
            "arn:aws:post:eu-central-1:123456789012:line",
            "arn:aws:post:eu-central-1:123456789012:line/ninechars",
            "arn:aws:post:eu-central-1:123456789012:line/a/b",
            "arn:aws:post:eu-central-1:123456789012:lines/a",
            "arn:aws:post:eu-central-1:123456789012:line/a:1",
            "arn:aws:post:eu-central-1:1234:line/a",
            "arn:aws:post::123456789012:line/a",
            "arn:aws:mail:eu-central-1:123456789012:line/a",
            "arn:azure:post:eu-central-1:123456789012:line/a",
        ] {
            let error = text.parse::<Queue>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert_eq!(
                error.message(),
                format!(
                    "the queue is `{text}`: write its name (1 to 8 letters, digits, `_`, `.` and \
                     `-`) or its ARN (arn:aws:post:<region>:<account>:line/<name>)"
                )
            );
        }
        let error = "x".repeat(1000).parse::<Queue>().unwrap_err();
        assert!(error.message().len() < 500, "{error}");
    }
}
