//! Takes fields out of a line, and checks on the way that the line is JSON.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{
    Deserialize as _, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// A field, or a field of an object in a field, and so on: `a.b.c`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldPath(Vec<String>);

impl FromStr for FieldPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.split('.').map(str::to_owned).collect();
        if parts.iter().any(String::is_empty) {
            return Err("a field has a name; write `field` or `field.inner`".to_owned());
        }
        Ok(Self(parts))
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// Why a line has no fields at all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LineProblem {
    NotUtf8(String),
    NotJson(String),
}

/// Why a line has no such field.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FieldProblem {
    Line(LineProblem),
    Missing,
    /// `null`, an array or an object.
    NoScalar(&'static str),
}

impl From<LineProblem> for FieldProblem {
    fn from(problem: LineProblem) -> Self {
        Self::Line(problem)
    }
}

/// A value that is neither `null` nor made of others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    Text(Cow<'a, str>),
    /// As it is written.
    Number(&'a str),
    /// As it is written.
    Boolean(&'a str),
}

impl<'a> Scalar<'a> {
    /// Text as it is, numbers and booleans as they are written.
    pub(crate) fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => text,
            Self::Number(text) | Self::Boolean(text) => Cow::Borrowed(text),
        }
    }
}

/// Checks that a line is JSON.
pub(crate) fn check(line: &[u8]) -> Result<(), LineProblem> {
    let mut json = serde_json::Deserializer::from_str(utf8(line)?);
    IgnoredAny::deserialize(&mut json).map_err(not_json)?;
    json.end().map_err(not_json)
}

/// Checks that a line is JSON and gives a field's value. Where a field stands twice, the last one
/// counts.
pub(crate) fn find<'a>(line: &'a [u8], path: &FieldPath) -> Result<Scalar<'a>, FieldProblem> {
    let mut json = serde_json::Deserializer::from_str(utf8(line)?);
    let found = At(&path.0).deserialize(&mut json).map_err(not_json)?;
    json.end().map_err(not_json)?;
    let raw = found.ok_or(FieldProblem::Missing)?.get();
    match raw.as_bytes().first() {
        Some(b'"') => {
            let borrowed: Result<&str, _> = serde_json::from_str(raw);
            match borrowed {
                Ok(text) => Ok(Scalar::Text(Cow::Borrowed(text))),
                // It has escapes.
                Err(_) => Ok(Scalar::Text(serde_json::from_str(raw).map_err(not_json)?)),
            }
        }
        Some(b'n') => Err(FieldProblem::NoScalar("null")),
        Some(b'[') => Err(FieldProblem::NoScalar("an array")),
        Some(b'{') => Err(FieldProblem::NoScalar("an object")),
        Some(b't' | b'f') => Ok(Scalar::Boolean(raw)),
        _ => Ok(Scalar::Number(raw)),
    }
}

fn utf8(line: &[u8]) -> Result<&str, LineProblem> {
    std::str::from_utf8(line).map_err(|error| {
        LineProblem::NotUtf8(format!("invalid UTF-8 at byte {}", error.valid_up_to() + 1))
    })
}

fn not_json(error: serde_json::Error) -> LineProblem {
    // Its line is always 1 here; ours is said elsewhere.
    let message = error.to_string().replace(" at line 1 column ", " at column ");
    LineProblem::NotJson(message)
}

/// Finds the value at the end of a path, and passes over everything else.
struct At<'p>(&'p [String]);

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if self.0.is_empty() {
            return <&RawValue>::deserialize(deserializer).map(Some);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Some((first, rest)) = self.0.split_first() else {
            return Err(A::Error::custom("a path has an end"));
        };
        let mut found = None;
        while let Some(field) = map.next_key::<Field<'_>>()? {
            if field.0 == first.as_str() {
                found = map.next_value_seed(At(rest))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    // Valid JSON, but no object: there is no such field in it.

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A field's name, borrowed unless it has escapes.
#[derive(serde::Deserialize)]
struct Field<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(line: &str, path: &str) -> Result<String, FieldProblem> {
        find(line.as_bytes(), &path.parse().unwrap()).map(|found| found.into_text().into_owned())
    }

    #[test]
    fn scalars_become_text() {
        for (line, path, expected) in [
            (r#"{"a": "x"}"#, "a", "x"),
            (r#"{"b": [1, {"a": 2}], "a": "x"}"#, "a", "x"),
            (r#"{"a": "quote \" and \u00fc"}"#, "a", "quote \" and ü"),
            (r#"{"\u0061": "escaped name"}"#, "a", "escaped name"),
            (r#"{"a": 17}"#, "a", "17"),
            (r#"{"a": -1.50e3}"#, "a", "-1.50e3"),
            (r#"{"a": 123456789012345678901234567890}"#, "a", "123456789012345678901234567890"),
            (r#"{"a": true}"#, "a", "true"),
            (r#"{"a": ""}"#, "a", ""),
            (r#" {"a": {"b": {"c": "deep"}}} "#, "a.b.c", "deep"),
            (r#"{"a": 1, "a": 2}"#, "a", "2"),
        ] {
            assert_eq!(text(line, path).as_deref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn scalars_keep_their_kind() {
        let found = |line: &'static str| find(line.as_bytes(), &"a".parse().unwrap()).unwrap();
        assert_eq!(found(r#"{"a": "1"}"#), Scalar::Text("1".into()));
        assert_eq!(found(r#"{"a": -1.5}"#), Scalar::Number("-1.5"));
        assert_eq!(found(r#"{"a": true}"#), Scalar::Boolean("true"));
        assert_eq!(found(r#"{"a": false}"#), Scalar::Boolean("false"));
    }

    #[test]
    fn what_is_no_scalar_or_not_there_is_said_so() {
        for (line, path, expected) in [
            (r#"{"a": null}"#, "a", FieldProblem::NoScalar("null")),
            (r#"{"a": []}"#, "a", FieldProblem::NoScalar("an array")),
            (r#"{"a": {"b": 1}}"#, "a", FieldProblem::NoScalar("an object")),
            (r#"{"b": 1}"#, "a", FieldProblem::Missing),
            ("{}", "a", FieldProblem::Missing),
            (r#"{"a": {"c": 1}}"#, "a.b", FieldProblem::Missing),
            (r#"{"a": 5}"#, "a.b", FieldProblem::Missing),
            (r#"{"a": null}"#, "a.b", FieldProblem::Missing),
            ("[1, 2]", "a", FieldProblem::Missing),
            ("17", "a", FieldProblem::Missing),
            ("null", "a", FieldProblem::Missing),
        ] {
            assert_eq!(text(line, path), Err(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_json_is_said_with_its_place() {
        for (line, expected) in [
            ("", "EOF while parsing a value at column 0"),
            ("nonsense", "expected ident at column 2"),
            (r#"{"a": 1"#, "EOF while parsing an object at column 7"),
            (r#"{"a": 1} x"#, "trailing characters at column 10"),
            (r#"{"a": 1}{"a": 2}"#, "trailing characters at column 9"),
        ] {
            let problem = LineProblem::NotJson(expected.to_owned());
            assert_eq!(text(line, "a"), Err(problem.into()), "{line}");
            assert!(matches!(check(line.as_bytes()), Err(LineProblem::NotJson(_))), "{line}");
        }
        let problem = check(b"{\"a\": \"\xff\"}").unwrap_err();
        assert_eq!(problem, LineProblem::NotUtf8("invalid UTF-8 at byte 8".to_owned()));
    }

    #[test]
    fn a_path_has_no_empty_parts() {
        for path in ["", ".", "a.", ".a", "a..b"] {
            assert!(path.parse::<FieldPath>().is_err(), "{path}");
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            ".{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                proptest::collection::btree_map("[abc]", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_field_is_what_a_tree_would_give(value in json(), path in "[abc](\\.[abc]){0,2}") {
            let line = value.to_string();
            let mut at = Some(&value);
            for part in path.split('.') {
                at = at.and_then(|value| value.get(part));
            }
            let expected = match at {
                None => Err(FieldProblem::Missing),
                Some(serde_json::Value::Null) => Err(FieldProblem::NoScalar("null")),
                Some(serde_json::Value::Array(_)) => Err(FieldProblem::NoScalar("an array")),
                Some(serde_json::Value::Object(_)) => Err(FieldProblem::NoScalar("an object")),
                Some(serde_json::Value::String(text)) => Ok(text.clone()),
                Some(scalar) => Ok(scalar.to_string()),
            };
            prop_assert_eq!(text(&line, &path), expected);
        }

        #[test]
        fn no_bytes_make_it_panic(line in proptest::collection::vec(any::<u8>(), 0..100)) {
            let path = "a".parse().unwrap();
            let is_json = serde_json::from_slice::<serde_json::Value>(&line).is_ok();
            let found = find(&line, &path);
            let is_bad = matches!(found, Err(FieldProblem::Line(_)));
            prop_assert_eq!(is_json, !is_bad);
            prop_assert_eq!(is_json, check(&line).is_ok());
        }
    }
}
