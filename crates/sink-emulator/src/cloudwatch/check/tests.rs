use super::*;
use crate::cloudwatch::shapes::Moment;

const NOW: i64 = 1_800_000_000_000;

fn number(value: f64) -> Option<Number> {
    Some(Number(value))
}

/// A good one.
fn plain() -> MetricDatum {
    MetricDatum {
        metric_name: Some("latency".to_owned()),
        value: number(1.0),
        ..MetricDatum::default()
    }
}

fn dimension(name: &str, value: &str) -> Dimension {
    Dimension { name: Some(name.to_owned()), value: Some(value.to_owned()) }
}

fn with_dimensions(dimensions: Vec<Dimension>) -> MetricDatum {
    MetricDatum { dimensions: Some(dimensions), ..plain() }
}

fn with_values(values: Vec<f64>, counts: Option<Vec<f64>>) -> MetricDatum {
    let numbers = |numbers: Vec<f64>| numbers.into_iter().map(Number).collect();
    let (values, counts) = (Some(numbers(values)), counts.map(numbers));
    MetricDatum { value: None, values, counts, ..plain() }
}

fn with_statistics(statistics: StatisticValues) -> MetricDatum {
    MetricDatum { value: None, statistic_values: Some(statistics), ..plain() }
}

fn statistics(sample_count: f64) -> StatisticValues {
    StatisticValues {
        sample_count: number(sample_count),
        sum: number(6.0),
        minimum: number(1.0),
        maximum: number(3.0),
    }
}

fn put(data: Vec<MetricDatum>) -> PutMetricData {
    let namespace = Some("app".to_owned());
    PutMetricData { namespace, metric_data: Some(data), entity_metric_data: None }
}

fn taken(datum: MetricDatum) -> Datum {
    let input = put(vec![datum]);
    request(input, &CloudWatchLimits::default(), NOW).unwrap().1.remove(0)
}

fn refused(input: PutMetricData) -> (String, String) {
    let error = request(input, &CloudWatchLimits::default(), NOW).unwrap_err();
    assert_eq!(error.status.as_u16(), 400);
    (error.code, error.message)
}

#[track_caller]
fn assert_refused(datum: MetricDatum, code: &str, message: &str) {
    let expected = (code.to_owned(), message.replace('@', "MetricData.member.1"));
    assert_eq!(refused(put(vec![datum])), expected);
}

#[track_caller]
fn assert_invalid(datum: MetricDatum, message: &str) {
    assert_refused(datum, "InvalidParameterValue", message);
}

#[test]
fn what_is_not_said_has_the_services_default() {
    let datum = taken(plain());
    assert_eq!((datum.metric_name.as_str(), datum.unit.as_str()), ("latency", "None"));
    assert_eq!((datum.storage_resolution, datum.timestamp), (60, NOW));
    assert_eq!((datum.dimensions, datum.value), (vec![], DatumValue::Single(1.0)));
    let value = taken(with_values(vec![5.0, 7.0], None)).value;
    assert_eq!(value, DatumValue::Values { values: vec![5.0, 7.0], counts: vec![1.0, 1.0] });
}

#[test]
fn a_metric_name_has_1_to_255_characters() {
    let named = |name: Option<String>| MetricDatum { metric_name: name, ..plain() };
    for name in ["n".to_owned(), "n".repeat(255), "ü".repeat(255)] {
        assert_eq!(taken(named(Some(name.clone()))).metric_name, name);
    }
    assert_refused(named(None), "MissingParameter", "The parameter @.MetricName is required.");
    let long = "The parameter @.MetricName must be shorter than 256 characters.";
    assert_invalid(named(Some("n".repeat(256))), long);
    let empty = "The parameter @.MetricName must be longer than 0 characters.";
    assert_invalid(named(Some(String::new())), empty);
}

#[test]
fn a_namespace_has_1_to_255_printable_characters_and_is_not_the_services_own() {
    let of = |namespace: &str| PutMetricData {
        namespace: Some(namespace.to_owned()),
        ..put(vec![plain()])
    };
    for name in ["n", &"n".repeat(255), "AWSome", "a:b", "my app/1"] {
        let taken = request(of(name), &CloudWatchLimits::default(), NOW).unwrap();
        assert_eq!(taken.0, name);
    }
    for name in ["", &"n".repeat(256), "AWS/", "AWS/EC2", ":n", "ü", "a\tb"] {
        let (code, message) = refused(of(name));
        assert_eq!(code, "InvalidParameterValue", "{name}");
        assert!(message.contains("parameter Namespace"), "{message}");
    }
    assert_eq!(refused(of("AWS/EC2")).1, "The value AWS/EC2 for parameter Namespace is invalid.");
    let none = refused(PutMetricData { namespace: None, ..put(vec![plain()]) });
    assert_eq!(none.0, "MissingParameter");
}

#[test]
fn there_are_up_to_30_dimensions_with_names_of_their_own() {
    let many =
        |count: usize| (0..count).map(|n| dimension(&format!("d{n}"), "v")).collect::<Vec<_>>();
    assert_eq!(taken(with_dimensions(many(30))).dimensions.len(), 30);
    let size = "The collection @.Dimensions must not have a size greater than 30.";
    assert_invalid(with_dimensions(many(31)), size);
    let twice = "No metric may specify the same dimension name twice.";
    assert_invalid(with_dimensions(vec![dimension("d", "1"), dimension("d", "2")]), twice);

    let long = with_dimensions(vec![dimension(&"n".repeat(255), &"v".repeat(1024))]);
    assert_eq!(taken(long).dimensions, [("n".repeat(255), "v".repeat(1024))]);
    let one = |name: &str, value: &str| with_dimensions(vec![dimension(name, value)]);
    for (name, value, message) in [
        (&*"n".repeat(256), "v", "The parameter @.Name must be shorter than 256 characters."),
        ("n", &*"v".repeat(1025), "The parameter @.Value must be shorter than 1025 characters."),
        ("", "v", "The parameter @.Name must be longer than 0 characters."),
        ("n", "", "The parameter @.Value must be longer than 0 characters."),
        (":n", "v", "The value :n for parameter @.Name is invalid."),
        ("ü", "v", "The value ü for parameter @.Name is invalid."),
        ("n", "ü", "The value ü for parameter @.Value is invalid."),
        ("n", "\x07", "The value \x07 for parameter @.Value is invalid."),
        ("n", " ", "The value   for parameter @.Value is invalid."),
    ] {
        assert_invalid(one(name, value), &message.replace('@', "@.Dimensions.member.1"));
    }
    let no_value = Dimension { name: Some("n".to_owned()), value: None };
    let message = "The parameter @.Dimensions.member.1.Value is required.";
    assert_refused(with_dimensions(vec![no_value]), "MissingParameter", message);
}

#[test]
fn a_value_is_finite_and_within_2_to_the_360() {
    let most = 2_f64.powi(360);
    for value in [0.0, -0.0, most, -most, f64::MIN_POSITIVE] {
        let value = MetricDatum { value: number(value), ..plain() };
        assert!(matches!(taken(value).value, DatumValue::Single(_)));
    }
    for value in [most.next_up(), -most.next_up(), f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let invalid = |member| format!("The value {value} for parameter @.{member} is invalid.");
        assert_invalid(MetricDatum { value: number(value), ..plain() }, &invalid("Value"));
        let values = with_values(vec![1.0, value], None);
        assert_invalid(values, &invalid("Values.member.2"));
        let counts = with_values(vec![1.0], Some(vec![value]));
        assert_invalid(counts, &invalid("Counts.member.1"));
        let sum = StatisticValues { sum: number(value), ..statistics(3.0) };
        assert_invalid(with_statistics(sum), &invalid("StatisticValues.Sum"));
    }
}

#[test]
fn there_are_up_to_150_values_and_as_many_counts() {
    let values = |count: u8| (0..count).map(f64::from).collect::<Vec<_>>();
    let full = taken(with_values(values(150), Some(values(150)))).value;
    assert_eq!(full, DatumValue::Values { values: values(150), counts: values(150) });
    let size = "The collection @.Values must not have a size greater than 150.";
    assert_invalid(with_values(values(151), None), size);
    let sizes = "The parameters @.Values and @.Counts must have the same size.";
    for counts in [0, 1, 3] {
        assert_invalid(with_values(values(2), Some(values(counts))), sizes);
    }
    let negative = with_values(values(2), Some(vec![1.0, -1.0]));
    assert_invalid(negative, "The value -1 for parameter @.Counts.member.2 is invalid.");
    let none = with_values(vec![], None);
    assert_refused(none, "MissingParameter", "The parameter @.Values is required.");
}

#[test]
fn a_statistic_set_is_whole() {
    let whole = taken(with_statistics(statistics(3.0))).value;
    assert_eq!(whole, DatumValue::Statistics(StatisticSet::new(3.0, 6.0, 1.0, 3.0)));
    for (name, without) in [
        ("SampleCount", StatisticValues { sample_count: None, ..statistics(3.0) }),
        ("Sum", StatisticValues { sum: None, ..statistics(3.0) }),
        ("Minimum", StatisticValues { minimum: None, ..statistics(3.0) }),
        ("Maximum", StatisticValues { maximum: None, ..statistics(3.0) }),
    ] {
        let message = format!("The parameter @.StatisticValues.{name} is required.");
        assert_refused(with_statistics(without), "MissingParameter", &message);
    }
    let message = "The value -1 for parameter @.StatisticValues.SampleCount is invalid.";
    assert_invalid(with_statistics(statistics(-1.0)), message);
}

#[test]
fn a_datum_has_exactly_one_of_value_values_and_statistics() {
    let code = "InvalidParameterCombination";
    let none = MetricDatum { value: None, ..plain() };
    let message = "At least one of the parameters @.Value, @.Values and @.StatisticValues must be \
                   specified.";
    assert_refused(none, code, message);
    let both = |one, other| {
        format!(
            "The parameters @.{one} and @.{other} are mutually exclusive and you have specified \
             both."
        )
    };
    let values = MetricDatum { value: number(1.0), ..with_values(vec![1.0], None) };
    assert_refused(values, code, &both("Value", "Values"));
    let set = MetricDatum { value: number(1.0), ..with_statistics(statistics(1.0)) };
    assert_refused(set, code, &both("Value", "StatisticValues"));
    let statistic_values = Some(statistics(1.0));
    let set = MetricDatum { statistic_values, ..with_values(vec![1.0], None) };
    assert_refused(set, code, &both("Values", "StatisticValues"));
}

#[test]
fn a_timestamp_is_from_two_weeks_ago_to_two_hours_ahead() {
    let at = |ms| MetricDatum { timestamp: Some(Moment(ms)), ..plain() };
    let (first, last) = (NOW - 14 * 24 * 3_600_000, NOW + 2 * 3_600_000);
    for ms in [first, NOW, last] {
        assert_eq!(taken(at(ms)).timestamp, ms);
    }
    let old = "The parameter @.Timestamp must specify a time within the past two weeks.";
    for ms in [first - 1, 0, i64::MIN] {
        assert_invalid(at(ms), old);
    }
    let ahead =
        "The parameter @.Timestamp must specify a time no more than two hours in the future.";
    for ms in [last + 1, i64::MAX] {
        assert_invalid(at(ms), ahead);
    }
}

#[test]
fn units_and_resolutions_are_those_of_the_model() {
    for unit in UNITS {
        assert_eq!(taken(MetricDatum { unit: Some(unit.to_owned()), ..plain() }).unit, unit);
    }
    let set = format!("The parameter @.Unit must be a value in the set [ {} ].", UNITS.join(", "));
    for unit in ["", "count", "Bytes/Minute"] {
        assert_invalid(MetricDatum { unit: Some(unit.to_owned()), ..plain() }, &set);
    }
    let every = |seconds| MetricDatum { storage_resolution: Some(seconds), ..plain() };
    assert_eq!([1, 60].map(|s| taken(every(s)).storage_resolution), [1, 60]);
    for seconds in [0, 2, 59, -1] {
        let set = "The parameter @.StorageResolution must be a value in the set [ 1, 60 ].";
        assert_invalid(every(seconds), set);
    }
}

#[test]
fn all_that_is_wrong_is_said_a_line_for_each_under_the_first_ones_code() {
    let bad = |value| MetricDatum { value: number(value), ..plain() };
    let nameless = MetricDatum { metric_name: None, ..plain() };
    let (code, message) = refused(put(vec![plain(), bad(f64::NAN), nameless, bad(f64::NAN)]));
    assert_eq!(code, "InvalidParameterValue");
    assert_eq!(
        message,
        "The value NaN for parameter MetricData.member.2.Value is invalid.\n\
         The value NaN for parameter MetricData.member.4.Value is invalid."
    );
}

#[test]
fn data_of_entities_count_and_are_checked_like_any() {
    use crate::cloudwatch::shapes::EntityMetricData;
    let with = |data: usize, of_entity: Vec<MetricDatum>| PutMetricData {
        entity_metric_data: Some(vec![EntityMetricData { metric_data: Some(of_entity) }]),
        ..put((0..data).map(|_| plain()).collect())
    };
    let limits = CloudWatchLimits::default();
    assert_eq!(request(with(999, vec![plain()]), &limits, NOW).unwrap().1.len(), 1000);
    let size = "The collection MetricData must not have a size greater than 1000.";
    assert_eq!(refused(with(1000, vec![plain()])).1, size);
    let bad = MetricDatum { value: number(f64::NAN), ..plain() };
    let parameter = "EntityMetricData.member.1.MetricData.member.2.Value";
    let message = format!("The value NaN for parameter {parameter} is invalid.");
    assert_eq!(refused(with(1, vec![plain(), bad])).1, message);
    assert_eq!(refused(put(vec![])).1, "The parameter MetricData is required.");
}
