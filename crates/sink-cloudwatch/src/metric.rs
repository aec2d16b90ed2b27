//! What is measured: a metric's name, dimensions, unit and resolution.

use std::{
    collections::hash_map::DefaultHasher,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use sink_core::ConvertError;

use crate::unit::Unit;

/// From the API reference of `MetricDatum`.
pub(crate) const MAX_DIMENSIONS: usize = 30;
/// Of a metric's name and a dimension's: the API reference of `MetricDatum` and `Dimension`.
const MAX_NAME: usize = 255;
/// Of a dimension's value: the API reference of `Dimension`.
const MAX_VALUE: usize = 1024;

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
#[derive(Clone)]
pub struct Metric(Arc<Inner>);

struct Inner {
    name: String,
    dimensions: Vec<(String, String)>,
    unit: Unit,
    resolution: Resolution,
    /// Of all that is above.
    hash: u64,
    /// Bytes of all that is above in a request.
    size: usize,
}

/// How finely CloudWatch stores a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Resolution {
    /// By the minute: the API's `StorageResolution` 60. The default.
    #[default]
    Minute,
    /// By the second: the API's `StorageResolution` 1.
    Second,
}

impl Resolution {
    /// The API's number for it: 1 or 60.
    pub fn seconds(self) -> u8 {
        match self {
            Self::Minute => 60,
            Self::Second => 1,
        }
    }
}

impl Metric {
    /// A metric with this name: 1 to 255 characters. The rest may be left out.
    pub fn builder(name: impl Into<String>) -> MetricBuilder {
        MetricBuilder {
            name: name.into(),
            dimensions: Vec::new(),
            unit: Unit::default(),
            resolution: Resolution::default(),
        }
    }

    /// The metric's name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Names and values of the dimensions, sorted by name: to CloudWatch they are a set.
    pub fn dimensions(&self) -> &[(String, String)] {
        &self.0.dimensions
    }

    /// What the values are measured in.
    pub fn unit(&self) -> Unit {
        self.0.unit
    }

    /// How finely CloudWatch stores it.
    pub fn resolution(&self) -> Resolution {
        self.0.resolution
    }

    /// Of name, dimensions, unit and resolution.
    pub(crate) fn hash64(&self) -> u64 {
        self.0.hash
    }

    /// Bytes that all of it takes in a request.
    pub(crate) fn size_bytes(&self) -> usize {
        self.0.size
    }

    fn identity(&self) -> impl Eq + Hash + '_ {
        (&self.0.name, &self.0.dimensions, self.0.unit, self.0.resolution)
    }
}

impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.0.hash == other.0.hash && self.identity() == other.identity())
    }
}

impl Eq for Metric {}

impl fmt::Debug for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metric")
            .field("name", &self.0.name)
            .field("dimensions", &self.0.dimensions)
            .field("unit", &self.0.unit)
            .field("resolution", &self.0.resolution)
            .finish()
    }
}

/// Makes a [`Metric`].
#[derive(Debug, Clone)]
#[must_use]
pub struct MetricBuilder {
    name: String,
    dimensions: Vec<(String, String)>,
    unit: Unit,
    resolution: Resolution,
}

impl MetricBuilder {
    /// Adds a dimension. Each set of dimensions is a metric of its own to CloudWatch, and is
    /// billed as one. At most 30, each name once; a name has 1 to 255 characters and a value 1 to
    /// 1024, all printable ASCII and not only spaces; a name does not begin with `:`.
    pub fn dimension(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.dimensions.push((name.into(), value.into()));
        self
    }

    /// What the values are measured in. Default: [`Unit::None`].
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// How finely CloudWatch stores it. Default: by the minute.
    pub fn resolution(mut self, resolution: Resolution) -> Self {
        self.resolution = resolution;
        self
    }

    /// Checks all of it.
    ///
    /// # Errors
    ///
    /// Says which of the names, values or dimensions CloudWatch would refuse, and what it takes.
    pub fn build(self) -> Result<Metric, ConvertError> {
        let Self { name, mut dimensions, unit, resolution } = self;
        let problem = |text: String| Err(ConvertError::new(text));
        // The API reference restricts the characters of dimensions only.
        let chars = if name.len() <= MAX_NAME { name.len() } else { name.chars().count() };
        if chars == 0 {
            return problem(
                "the metric's name is empty; CloudWatch takes 1 to 255 characters".into(),
            );
        }
        if chars > MAX_NAME {
            return problem(format!(
                "the metric's name {} has {chars} characters; CloudWatch takes 1 to {MAX_NAME}",
                shortened(&name)
            ));
        }
        let of = || format!("of the metric {}", shortened(&name));
        if dimensions.len() > MAX_DIMENSIONS {
            return problem(format!(
                "{} dimensions {}; CloudWatch takes at most {MAX_DIMENSIONS}",
                dimensions.len(),
                of()
            ));
        }
        for (key, value) in &dimensions {
            if let Some(wrong) = text_problem(key, MAX_NAME) {
                return problem(format!("the dimension name {} {} {wrong}", shortened(key), of()));
            }
            if key.starts_with(':') {
                return problem(format!(
                    "the dimension name {} {} begins with a colon; CloudWatch takes none that does",
                    shortened(key),
                    of()
                ));
            }
            if let Some(wrong) = text_problem(value, MAX_VALUE) {
                return problem(format!(
                    "the value {} of the dimension {} {} {wrong}",
                    shortened(value),
                    shortened(key),
                    of()
                ));
            }
        }
        dimensions.sort_unstable();
        if let Some(twice) = dimensions.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return problem(format!(
                "the dimension {} {} is there twice; CloudWatch takes each name once",
                shortened(&twice[0].0),
                of()
            ));
        }
        let mut hasher = DefaultHasher::new();
        (&name, &dimensions, unit, resolution).hash(&mut hasher);
        let hash = hasher.finish();
        let size = crate::request::metric_size(&name, &dimensions, unit, resolution);
        Ok(Metric(Arc::new(Inner { name, dimensions, unit, resolution, hash, size })))
    }
}

/// What the API reference of `Dimension` forbids to names and values alike.
fn text_problem(text: &str, most: usize) -> Option<String> {
    if text.is_empty() || text.len() > most {
        // Equal to the characters where it is ASCII, and else the next message is as true.
        return Some(format!("has {} bytes; CloudWatch takes 1 to {most}", text.len()));
    }
    if let Some(wrong) = text.chars().find(|c| !matches!(c, ' '..='~')) {
        return Some(format!(
            "has the character {wrong:?}; CloudWatch takes ASCII without control characters"
        ));
    }
    text.bytes()
        .all(|byte| byte == b' ')
        .then(|| "is only spaces; CloudWatch takes at least one other character".to_owned())
}

/// For messages: enough of a text to find it by.
pub(crate) fn shortened(text: &str) -> String {
    match text.char_indices().nth(32) {
        None => format!("`{}`", text.escape_debug()),
        Some((end, _)) => format!("`{}…`", text[..end].escape_debug()),
    }
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
        assert_eq!(metric.hash64(), of("b", "a").build().unwrap().hash64());
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
            assert_ne!(metric.hash64(), other.hash64());
        }
    }
}
