//! `cargo xtask test`.

use crate::Failure;
use crate::localstack;
use crate::steps::{self, Steps};

/// Starts LocalStack if need be, runs the tests against it, and stops what it started.
pub(crate) fn run(cargo_args: &[String]) -> Result<(), Failure> {
    let mut steps = Steps::default();
    // One that the user names is looked for at once: nobody wants to hear after minutes of building
    // that it is not there.
    let is_named = std::env::var_os("AWS_ENDPOINT_URL").is_some_and(|url| !url.is_empty());
    let mut held = None;
    if is_named {
        held = steps.step("LocalStack up", || Ok(localstack::acquire()?));
        if held.is_none() {
            return steps.finish();
        }
    }
    // Else built first: a compile error is seen at once, and LocalStack does not idle meanwhile.
    let runs = test_runs(cargo_args);
    for run in runs.iter().filter(|run| !run.build.is_empty()) {
        let build = || steps::run(steps::cargo().args(&run.build));
        if steps.step("build the tests", build).is_none() {
            return steps.finish();
        }
    }
    if held.is_none() {
        held = steps.step("LocalStack up", || Ok(localstack::acquire()?));
    }
    if let Some(held) = held {
        for run in &runs {
            steps.step(run.name, || {
                let mut cargo = steps::cargo();
                cargo.args(&run.test);
                for (name, _) in std::env::vars_os() {
                    if is_foreign(&name.to_string_lossy()) {
                        cargo.env_remove(&name);
                    }
                }
                steps::run(cargo.envs(environment(held.endpoint())))
            });
        }
        if held.is_ours() {
            steps.step("LocalStack down", || Ok(held.stop()?));
        }
    }
    steps.finish()
}

/// One call of `cargo test`, and the call before it that only compiles, if there is one.
#[derive(Debug, PartialEq, Eq)]
struct TestRun {
    name: &'static str,
    build: Vec<String>,
    test: Vec<String>,
}

fn test_runs(cargo_args: &[String]) -> Vec<TestRun> {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    if cargo_args.is_empty() {
        // With the comparison with the bare SDK, which nothing else switches on.
        let all = "test --locked --workspace --features sink-benchmarks/aws --lib --bins --tests \
                   --examples";
        let docs = words("test --locked --workspace --doc --no-fail-fast");
        return vec![
            TestRun {
                name: "unit, property, simulation and integration tests",
                build: words(&format!("{all} --no-run")),
                test: words(&format!("{all} --no-fail-fast")),
            },
            TestRun { name: "doc tests", build: Vec::new(), test: docs },
        ];
    }
    let mut test = words("test --locked");
    // Without a package it is all of them: the default members leave the integration tests out.
    let for_cargo = cargo_args.iter().take_while(|word| *word != "--");
    let names_packages = |word: &String| {
        matches!(word.as_str(), "--workspace" | "--all" | "--package")
            || word.starts_with("--package=")
            || (word.starts_with("-p") && !word.starts_with("--"))
    };
    if !for_cargo.clone().any(names_packages) {
        test.push("--workspace".to_owned());
    }
    // Options and names are for both calls, what follows `--` is for the tests alone.
    let mut build = Vec::new();
    // Cargo cannot compile doc tests without running them.
    if !for_cargo.clone().any(|word| word == "--doc") {
        build.clone_from(&test);
        build.extend(for_cargo.cloned());
        build.push("--no-run".to_owned());
    }
    test.extend_from_slice(cargo_args);
    vec![TestRun { name: "cargo test", build, test }]
}

/// What the tests see. Credentials that LocalStack takes, and that are worth nothing elsewhere.
fn environment(endpoint: &str) -> [(&'static str, &str); 8] {
    [
        ("SINK_INTEGRATION", "localstack"),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        // Nobody's profiles, and no question to the cloud about whose machine this is.
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]
}

/// Settings of the user's that would change what the SDK does: its own, and the proxies, which it
/// would send calls to LocalStack through. (`AWS_LC_*` are build settings of a cryptography library.)
fn is_foreign(name: &str) -> bool {
    let proxies = ["http_proxy", "https_proxy", "all_proxy"];
    (name.starts_with("AWS_") && !name.starts_with("AWS_LC_"))
        || proxies.contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(line: &str) -> Vec<TestRun> {
        test_runs(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn without_arguments_everything_runs_doc_tests_too() {
        let runs = runs("");
        let lines: Vec<String> = runs.iter().map(|run| run.test.join(" ")).collect();
        assert_eq!(
            lines,
            [
                "test --locked --workspace --features sink-benchmarks/aws --lib --bins --tests \
                 --examples --no-fail-fast",
                "test --locked --workspace --doc --no-fail-fast",
            ]
        );
        assert_eq!(
            runs[0].build.join(" "),
            "test --locked --workspace --features sink-benchmarks/aws --lib --bins --tests \
             --examples --no-run"
        );
    }

    #[test]
    fn arguments_replace_the_selection() {
        let runs = runs("-p integration-tests --test kinesis partial -- --nocapture");
        assert_eq!(runs.len(), 1);
        assert_eq!(
            runs[0].test.join(" "),
            "test --locked -p integration-tests --test kinesis partial -- --nocapture"
        );
        assert_eq!(
            runs[0].build.join(" "),
            "test --locked -p integration-tests --test kinesis partial --no-run"
        );
    }

    #[test]
    fn doc_tests_alone_are_not_built_ahead() {
        assert!(runs("--doc -p sink-core")[0].build.is_empty());
    }

    #[test]
    fn without_a_package_arguments_select_from_the_whole_workspace() {
        assert_eq!(
            runs("partial -- -p")[0].test.join(" "),
            "test --locked --workspace partial -- -p"
        );
        for chosen in ["-p a", "-pa", "--package a", "--package=a", "--workspace --exclude a"] {
            assert_eq!(runs(chosen)[0].test.join(" "), format!("test --locked {chosen}"));
        }
    }

    #[test]
    fn the_tests_see_every_setting_of_the_environment_and_none_of_the_users() {
        let seen = environment("http://127.0.0.1:4566");
        for name in ["AWS_ENDPOINT_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "SINK_INTEGRATION"] {
            assert!(seen.iter().any(|(set, _)| *set == name), "{name}");
        }
        for foreign in ["AWS_PROFILE", "AWS_ENDPOINT_URL_KINESIS", "HTTP_PROXY", "all_proxy"] {
            assert!(is_foreign(foreign), "{foreign}");
        }
        for other in ["AWS_LC_SYS_CMAKE_BUILDER", "PATH", "CARGO_HOME"] {
            assert!(!is_foreign(other), "{other}");
        }
    }
}
