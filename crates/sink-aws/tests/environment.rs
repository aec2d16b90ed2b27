//! What is found in the environment, each case in a process of its own: setting variables in this
//! one would be undefined behaviour.

#![allow(clippy::unwrap_used)] // clippy takes helpers of tests for no tests

mod support;

use std::{env, fs, process::Command, time::Duration};

use aws_sdk_kinesis::{Client, primitives::Blob, types::PutRecordsRequestEntry};
use sink_aws::{AwsConfig, Classifier};
use sink_core::Outcome;
use support::{Server, answer, stored};

const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "very-secret")];
const REGION: (&str, &str) = ("AWS_REGION", "eu-central-1");

/// Not a test: the other side of [`in_environment`].
#[tokio::test]
#[ignore = "the tests below run it"]
async fn child() {
    let aws: AwsConfig = serde_json::from_str(&env::var("TEST_AWS_CONFIG").unwrap()).unwrap();
    let config = match aws.load(Duration::from_secs(60)).await {
        Ok(config) => config,
        Err(error) => return println!("not loaded: {error}"),
    };
    let client = Client::new(&config);
    let debug = format!("{aws:?} {client:?}");
    assert!(!debug.contains("very-secret"), "{debug}");
    let record =
        PutRecordsRequestEntry::builder().data(Blob::new("x")).partition_key("k").build().unwrap();
    let call = client.put_records().stream_name("flights").records(record);
    match call.send().await {
        Ok(_) => println!("stored"),
        Err(error) => match Classifier::new("PutRecords", &[]).failed(error) {
            Outcome::Fatal(error) => println!("fatal: {error}"),
            Outcome::RetryAll(cause, reason) => println!("retried: {cause:?} {reason}"),
            other => println!("unexpected: {other:?}"),
        },
    }
}

/// What one call means under these variables and no others.
async fn in_environment(variables: &[(&str, &str)], aws: &str) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["child", "--exact", "--ignored", "--nocapture"])
        .env_clear()
        .env("TEST_AWS_CONFIG", aws)
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn static_keys_and_an_endpoint_are_enough() {
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KINESIS"] {
        let server = Server::start([stored()]).await;
        let variables = [KEYS[0], KEYS[1], REGION, (name, &server.url)];
        let output = in_environment(&variables, "{}").await;
        assert!(output.contains("stored"), "{output}");
        let request = server.requests().remove(0);
        assert!(request.contains("Credential=AKIDENV/"), "{request}");
        assert!(request.contains("/eu-central-1/kinesis/aws4_request"), "{request}");
        assert!(!request.contains("very-secret"), "{request}");
    }
}

#[tokio::test]
async fn the_configuration_wins_over_the_environment() {
    let server = Server::start([stored()]).await;
    let variables = [
        KEYS[0],
        KEYS[1],
        REGION,
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ENDPOINT_URL_KINESIS", "http://127.0.0.1:1"),
        ("AWS_MAX_ATTEMPTS", "5"),
    ];
    let aws = format!(r#"{{"region": "us-west-2", "endpoint_url": "{}"}}"#, server.url);
    let output = in_environment(&variables, &aws).await;
    assert!(output.contains("stored"), "{output}");
    assert!(server.requests()[0].contains("/us-west-2/kinesis/"), "{:?}", server.requests());
}

#[tokio::test]
async fn the_environment_cannot_switch_the_sdks_retries_on() {
    let server = Server::start([answer(500, &[], "")]).await;
    let variables = [
        KEYS[0],
        KEYS[1],
        REGION,
        ("AWS_ENDPOINT_URL", &server.url),
        ("AWS_MAX_ATTEMPTS", "5"),
        ("AWS_RETRY_MODE", "adaptive"),
    ];
    let output = in_environment(&variables, "{}").await;
    assert!(output.contains("retried: Unavailable HTTP 500"), "{output}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_missing_region_is_found_before_the_first_request() {
    let output = in_environment(&KEYS, "{}").await;
    let expected = "not loaded: AWS configuration: no AWS region is set: pass --region, set \
                    AWS_REGION, or add `region` to the profile\n";
    assert!(output.contains(expected), "{output}");
}

#[tokio::test]
async fn an_endpoint_in_the_environment_is_checked_too() {
    let variables = [KEYS[0], KEYS[1], REGION, ("AWS_ENDPOINT_URL", "localhost:4566")];
    let output = in_environment(&variables, "{}").await;
    assert!(
        output.contains("AWS_ENDPOINT_URL or the profile: endpoint_url is `localhost:4566`"),
        "{output}"
    );
}

#[tokio::test]
async fn missing_credentials_say_what_to_set() {
    let variables = [REGION, ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")];
    let output = in_environment(&variables, "{}").await;
    assert!(output.contains("fatal: PutRecords: no AWS credentials were found: set"), "{output}");
}

#[tokio::test]
async fn a_profile_brings_region_and_credentials() {
    let folder = env::temp_dir().join(format!("sink-aws-test-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("config");
    fs::write(
        &file,
        "[profile prod]\nregion = eu-west-1\naws_access_key_id = AKIDPROFILE\n\
         aws_secret_access_key = very-secret\n",
    )
    .unwrap();
    let server = Server::start([stored()]).await;
    let variables =
        [("AWS_CONFIG_FILE", file.to_str().unwrap()), ("AWS_ENDPOINT_URL", &*server.url)];
    let output = in_environment(&variables, r#"{"profile": "prod"}"#).await;
    assert!(output.contains("stored"), "{output}");
    let request = server.requests().remove(0);
    assert!(request.contains("Credential=AKIDPROFILE/"), "{request}");
    assert!(request.contains("/eu-west-1/kinesis/"), "{request}");

    let output = in_environment(&variables, r#"{"profile": "pord", "region": "eu-west-1"}"#).await;
    assert!(
        output.contains(
            "not loaded: AWS configuration: the profile `pord` is neither in ~/.aws/config nor in \
             ~/.aws/credentials; these are: prod"
        ),
        "{output}"
    );
    fs::remove_dir_all(&folder).unwrap();
}

const ROLE: &str = r#""assume_role": {"role_arn": "arn:aws:iam::123456789012:role/writer",
    "external_id": "ticket-7"}"#;

#[tokio::test]
async fn a_role_is_taken_on_at_sts_and_not_at_the_services_endpoint() {
    let kinesis = Server::start([stored()]).await;
    let sts = Server::start([answer(
        200,
        &[("content-type", "text/xml")],
        r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
          <AssumeRoleResult>
            <AssumedRoleUser>
              <Arn>arn:aws:sts::123456789012:assumed-role/writer/sink</Arn>
              <AssumedRoleId>AROA:sink</AssumedRoleId>
            </AssumedRoleUser>
            <Credentials>
              <AccessKeyId>AKIDROLE</AccessKeyId>
              <SecretAccessKey>other-secret</SecretAccessKey>
              <SessionToken>token</SessionToken>
              <Expiration>2999-01-01T00:00:00Z</Expiration>
            </Credentials>
          </AssumeRoleResult>
        </AssumeRoleResponse>"#,
    )])
    .await;
    let variables = [KEYS[0], KEYS[1], REGION, ("AWS_ENDPOINT_URL_STS", &sts.url)];
    let aws = format!(r#"{{"endpoint_url": "{}", {ROLE}}}"#, kinesis.url);
    let output = in_environment(&variables, &aws).await;
    assert!(output.contains("stored"), "{output}");
    let request = sts.requests().remove(0);
    assert!(request.contains("Credential=AKIDENV/"), "{request}");
    assert!(request.contains("RoleSessionName=sink"), "{request}");
    assert!(request.contains("ExternalId=ticket-7"), "{request}");
    let request = kinesis.requests().remove(0);
    assert!(request.contains("Credential=AKIDROLE/"), "{request}");
}

#[tokio::test]
async fn a_role_that_may_not_be_taken_on_is_told_with_stss_own_words() {
    let sts = Server::start([answer(
        403,
        &[("content-type", "text/xml")],
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
         <Message>User alice may not call sts:AssumeRole</Message></Error></ErrorResponse>",
    )])
    .await;
    let variables = [KEYS[0], KEYS[1], REGION, ("AWS_ENDPOINT_URL_STS", &sts.url)];
    let aws = format!(r#"{{"endpoint_url": "http://127.0.0.1:1", {ROLE}}}"#);
    let output = in_environment(&variables, &aws).await;
    assert!(output.contains("retried: Unavailable Credentials: "), "{output}");
    assert!(output.contains("User alice may not call sts:AssumeRole"), "{output}");
}
