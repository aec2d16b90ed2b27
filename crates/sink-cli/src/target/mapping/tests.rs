use proptest::prelude::*;
use sink_cloudwatch::MetricValue;

use super::*;

/// Name, a dimension and value from fields of those names, and the time where it is asked for.
fn mapping() -> Mapping {
    let field = |name: &str| name.parse().unwrap();
    Mapping {
        metric: Source::Field(field("metric")),
        value: Source::Field(field("value")),
        dimensions: vec![
            ("Carrier".to_owned(), Source::Field(field("by.carrier"))),
            ("Env".to_owned(), Source::Fixed("prod".to_owned())),
        ],
        unit: Unit::Seconds,
        resolution: Resolution::Second,
        timestamp: None,
    }
}

fn timed() -> Mapping {
    Mapping { timestamp: Some("at".parse().unwrap()), ..mapping() }
}

fn line(value: &str, at: &str) -> String {
    format!(r#"{{"metric":"Delay","value":{value},"by":{{"carrier":"UA"}},"at":{at}}}"#)
}

fn now_millis() -> u64 {
    u64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap()
}

#[test]
fn fields_become_a_datum() {
    let before = i64::try_from(now_millis()).unwrap();
    let datum = mapping().convert(line("-1.5e3", "0").as_bytes()).unwrap();
    let metric = Metric::builder("Delay").dimension("Carrier", "UA").dimension("Env", "prod");
    let metric = metric.unit(Unit::Seconds).resolution(Resolution::Second).build().unwrap();
    assert_eq!((datum.metric(), datum.value()), (&metric, &MetricValue::Single(-1500.0)));
    assert!(datum.timestamp_millis() >= before, "without a field it is the time of reading");

    let fixed = Mapping {
        metric: Source::Fixed("Lines".to_owned()),
        value: Source::Fixed(1.0),
        dimensions: Vec::new(),
        ..mapping()
    };
    let datum = fixed.convert(b"[]").unwrap();
    assert_eq!((datum.metric().name(), datum.value()), ("Lines", &MetricValue::Single(1.0)));
}

#[test]
fn times_are_text_or_seconds_or_milliseconds() {
    // Whole seconds, within what CloudWatch takes.
    let seconds = now_millis() / 1000 - 3600;
    let millis = i64::try_from(seconds * 1000).unwrap();
    let utc = DateTime::from_secs(i64::try_from(seconds).unwrap()).fmt(Format::DateTime).unwrap();
    let east = i64::try_from(seconds + 5400).unwrap();
    let east = DateTime::from_secs(east).fmt(Format::DateTime).unwrap().replace('Z', "+01:30");
    let fraction = utc.replace('Z', ".250Z");
    for (at, expected) in [
        (format!("{seconds}"), millis),
        (format!("{seconds}.123"), millis + 123),
        (format!("{millis}"), millis),
        (format!("{millis}.4"), millis),
        (format!("\"{utc}\""), millis),
        (format!("\"{east}\""), millis),
        (format!("\"{fraction}\""), millis + 250),
    ] {
        let datum = timed().convert(line("1", &at).as_bytes()).unwrap();
        assert_eq!(datum.timestamp_millis(), expected, "{at}");
    }
}

#[test]
fn bad_lines_name_the_field_and_what_is_taken() {
    let good = r#""metric":"Delay","value":1,"by":{"carrier":"UA"}"#;
    for (line, kind, reason) in [
        ("{", BadKind::NotJson, "not JSON: EOF while parsing an object at column 1"),
        ("{}", BadKind::NoField, "the metric field `metric` is missing"),
        (
            r#"{"metric":null}"#,
            BadKind::NoField,
            "the metric field `metric` is null; a metric's name is text, a number or a boolean",
        ),
        (
            r#"{"metric":"","value":1,"by":{"carrier":"UA"}}"#,
            BadKind::BadMetric,
            "the metric field `metric`: the metric's name is empty; CloudWatch takes 1 to 255",
        ),
        (
            r#"{"metric":"Delay","value":1}"#,
            BadKind::NoField,
            "the dimension field `by.carrier` is missing",
        ),
        (
            r#"{"metric":"Delay","value":1,"by":{"carrier":"ü"}}"#,
            BadKind::BadMetric,
            "the dimension field `by.carrier`: the value `ü` of the dimension `Carrier` of the \
             metric `Delay` has the character 'ü'; CloudWatch takes ASCII",
        ),
        (
            r#"{"metric":"Delay","by":{"carrier":"UA"}}"#,
            BadKind::NoField,
            "the value field `value` is missing",
        ),
        (
            r#"{"metric":"Delay","value":null,"by":{"carrier":"UA"}}"#,
            BadKind::NoField,
            "the value field `value` is null; a value is a number",
        ),
        (
            r#"{"metric":"Delay","value":"12","by":{"carrier":"UA"}}"#,
            BadKind::BadValue,
            "the value field `value` is `12`; a value is a number",
        ),
        (
            r#"{"metric":"Delay","value":1e400,"by":{"carrier":"UA"}}"#,
            BadKind::BadValue,
            "the value field `value`: a datum of the metric `Delay` has the value inf; CloudWatch \
             takes numbers from -2^360 to 2^360",
        ),
        (&format!("{{{good}}}"), BadKind::NoField, "the timestamp field `at` is missing"),
        (
            &format!(r#"{{{good},"at":{{}}}}"#),
            BadKind::NoField,
            "the timestamp field `at` is an object; write RFC 3339 text (2026-11-21T13:00:00Z), or \
             a number of seconds or milliseconds since 1970",
        ),
        (
            &format!(r#"{{{good},"at":"2026-11-21"}}"#),
            BadKind::BadTimestamp,
            "the timestamp field `at` is `2026-11-21`; write RFC 3339 text",
        ),
        (
            &format!(r#"{{{good},"at":true}}"#),
            BadKind::BadTimestamp,
            "the timestamp field `at` is `true`; write RFC 3339 text",
        ),
        (
            &format!(r#"{{{good},"at":"2013-01-01T10:00:00Z"}}"#),
            BadKind::BadTimestamp,
            "the timestamp field `at`: a datum of the metric `Delay` has a timestamp ",
        ),
        (
            &format!(r#"{{{good},"at":-1e300}}"#),
            BadKind::BadTimestamp,
            "the timestamp field `at`: a datum of the metric `Delay` has a timestamp ",
        ),
        (
            &format!(r#"{{{good},"at":0}}"#),
            BadKind::BadTimestamp,
            "the timestamp field `at`: a datum of the metric `Delay` has a timestamp ",
        ),
    ] {
        let problem = timed().convert(line.as_bytes()).unwrap_err();
        assert_eq!(problem.kind, kind, "{line}: {problem:?}");
        assert!(problem.reason.starts_with(reason), "{line}: {}", problem.reason);
    }
}

#[test]
fn what_is_wrong_with_every_line_is_said_at_once() {
    mapping().check().unwrap();
    let fixed = |text: &str| Source::Fixed(text.to_owned());
    let named = |name: &str, value: &str| vec![(name.to_owned(), fixed(value))];
    for (bad, expected) in [
        (Mapping { metric: fixed(""), ..mapping() }, "the metric's name is empty"),
        (Mapping { dimensions: named(":Env", "x"), ..mapping() }, "`:Env`"),
        (Mapping { dimensions: named("Env", ""), ..mapping() }, "the value `` of the dimension"),
        (
            Mapping { dimensions: [named("Env", "a"), mapping().dimensions].concat(), ..mapping() },
            "the dimension `Env` of the metric `any` is there twice",
        ),
        (Mapping { value: Source::Fixed(f64::NAN), ..mapping() }, "has the value NaN"),
    ] {
        let error = bad.check().unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

/// Right and wrong times.
const LIKE_RFC_3339: &str = concat!(
    "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,12})?",
    "(Z|z|[+-][0-9]{2}:[0-9]{2})"
);

proptest! {
    #[test]
    fn any_json_is_a_datum_or_a_bad_line_that_names_a_field(
        value in any::<f64>(),
        carrier in ".{0,3}",
        at in prop_oneof![
            any::<f64>().prop_map(serde_json::Value::from),
            ".{0,30}".prop_map(serde_json::Value::from),
            LIKE_RFC_3339.prop_map(serde_json::Value::from),
        ],
    ) {
        let line = serde_json::json!({
            "metric": "Delay", "value": value, "by": { "carrier": carrier }, "at": at,
        });
        if let Err(problem) = timed().convert(line.to_string().as_bytes()) {
            prop_assert!(problem.reason.contains(" field `"), "{}", problem.reason);
        }
    }
}
