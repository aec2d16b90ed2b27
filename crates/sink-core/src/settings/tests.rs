use super::*;

const KINESIS: Limits = Limits {
    max_batch_size: 500,
    max_batch_size_in_bytes: 10 << 20,
    max_record_size_in_bytes: 10 << 20,
};
const DEFAULTS: Limits = Limits {
    max_batch_size: 500,
    max_batch_size_in_bytes: 5 << 20,
    max_record_size_in_bytes: 1 << 20,
};

fn problems_of(settings: &Settings) -> String {
    let error = settings.resolve(&KINESIS, &DEFAULTS).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    error.message().to_owned()
}

#[test]
fn defaults_are_the_connectors_where_it_has_one() {
    let config = Settings::default().resolve(&KINESIS, &DEFAULTS).unwrap();
    assert_eq!(config.max_batch_size, 500);
    assert_eq!(config.max_batch_size_in_bytes, 5 << 20);
    assert_eq!(config.max_record_size_in_bytes, 1 << 20);
    assert_eq!(config.max_in_flight_requests, 50);
    assert_eq!(config.max_buffered_requests, 10_000 + 500 * 50);
    assert_eq!(config.max_buffered_bytes, 64 << 20);
    assert_eq!(config.max_time_in_buffer, Duration::from_secs(5));
    assert_eq!(config.request_timeout, Duration::from_secs(60));
    assert_eq!(config.on_timeout, OnTimeout::Retry);
}

#[test]
fn one_wrong_setting_is_named_with_its_value_and_what_would_be_accepted() {
    let day = Duration::from_secs(24 * 60 * 60);
    let s = Settings::default;
    for (settings, expected) in [
        (Settings { max_batch_size: Some(0), ..s() }, "max_batch_size is 0: it must be at least 1"),
        (
            Settings { max_batch_size: Some(501), ..s() },
            "max_batch_size is 501: the service accepts at most 500",
        ),
        (
            Settings { max_batch_size_in_bytes: Some((10 << 20) + 1), ..s() },
            "max_batch_size_in_bytes is 10485761: the service accepts at most 10485760",
        ),
        (
            Settings {
                max_record_size_in_bytes: Some((10 << 20) + 1),
                max_batch_size_in_bytes: Some(10 << 20),
                ..s()
            },
            "max_record_size_in_bytes is 10485761: the service accepts at most 10485760; \
             max_record_size_in_bytes is 10485761, but max_batch_size_in_bytes is 10485760: a \
             request must hold the largest record",
        ),
        (
            Settings { max_in_flight_requests: Some(0), ..s() },
            "max_in_flight_requests is 0: it must be at least 1",
        ),
        (
            Settings { max_buffered_requests: Some(499), ..s() },
            "max_batch_size is 500, but max_buffered_requests is 499: the buffer must hold one \
             request",
        ),
        (
            Settings { max_buffered_bytes: Some(1000), ..s() },
            "max_batch_size_in_bytes is 5242880, but max_buffered_bytes is 1000: the buffer \
             must hold one request",
        ),
        (
            Settings { max_time_in_buffer: Some(Duration::ZERO), ..s() },
            "max_time_in_buffer is 0ns: it must be between 1 ms and 24 h",
        ),
        (
            Settings { request_timeout: Some(day + day), ..s() },
            "request_timeout is 172800s: it must be between 1 ms and 24 h",
        ),
        (
            Settings { retry_initial_delay: Some(Duration::from_secs(20)), ..s() },
            "retry_initial_delay is 20s, but retry_max_delay is 10s: the first delay must not \
             be longer than the longest",
        ),
    ] {
        assert_eq!(problems_of(&settings), expected);
    }
}

#[test]
fn all_that_is_wrong_is_reported_at_once() {
    let message = problems_of(&Settings {
        max_batch_size: Some(0),
        max_batch_size_in_bytes: Some(0),
        max_record_size_in_bytes: Some(0),
        max_in_flight_requests: Some(0),
        max_buffered_requests: Some(0),
        max_buffered_bytes: Some(0),
        max_time_in_buffer: Some(Duration::ZERO),
        request_timeout: Some(Duration::ZERO),
        retry_initial_delay: Some(Duration::ZERO),
        retry_max_delay: Some(Duration::ZERO),
        max_attempts: Some(0),
        max_age: Some(Duration::ZERO),
        ..Settings::default()
    });
    for setting in [
        "max_batch_size is 0",
        "max_batch_size_in_bytes is 0",
        "max_record_size_in_bytes is 0",
        "max_in_flight_requests is 0",
        "max_buffered_requests is 0",
        "max_buffered_bytes is 0",
        "max_time_in_buffer is 0ns",
        "request_timeout is 0ns",
        "retry_initial_delay is 0ns",
        "retry_max_delay is 0ns",
        "max_attempts is 0",
        "max_age is 0ns",
    ] {
        assert!(message.contains(setting), "{setting} is missing in: {message}");
    }
}

#[test]
fn a_smaller_request_makes_the_default_record_smaller_too() {
    let settings = Settings { max_batch_size_in_bytes: Some(1000), ..Settings::default() };
    let config = settings.resolve(&KINESIS, &DEFAULTS).unwrap();
    assert_eq!(config.max_record_size_in_bytes, 1000);
}

#[cfg(feature = "serde")]
#[test]
fn settings_are_configuration_data() {
    let settings: Settings = serde_json::from_str(
        r#"{"max_batch_size": 100, "max_time_in_buffer": "250ms", "on_timeout": "fail"}"#,
    )
    .unwrap();
    assert_eq!(settings.max_batch_size, Some(100));
    assert_eq!(settings.max_time_in_buffer, Some(Duration::from_millis(250)));
    assert_eq!(settings.on_timeout, Some(OnTimeout::Fail));
    let back: Settings = serde_json::from_str(&serde_json::to_string(&settings).unwrap()).unwrap();
    assert_eq!(back, settings);

    let error = serde_json::from_str::<Settings>(r#"{"max_time_in_buffer": "soon"}"#);
    assert!(error.unwrap_err().to_string().contains("`soon` is no duration"));
    let error = serde_json::from_str::<Settings>(r#"{"max_batchsize": 1}"#);
    assert!(error.unwrap_err().to_string().contains("unknown field `max_batchsize`"));
}
