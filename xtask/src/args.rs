//! The command line.

use std::path::PathBuf;

use crate::bench;
use crate::new_connector::Request;

/// What `cargo xtask --help` prints.
pub(crate) const HELP: &str = "\
The workspace's chores. Nothing but the Rust toolchain has to be there beforehand; LocalStack is
fetched when a chore needs it.

USAGE
    cargo xtask <command>

COMMANDS
    test [-- <args>]
        Runs every test of the workspace: unit, property, simulation, integration and doc tests,
        the integration tests against LocalStack. Starts LocalStack if need be and stops what it
        started, also after a failure, Ctrl-C or a kill. Prints how long each step took, and exits
        with cargo's exit code.
        With <args> it runs `cargo test --locked <args>` alone, in the same environment:
            cargo xtask test -- -p integration-tests
            cargo xtask test -- -p integration-tests --test kinesis partial -- --nocapture

    demo [--release] [<args>]
        Builds the program `sink` and the demonstration, and runs the demonstration with the path
        of `sink` and <args>. Needs no LocalStack and no network.

    bench [--runs 5] [--only <word>] [--out <folder>] [--flink <folder>]
        Builds the benchmarks, runs them so many times in turn, checks every record, and writes
        docs/benchmarks.md with its charts. Takes half an hour, twice that on a busy machine, whose
        figures say little; needs Linux.
        --only <word>     what has this in its name; the page goes to target/benchmarks
        --out <folder>    gets benchmarks.md, and benchmarks/ with charts and runs.ndjson
        --flink <folder>  has a bash script run.sh that runs Flink's AsyncSinkWriter, for the same
                          workloads in turn with ours. It is called as
                              bash run.sh noop size=100 records=40_000_000 runs=1
                          and prints one line of JSON for the measured run, with \"ok\": true if each
                          record was accepted once. benchmarks/src/speed/flink.rs has all names.

    localstack start | stop | status
        Keeps one LocalStack up between test runs, which `test` then uses and leaves alone.

    new-connector <name> [--plain] [--into <folder>]
        Makes crates/sink-<name>: a copy of crates/sink-firehose under this name, in the workspace,
        that compiles and passes the conformance suite; its TODOs say what to put in. <name> is 1
        to 30 lower-case letters, digits and hyphens, such as event-bus, and no crate's yet.
        Nothing is overwritten; where it fails, nothing is changed.
        --plain          for what is not AWS: copies examples/key-value, which needs only sink-core
        --into <folder>  makes a workspace of its own in this new or empty folder instead
        docs/new-connector.md is the guide to it.

    help, --help, -h
        Prints this.

WHICH LOCALSTACK
    1. AWS_ENDPOINT_URL, if it is set. Nothing is started; if no LocalStack answers there, it fails.
    2. The one of `cargo xtask localstack start`, if it is up.
    3. Docker, if an engine answers: docker-compose.yml, image localstack/localstack.
    4. Else the same version on this machine, from PyPI and npm (Linux; needs Python 3.11 or newer).
       The first time installs 300 MB under target/localstack, in about 40 s.

ENVIRONMENT
    AWS_ENDPOINT_URL    use the LocalStack that is there, for example http://127.0.0.1:4566
    SINK_LOCALSTACK     docker or host: take this one of 3 and 4
    LS_PORT             port on 127.0.0.1 for 3 and 4 (4566)
    LS_PYTHON           the Python that 4 is installed with (python3)

    The tests see AWS_ENDPOINT_URL, AWS_REGION=us-east-1, the credentials test/test and
    SINK_INTEGRATION=localstack, and no other AWS_* setting and no proxy of yours.
";

/// One chore.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Test { cargo_args: Vec<String> },
    Demo { release: bool, args: Vec<String> },
    LocalStack(Action),
    Bench(bench::Request),
    NewConnector(Request),
}

/// What to do with the LocalStack that is kept up between runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Start,
    Stop,
    Status,
}

/// Reads the words after `cargo xtask`; the error says what is wrong with them.
pub(crate) fn parse(words: &[String]) -> Result<Command, String> {
    let Some((command, rest)) = words.split_first() else {
        return Ok(Command::Help);
    };
    let before_dashes = rest.iter().take_while(|word| *word != "--");
    if before_dashes.clone().any(|word| is_help(word)) {
        return Ok(Command::Help);
    }
    match command.as_str() {
        word if is_help(word) => Ok(Command::Help),
        "test" => match rest.split_first() {
            None => Ok(Command::Test { cargo_args: Vec::new() }),
            Some((dashes, args)) if dashes == "--" => {
                Ok(Command::Test { cargo_args: args.to_vec() })
            }
            Some((word, _)) => Err(format!("`test` does not take `{word}`; put it after `--`")),
        },
        "demo" => {
            let (release, rest) = match rest.split_first() {
                Some((flag, rest)) if flag == "--release" => (true, rest),
                _ => (false, rest),
            };
            let args = match rest.split_first() {
                Some((dashes, args)) if dashes == "--" => args,
                _ => rest,
            };
            Ok(Command::Demo { release, args: args.to_vec() })
        }
        "localstack" => match rest {
            [action] => match action.as_str() {
                "start" => Ok(Command::LocalStack(Action::Start)),
                "stop" => Ok(Command::LocalStack(Action::Stop)),
                "status" => Ok(Command::LocalStack(Action::Status)),
                other => Err(format!("`localstack` can start, stop and status, not `{other}`")),
            },
            _ => Err("`localstack` takes one of start, stop, status".to_owned()),
        },
        "bench" => benchmarks(rest).map(Command::Bench),
        "new-connector" => new_connector(rest).map(Command::NewConnector),
        other => Err(format!("there is no command `{other}`")),
    }
}

fn new_connector(words: &[String]) -> Result<Request, String> {
    let (mut name, mut plain, mut into) = (None, false, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--plain" => plain = true,
            "--into" => match words.next() {
                Some(folder) => into = Some(PathBuf::from(folder)),
                None => return Err("`--into` takes a folder".to_owned()),
            },
            flag if flag.starts_with("--") => {
                return Err(format!("`new-connector` takes --plain and --into, not `{flag}`"));
            }
            word if name.is_none() => name = Some(word.to_owned()),
            word => return Err(format!("`new-connector` takes one name: what is `{word}`?")),
        }
    }
    let name = name.ok_or("`new-connector` takes a name, such as `event-bus`")?;
    Ok(Request { name, plain, into })
}

fn benchmarks(words: &[String]) -> Result<bench::Request, String> {
    let mut request = bench::Request { runs: 5, only: None, out: None, flink: None };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if !["--runs", "--only", "--out", "--flink"].contains(&word.as_str()) {
            return Err(format!("`bench` takes --runs, --only, --out and --flink, not `{word}`"));
        }
        let value = words.next().ok_or_else(|| format!("`{word}` takes a value"))?;
        match word.as_str() {
            "--runs" => {
                let number = value.parse().ok().filter(|number| *number > 0);
                request.runs =
                    number.ok_or_else(|| format!("`--runs` is a number from 1, not `{value}`"))?;
            }
            "--only" => request.only = Some(value.clone()),
            "--out" => request.out = Some(value.into()),
            _ => request.flink = Some(value.into()),
        }
    }
    Ok(request)
}

fn is_help(word: &str) -> bool {
    matches!(word, "help" | "--help" | "-h")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        parse(&words)
    }

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn nothing_and_help_in_any_place_ask_for_help() {
        for line in ["", "help", "--help", "-h", "test --help", "demo -h", "localstack --help"] {
            assert_eq!(parsed(line), Ok(Command::Help), "{line:?}");
        }
    }

    #[test]
    fn what_follows_the_dashes_goes_to_cargo_untouched() {
        assert_eq!(parsed("test"), Ok(Command::Test { cargo_args: vec![] }));
        assert_eq!(parsed("test --"), Ok(Command::Test { cargo_args: vec![] }));
        assert_eq!(
            parsed("test -- -p integration-tests partial -- --nocapture --help"),
            Ok(Command::Test {
                cargo_args: owned(&[
                    "-p",
                    "integration-tests",
                    "partial",
                    "--",
                    "--nocapture",
                    "--help"
                ])
            })
        );
    }

    #[test]
    fn test_without_dashes_says_where_they_go() {
        let wrong = parsed("test kinesis").unwrap_err();
        assert!(wrong.contains("`kinesis`") && wrong.contains("after `--`"), "{wrong}");
    }

    #[test]
    fn demo_takes_a_profile_and_passes_the_rest_on() {
        assert_eq!(parsed("demo"), Ok(Command::Demo { release: false, args: vec![] }));
        assert_eq!(
            parsed("demo --release --events 10"),
            Ok(Command::Demo { release: true, args: owned(&["--events", "10"]) })
        );
        assert_eq!(
            parsed("demo -- --release"),
            Ok(Command::Demo { release: false, args: owned(&["--release"]) })
        );
    }

    #[test]
    fn localstack_takes_exactly_one_action() {
        assert_eq!(parsed("localstack start"), Ok(Command::LocalStack(Action::Start)));
        assert_eq!(parsed("localstack stop"), Ok(Command::LocalStack(Action::Stop)));
        assert_eq!(parsed("localstack status"), Ok(Command::LocalStack(Action::Status)));
        assert!(parsed("localstack").is_err());
        assert!(parsed("localstack start now").is_err());
        assert!(parsed("localstack restart").unwrap_err().contains("`restart`"));
    }

    #[test]
    fn a_new_connector_has_one_name_and_may_be_plain_and_elsewhere() {
        let request = |name: &str, plain, into: Option<&str>| {
            let (name, into) = (name.to_owned(), into.map(PathBuf::from));
            Ok(Command::NewConnector(Request { name, plain, into }))
        };
        assert_eq!(parsed("new-connector redis"), request("redis", false, None));
        assert_eq!(parsed("new-connector --plain redis"), request("redis", true, None));
        assert_eq!(
            parsed("new-connector redis --into ../x"),
            request("redis", false, Some("../x"))
        );
        for (line, expected) in [
            ("new-connector", "takes a name"),
            ("new-connector --plain", "takes a name"),
            ("new-connector redis kafka", "`kafka`"),
            ("new-connector redis --from x", "`--from`"),
            ("new-connector redis --into", "takes a folder"),
        ] {
            let wrong = parsed(line).unwrap_err();
            assert!(wrong.contains(expected), "{line}: {wrong}");
        }
    }

    #[test]
    fn bench_runs_five_times_and_takes_four_options() {
        let all = bench::Request { runs: 5, only: None, out: None, flink: None };
        assert_eq!(parsed("bench"), Ok(Command::Bench(all)));
        let (only, out, flink) = (Some("noop".into()), Some("x".into()), Some("y".into()));
        let some = bench::Request { runs: 2, only, out, flink };
        let line = "bench --runs 2 --only noop --out x --flink y";
        assert_eq!(parsed(line), Ok(Command::Bench(some)));
        for (line, expected) in [
            ("bench --runs 0", "`0`"),
            ("bench --runs", "`--runs` takes a value"),
            ("bench noop", "not `noop`"),
            ("bench --onyl noop", "not `--onyl`"),
        ] {
            let wrong = parsed(line).unwrap_err();
            assert!(wrong.contains(expected), "{line}: {wrong}");
        }
    }

    #[test]
    fn an_unknown_command_is_named() {
        assert!(parsed("tset").unwrap_err().contains("`tset`"));
    }
}
