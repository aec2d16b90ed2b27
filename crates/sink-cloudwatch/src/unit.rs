//! What a value is measured in.

use std::{fmt, str::FromStr};

use sink_core::ConvertError;

/// What a value is measured in: each unit of the API's `StandardUnit`, under its name there.
///
/// CloudWatch does not convert units: data of one metric with different units are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Unit {
    /// `Seconds`.
    Seconds,
    /// `Microseconds`.
    Microseconds,
    /// `Milliseconds`.
    Milliseconds,
    /// `Bytes`.
    Bytes,
    /// `Kilobytes`.
    Kilobytes,
    /// `Megabytes`.
    Megabytes,
    /// `Gigabytes`.
    Gigabytes,
    /// `Terabytes`.
    Terabytes,
    /// `Bits`.
    Bits,
    /// `Kilobits`.
    Kilobits,
    /// `Megabits`.
    Megabits,
    /// `Gigabits`.
    Gigabits,
    /// `Terabits`.
    Terabits,
    /// `Percent`.
    Percent,
    /// `Count`.
    Count,
    /// `Bytes/Second`.
    BytesPerSecond,
    /// `Kilobytes/Second`.
    KilobytesPerSecond,
    /// `Megabytes/Second`.
    MegabytesPerSecond,
    /// `Gigabytes/Second`.
    GigabytesPerSecond,
    /// `Terabytes/Second`.
    TerabytesPerSecond,
    /// `Bits/Second`.
    BitsPerSecond,
    /// `Kilobits/Second`.
    KilobitsPerSecond,
    /// `Megabits/Second`.
    MegabitsPerSecond,
    /// `Gigabits/Second`.
    GigabitsPerSecond,
    /// `Terabits/Second`.
    TerabitsPerSecond,
    /// `Count/Second`.
    CountPerSecond,
    /// No unit. The default.
    #[default]
    None,
}

impl Unit {
    /// All of them. Snapshots hold the position, so this list only grows at its end.
    pub const ALL: [Self; 27] = [
        Self::Seconds,
        Self::Microseconds,
        Self::Milliseconds,
        Self::Bytes,
        Self::Kilobytes,
        Self::Megabytes,
        Self::Gigabytes,
        Self::Terabytes,
        Self::Bits,
        Self::Kilobits,
        Self::Megabits,
        Self::Gigabits,
        Self::Terabits,
        Self::Percent,
        Self::Count,
        Self::BytesPerSecond,
        Self::KilobytesPerSecond,
        Self::MegabytesPerSecond,
        Self::GigabytesPerSecond,
        Self::TerabytesPerSecond,
        Self::BitsPerSecond,
        Self::KilobitsPerSecond,
        Self::MegabitsPerSecond,
        Self::GigabitsPerSecond,
        Self::TerabitsPerSecond,
        Self::CountPerSecond,
        Self::None,
    ];

    /// The API's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "Seconds",
            Self::Microseconds => "Microseconds",
            Self::Milliseconds => "Milliseconds",
            Self::Bytes => "Bytes",
            Self::Kilobytes => "Kilobytes",
            Self::Megabytes => "Megabytes",
            Self::Gigabytes => "Gigabytes",
            Self::Terabytes => "Terabytes",
            Self::Bits => "Bits",
            Self::Kilobits => "Kilobits",
            Self::Megabits => "Megabits",
            Self::Gigabits => "Gigabits",
            Self::Terabits => "Terabits",
            Self::Percent => "Percent",
            Self::Count => "Count",
            Self::BytesPerSecond => "Bytes/Second",
            Self::KilobytesPerSecond => "Kilobytes/Second",
            Self::MegabytesPerSecond => "Megabytes/Second",
            Self::GigabytesPerSecond => "Gigabytes/Second",
            Self::TerabytesPerSecond => "Terabytes/Second",
            Self::BitsPerSecond => "Bits/Second",
            Self::KilobitsPerSecond => "Kilobits/Second",
            Self::MegabitsPerSecond => "Megabits/Second",
            Self::GigabitsPerSecond => "Gigabits/Second",
            Self::TerabitsPerSecond => "Terabits/Second",
            Self::CountPerSecond => "Count/Second",
            Self::None => "None",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Unit {
    type Err = ConvertError;

    /// The unit with this name, as the API writes it: `Count`, `Bytes/Second`.
    ///
    /// # Errors
    ///
    /// When there is none, with the names of all.
    fn from_str(name: &str) -> Result<Self, ConvertError> {
        Self::ALL.into_iter().find(|unit| unit.as_str() == name).ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(|unit| unit.as_str()).collect();
            let name: String = name.chars().take(40).collect();
            ConvertError::new(format!("the unit is `{name}`; CloudWatch takes {}", all.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_cloudwatch::types::StandardUnit;

    use super::*;

    #[test]
    fn the_units_are_those_of_the_sdk() {
        let mut ours: Vec<_> = Unit::ALL.iter().map(|unit| unit.as_str()).collect();
        let mut theirs = StandardUnit::values().to_vec();
        ours.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(ours, theirs);
    }

    /// Snapshots that are on disks somewhere count on it.
    #[test]
    fn a_unit_keeps_its_number() {
        for (position, unit) in Unit::ALL.into_iter().enumerate() {
            assert_eq!(unit as usize, position);
            assert_eq!(unit.as_str().parse::<Unit>().unwrap(), unit);
        }
        assert_eq!(Unit::None as u8, 26);
        assert_eq!(Unit::Count as u8, 14);
    }

    #[test]
    fn another_name_is_refused_with_those_that_there_are() {
        for name in ["", "count", "Count/s"] {
            let error = name.parse::<Unit>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("the unit is `{name}`; CloudWatch takes Seconds,")));
            assert!(error.ends_with("Count/Second, None"), "{error}");
        }
    }
}
