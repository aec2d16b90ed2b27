//! What a value is measured in.

/// What a value is measured in: the API's `StandardUnit`, as the SDK has it. `Bytes/Second` is
/// `Unit::BytesSecond`; [`parse_unit`](crate::parse_unit) reads the API's names.
///
/// CloudWatch does not convert units: data of one metric with different units are kept apart.
#[doc(inline)]
pub use aws_sdk_cloudwatch::types::StandardUnit as Unit;
use sink_core::ConvertError;

use super::metric::shortened;

/// The units' names in the API. A unit's number in snapshots is its place here, so this list only
/// grows at its end.
#[rustfmt::skip] // as a list it would be a page long
pub(crate) const NAMES: [&str; 27] = [
    "Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes",
    "Terabytes", "Bits", "Kilobits", "Megabits", "Gigabits", "Terabits", "Percent", "Count",
    "Bytes/Second", "Kilobytes/Second", "Megabytes/Second", "Gigabytes/Second", "Terabytes/Second",
    "Bits/Second", "Kilobits/Second", "Megabits/Second", "Gigabits/Second", "Terabits/Second",
    "Count/Second", "None",
];

/// The unit with this name, as the API writes it: `Count`, `Bytes/Second`.
///
/// The SDK's own `str::parse` and `From` make a unit of any text, which
/// [`MetricBuilder::build`](crate::MetricBuilder::build) then refuses.
///
/// # Errors
///
/// When there is none, with the names of all.
///
/// ```
/// assert_eq!(sink_cloudwatch::parse_unit("Count")?, sink_cloudwatch::Unit::Count);
/// assert!(sink_cloudwatch::parse_unit("count").is_err());
/// # Ok::<_, sink_core::ConvertError>(())
/// ```
pub fn parse_unit(name: &str) -> Result<Unit, ConvertError> {
    number(name).map_err(|wrong| ConvertError::new(format!("the unit {wrong}")))?;
    Ok(Unit::from(name))
}

/// The number of the unit with this name in snapshots, or what is wrong with the name.
pub(super) fn number(name: &str) -> Result<u8, String> {
    let number = (0..).zip(NAMES).find(|(_, known)| *known == name);
    number
        .map(|(number, _)| number)
        .ok_or_else(|| format!("is {}; CloudWatch takes {}", shortened(name), NAMES.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metric;

    /// Otherwise a new SDK has units that this program would refuse.
    #[test]
    fn the_units_are_those_of_the_sdk() {
        let mut ours = NAMES.to_vec();
        let mut theirs = Unit::values().to_vec();
        ours.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(ours, theirs);
    }

    /// Snapshots that are on disks somewhere count on it.
    #[test]
    fn a_unit_keeps_its_number() {
        for (position, name) in (0..).zip(NAMES) {
            assert_eq!(number(name), Ok(position));
            assert_eq!(parse_unit(name).unwrap().as_str(), name);
        }
        assert_eq!(number(Unit::None.as_str()), Ok(26));
        assert_eq!(number(Unit::Count.as_str()), Ok(14));
    }

    #[test]
    fn another_name_is_refused_with_those_that_there_are() {
        for name in ["", "count", "Count/s", "Bits Bytes"] {
            let error = parse_unit(name).unwrap_err().to_string();
            assert!(error.starts_with(&format!("the unit is `{name}`; CloudWatch takes Seconds,")));
            assert!(error.ends_with("Count/Second, None"), "{error}");
            let error = Metric::builder("m").unit(Unit::from(name)).build().unwrap_err();
            let expected = format!("the unit of the metric `m` is `{name}`; CloudWatch takes Sec");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
    }
}
