//! What is measured: a metric's name, dimensions, unit and resolution.

use std::{
    fmt,
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash},
    sync::Arc,
};

use sink_core::ConvertError;

use super::{MAX_DIMENSION_VALUE, MAX_DIMENSIONS, MAX_NAME, Unit, size::metric_size, unit};

/// What is measured: name, dimensions, unit and resolution. Checked once, then shared by all of
/// its data; cheap to clone.
///
/// ```
/// use sink_cloudwatch::{Metric, Unit};
///
/// let requests = Metric::builder("Requests").dimension("Route", "/").unit(Unit::Count).build()?;
/// let datum = requests.value(1.0)?;
/// assert_eq!(datum.metric(), &requests);
/// # Ok::<_, sink_core::ConvertError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Metric(pub(crate) Arc<Checked>);

/// An identity that CloudWatch takes, and what follows from it.
#[derive(PartialEq, Eq)]
pub(crate) struct Checked {
    /// Comes first, so two metrics are seldom compared any further.
    pub(super) hash: u64,
    /// Bytes in a request.
    pub(crate) size: usize,
    /// In snapshots.
    pub(crate) unit_number: u8,
    identity: Identity,
}

/// What makes one metric another than the next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) dimensions: Vec<(String, String)>,
    pub(super) unit: Unit,
    pub(super) resolution: Resolution,
}

/// How finely CloudWatch stores a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Resolution {
    /// By the minute: the API's `StorageResolution` 60. The default.
    #[default]
    Minute = 60,
    /// By the second: the API's `StorageResolution` 1.
    Second = 1,
}

impl Resolution {
    /// The API's number for it: 1 or 60.
    pub fn seconds(self) -> u8 {
        self as u8
    }
}

impl Metric {
    /// A metric with this name: 1 to 255 characters. The rest may be left out.
    pub fn builder(name: impl Into<String>) -> MetricBuilder {
        let (name, dimensions, resolution) = (name.into(), Vec::new(), Resolution::default());
        MetricBuilder(Identity { name, dimensions, unit: Unit::None, resolution })
    }

    /// The metric's name.
    pub fn name(&self) -> &str {
        &self.0.identity.name
    }

    /// Names and values of the dimensions, sorted by name: to CloudWatch they are a set.
    pub fn dimensions(&self) -> &[(String, String)] {
        &self.0.identity.dimensions
    }

    /// What the values are measured in.
    pub fn unit(&self) -> Unit {
        self.0.identity.unit.clone()
    }

    /// How finely CloudWatch stores it.
    pub fn resolution(&self) -> Resolution {
        self.0.identity.resolution
    }
}

impl fmt::Debug for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metric").field(&self.0.identity).finish()
    }
}

/// Makes a [`Metric`].
#[derive(Debug, Clone)]
#[must_use]
pub struct MetricBuilder(Identity);

impl MetricBuilder {
    /// Adds a dimension. Each set of dimensions is a metric of its own to CloudWatch, and is
    /// billed as one. At most 30, each name once; a name has 1 to 255 characters and a value 1 to
    /// 1024, all printable ASCII and not only spaces; a name does not begin with `:`.
    pub fn dimension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.dimensions.push((name.into(), value.into()));
        self
    }

    /// What the values are measured in. Default: [`Unit::None`]. [`build`](Self::build) refuses a
    /// unit that CloudWatch does not know, as the SDK makes one of any text.
    pub fn unit(mut self, unit: Unit) -> Self {
        self.0.unit = unit;
        self
    }

    /// How finely CloudWatch stores it. Default: by the minute.
    pub fn resolution(mut self, resolution: Resolution) -> Self {
        self.0.resolution = resolution;
        self
    }

    /// Checks all of it.
    ///
    /// # Errors
    ///
    /// Says which of the names, values or dimensions CloudWatch would refuse, or that it does not
    /// know the unit, and what it takes.
    pub fn build(mut self) -> Result<Metric, ConvertError> {
        self.0.dimensions.sort_unstable();
        let unit_number = self.0.check().map_err(ConvertError::new)?;
        let (hash, size) = (hash64(&self.0), metric_size(&self.0));
        Ok(Metric(Arc::new(Checked { hash, size, unit_number, identity: self.0 })))
    }
}

impl Identity {
    /// Gives the unit's number in snapshots. The dimensions are sorted.
    fn check(&self) -> Result<u8, String> {
        // The API reference restricts the characters of dimensions only.
        let (name, chars) = (shortened(&self.name), self.name.chars().count());
        let empty = "the metric's name is empty; CloudWatch takes 1 to 255 characters";
        ensure(chars > 0, || empty.into())?;
        check_length(chars, "characters", MAX_NAME)
            .map_err(|wrong| format!("the metric's name {name} {wrong}"))?;
        let (count, most) = (self.dimensions.len(), MAX_DIMENSIONS);
        ensure(count <= most, || {
            format!("{count} dimensions of the metric {name}; CloudWatch takes at most {most}")
        })?;
        let of = |key| format!("{} of the metric {name}", shortened(key));
        for (key, value) in &self.dimensions {
            check_name(key).map_err(|wrong| format!("the dimension name {} {wrong}", of(key)))?;
            check_text(value, MAX_DIMENSION_VALUE).map_err(|wrong| {
                format!("the value {} of the dimension {} {wrong}", shortened(value), of(key))
            })?;
        }
        if let Some(twice) = self.dimensions.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let key = of(&twice[0].0);
            return Err(format!(
                "the dimension {key} is there twice; CloudWatch takes each name once"
            ));
        }
        unit::number(self.unit.as_str())
            .map_err(|wrong| format!("the unit of the metric {name} {wrong}"))
    }
}

/// What the API reference demands of a dimension's name, and of a namespace.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    check_text(name, MAX_NAME)?;
    ensure(!name.starts_with(':'), || "begins with a colon; CloudWatch takes none that does".into())
}

/// What the API reference of `Dimension` demands of names and values alike.
fn check_text(text: &str, most: usize) -> Result<(), String> {
    // Equal to the characters where it is ASCII, and else the next message is as true.
    check_length(text.len(), "bytes", most)?;
    if let Some(wrong) = text.chars().find(|c| !matches!(c, ' '..='~')) {
        return Err(format!(
            "has the character {wrong:?}; CloudWatch takes ASCII without control characters"
        ));
    }
    ensure(text.bytes().any(|byte| byte != b' '), || {
        "is only spaces; CloudWatch takes at least one other character".into()
    })
}

fn check_length(length: usize, of: &str, most: usize) -> Result<(), String> {
    ensure((1..=most).contains(&length), || {
        format!("has {length} {of}; CloudWatch takes 1 to {most}")
    })
}

/// For checks: what is wrong, where something is.
pub(super) fn ensure(is: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if is { Ok(()) } else { Err(wrong()) }
}

/// For messages: enough of a text to find it by.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(32) {
        None => format!("`{}`", text.escape_debug()),
        Some((end, _)) => format!("`{}…`", text[..end].escape_debug()),
    }
}

/// The same for what is equal, in one run of the program.
pub(super) fn hash64(of: impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(builder: MetricBuilder) -> Option<String> {
        builder.build().err().map(|error| error.to_string())
    }

    #[test]
    fn a_name_has_1_to_255_characters() {
        for (name, expected) in [
            ("n".to_owned(), None),
            ("n".repeat(255), None),
            ("é".repeat(255), None),
            (
                String::new(),
                Some("the metric's name is empty; CloudWatch takes 1 to 255 characters".to_owned()),
            ),
            (
                "é".repeat(256),
                Some(format!(
                    "the metric's name `{}…` has 256 characters; CloudWatch takes 1 to 255",
                    "é".repeat(32)
                )),
            ),
        ] {
            assert_eq!(problem(Metric::builder(&name)), expected, "{name}");
        }
    }

    #[test]
    fn a_bad_dimension_is_named_with_what_would_be_accepted() {
        let long = |length| "d".repeat(length);
        let cases = [
            ("Host", "a b", None),
            (&*long(255), &*long(1024), None),
            (
                "",
                "v",
                Some(
                    "the dimension name `` of the metric `m` has 0 bytes; CloudWatch takes 1 to 255",
                ),
            ),
            (&long(256), "v", Some("has 256 bytes; CloudWatch takes 1 to 255")),
            (
                "Host",
                "",
                Some("the value `` of the dimension `Host` of the metric `m` has 0 bytes"),
            ),
            ("Host", &long(1025), Some("has 1025 bytes; CloudWatch takes 1 to 1024")),
            (
                "Größe",
                "v",
                Some("the dimension name `Größe` of the metric `m` has the character 'ö'"),
            ),
            (
                "Host",
                "a\nb",
                Some(
                    "the value `a\\nb` of the dimension `Host` of the metric `m` has the character '\\n'",
                ),
            ),
            ("Host", "\u{7f}", Some("ASCII without control characters")),
            ("  ", "v", Some("is only spaces")),
            ("Host", " ", Some("is only spaces")),
            (":Host", "v", Some("`:Host` of the metric `m` begins with a colon")),
            ("H:ost", ":v", None),
        ];
        for (name, value, expected) in cases {
            let problem = problem(Metric::builder("m").dimension(name, value));
            match (problem, expected) {
                (None, None) => {}
                (Some(problem), Some(expected)) => {
                    assert!(problem.contains(expected), "{expected} is missing in: {problem}");
                }
                (problem, _) => panic!("{name:?}, {value:?}: {problem:?}"),
            }
        }
    }

    #[test]
    fn thirty_dimensions_are_taken_each_name_once() {
        let with = |count| {
            (0..count)
                .fold(Metric::builder("m"), |builder, n| builder.dimension(format!("d{n}"), "v"))
        };
        assert_eq!(problem(with(30)), None);
        assert_eq!(
            problem(with(31)).unwrap(),
            "31 dimensions of the metric `m`; CloudWatch takes at most 30"
        );
        assert_eq!(
            problem(with(3).dimension("d1", "other")).unwrap(),
            "the dimension `d1` of the metric `m` is there twice; CloudWatch takes each name once"
        );
    }

    #[test]
    fn the_order_of_dimensions_is_no_difference_and_all_else_is() {
        let of = |a: &str, b: &str| Metric::builder("m").dimension(a, "1").dimension(b, "1");
        let metric = of("a", "b").build().unwrap();
        assert_eq!(metric, of("b", "a").build().unwrap());
        assert_eq!(metric.0.hash, of("b", "a").build().unwrap().0.hash);
        for other in [
            of("a", "c"),
            of("a", "b").unit(Unit::Count),
            of("a", "b").resolution(Resolution::Second),
            Metric::builder("n").dimension("a", "1").dimension("b", "1"),
            Metric::builder("m").dimension("a", "1").dimension("b", "2"),
            Metric::builder("m").dimension("a", "1"),
        ] {
            let other = other.build().unwrap();
            assert_ne!(metric, other);
            assert_ne!(metric.0.hash, other.0.hash);
        }
    }
}
