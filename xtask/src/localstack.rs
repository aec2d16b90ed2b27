//! Which LocalStack the tests use, and how it is started and stopped.
//!
//! What `cargo xtask test` starts must not outlive it. A program of the standard library alone
//! cannot catch Ctrl-C, so it does not try: a second process, the holder, starts LocalStack, prints
//! its address and waits for the end of its standard input, which is a pipe from here. However this
//! program ends, after its work, by Ctrl-C or killed, the system closes the pipe, and the holder
//! stops LocalStack. The holder has a process group of its own, so that Ctrl-C does not reach it.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::args::Action;
use crate::http::Address;
use crate::root;

const HOST_SCRIPT: &str = "integration-tests/localstack/host.sh";

/// The holder where Docker runs LocalStack; host.sh has one of its own.
const DOCKER_HOLD: &str = "
trap '' INT
trap 'docker compose down >&2' EXIT
docker compose up --detach --wait >&2 </dev/null
echo up
cat >/dev/null
";

/// How LocalStack runs, when it is ours to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Docker,
    Host,
}

/// Which LocalStack the tests use.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    /// The user's, at this address.
    Given(String),
    /// One that `cargo xtask localstack start` has left up.
    Running,
    /// One of our own, for this run.
    Start(Mode),
}

/// What the choice depends on. Asked one by one, in this order, and only as far as needed.
trait Facts {
    /// `AWS_ENDPOINT_URL`
    fn given(&self) -> Option<String>;
    /// `SINK_LOCALSTACK`
    fn wanted(&self) -> Option<String>;
    fn running(&self, mode: Mode) -> bool;
    fn engine(&self) -> bool;
    fn linux(&self) -> bool;
}

fn choose(facts: &impl Facts) -> Result<Choice, String> {
    if let Some(url) = facts.given().filter(|url| !url.is_empty()) {
        return Ok(Choice::Given(url));
    }
    let mode = mode(facts)?;
    Ok(if facts.running(mode) { Choice::Running } else { Choice::Start(mode) })
}

fn mode(facts: &impl Facts) -> Result<Mode, String> {
    match facts.wanted().filter(|wanted| !wanted.is_empty()).as_deref() {
        Some("docker") => Ok(Mode::Docker),
        Some("host") => Ok(Mode::Host),
        Some(other) => Err(format!("SINK_LOCALSTACK is `{other}`; it can be docker or host")),
        // One that is up on the host is used, whether or not an engine answers by now.
        None if facts.linux() && facts.running(Mode::Host) => Ok(Mode::Host),
        None if facts.engine() => Ok(Mode::Docker),
        None if facts.linux() => Ok(Mode::Host),
        None => Err("no Docker engine answers, and without one LocalStack runs on Linux only; \
                     start Docker, or set AWS_ENDPOINT_URL to a LocalStack"
            .to_owned()),
    }
}

/// The machine as it is.
struct Machine;

impl Facts for Machine {
    fn given(&self) -> Option<String> {
        std::env::var("AWS_ENDPOINT_URL").ok()
    }
    fn wanted(&self) -> Option<String> {
        std::env::var("SINK_LOCALSTACK").ok()
    }
    fn running(&self, mode: Mode) -> bool {
        match mode {
            Mode::Docker => {
                let mut ps = Command::new("docker");
                ps.args(["compose", "ps", "--quiet", "--status", "running"]).current_dir(root());
                ps.output().is_ok_and(|out| out.status.success() && !out.stdout.is_empty())
            }
            Mode::Host => host("status").is_ok_and(|mut status| quietly(&mut status)),
        }
    }
    fn engine(&self) -> bool {
        quietly(Command::new("docker").arg("info")) && quietly(&mut docker(&["version"]))
    }
    fn linux(&self) -> bool {
        cfg!(target_os = "linux")
    }
}

fn quietly(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A LocalStack that answers. Stops when this is dropped, if it was started for it.
#[derive(Debug)]
pub(crate) struct Held {
    endpoint: String,
    holder: Option<Holder>,
}

impl Held {
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.holder.is_some()
    }

    pub(crate) fn stop(mut self) -> Result<(), String> {
        self.holder.take().map_or(Ok(()), |mut holder| holder.stop())
    }
}

/// Finds or starts the LocalStack to use, and checks that it answers.
pub(crate) fn acquire() -> Result<Held, String> {
    let choice = choose(&Machine)?;
    let endpoint = match &choice {
        Choice::Given(url) => url.clone(),
        Choice::Running | Choice::Start(_) => own_endpoint()?,
    };
    let holder = match choice {
        Choice::Given(_) => {
            eprintln!("    AWS_ENDPOINT_URL is set: the LocalStack at {endpoint}");
            None
        }
        Choice::Running => {
            eprintln!("    the LocalStack that is up at {endpoint}, and stays so");
            None
        }
        Choice::Start(mode) => {
            eprintln!("    {}", story(mode));
            fetch(mode)?;
            Some(Holder::start(mode)?)
        }
    };
    let held = Held { endpoint, holder };
    check(&held.endpoint).map_err(|wrong| match held.is_ours() {
        true => wrong,
        false => format!(
            "{wrong}\nThe tests were told to use it and nothing else. Start a LocalStack there, or \
             unset AWS_ENDPOINT_URL and one is started for you."
        ),
    })?;
    Ok(held)
}

/// `cargo xtask localstack ...`
pub(crate) fn command(action: Action) -> Result<(), String> {
    let endpoint = own_endpoint()?;
    let mode = mode(&Machine)?;
    match (action, mode) {
        (Action::Start, _) => {
            eprintln!("{}", story(mode));
            fetch(mode)?;
            match mode {
                Mode::Docker => must(docker(&["up", "--detach", "--wait"]))?,
                Mode::Host => must(host("start")?.stdout(Stdio::null()))?,
            }
            check(&endpoint)?;
            println!("LocalStack is up at {endpoint}; `cargo xtask localstack stop` stops it");
            Ok(())
        }
        (Action::Stop, Mode::Docker) => must(docker(&["down"])),
        (Action::Stop, Mode::Host) => must(&mut host("stop")?),
        (Action::Status, _) => {
            if !Machine.running(mode) {
                return Err("no LocalStack of ours is up".to_owned());
            }
            check(&endpoint)?;
            println!("LocalStack is up at {endpoint}");
            Ok(())
        }
    }
}

fn story(mode: Mode) -> &'static str {
    match mode {
        Mode::Docker => "LocalStack in Docker (docker-compose.yml)",
        Mode::Host => "LocalStack on this machine, from PyPI and npm: no Docker engine is used",
    }
}

/// Downloads, as a plain child: Ctrl-C ends it, and there is nothing to stop yet.
fn fetch(mode: Mode) -> Result<(), String> {
    match mode {
        Mode::Docker => must(docker(&["up", "--no-start"])),
        Mode::Host => must(&mut host("install")?),
    }
}

/// `http://127.0.0.1:4566`, or the port of `LS_PORT`.
fn own_endpoint() -> Result<String, String> {
    let port = std::env::var("LS_PORT").unwrap_or_else(|_| "4566".to_owned());
    port.parse::<u16>().map_err(|_| format!("LS_PORT is `{port}`, which is no port"))?;
    Ok(format!("http://127.0.0.1:{port}"))
}

fn host(verb: &str) -> Result<Command, String> {
    let home: PathBuf = crate::target_folder()?.join("localstack");
    let mut script = Command::new("bash");
    script.arg(root().join(HOST_SCRIPT)).arg(verb).env("LS_HOME", home).current_dir(root());
    Ok(script)
}

fn docker(args: &[&str]) -> Command {
    let mut docker = Command::new("docker");
    docker.arg("compose").args(args).current_dir(root());
    docker
}

fn must(mut command: impl std::borrow::BorrowMut<Command>) -> Result<(), String> {
    crate::steps::run(command.borrow_mut()).map_err(|failure| failure.message)
}

/// The process that stops LocalStack when the pipe to it closes.
#[derive(Debug)]
struct Holder {
    process: Child,
    pipe: Option<ChildStdin>,
    // It would be ended by a closed pipe if it printed anything more.
    _output: BufReader<ChildStdout>,
}

impl Holder {
    fn start(mode: Mode) -> Result<Self, String> {
        let mut command = match mode {
            Mode::Host => host("hold")?,
            Mode::Docker => {
                let mut shell = Command::new("sh");
                shell.args(["-euc", DOCKER_HOLD]).current_dir(root());
                shell
            }
        };
        Self::hold(&mut command)
    }

    fn hold(command: &mut Command) -> Result<Self, String> {
        let start = Instant::now();
        let failed = |error| format!("LocalStack could not be started: {error}");
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let pipe = process.stdin.take();
        let Some(output) = process.stdout.take() else {
            return Err("LocalStack's holder has no output".to_owned());
        };
        let mut holder = Self { process, pipe, _output: BufReader::new(output) };
        let mut line = String::new();
        holder._output.read_line(&mut line).map_err(failed)?;
        if line.is_empty() {
            holder.pipe = None;
            let status = holder.process.wait().map_err(failed)?;
            return Err(format!("LocalStack could not be started: the starter ended ({status})"));
        }
        eprintln!("    {} after {:.1} s", line.trim_end(), start.elapsed().as_secs_f64());
        Ok(holder)
    }

    fn stop(&mut self) -> Result<(), String> {
        if self.pipe.take().is_none() {
            return Ok(());
        }
        match self.process.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("LocalStack was not stopped properly: {status}")),
            Err(error) => Err(format!("LocalStack was not stopped properly: {error}")),
        }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        if let Err(wrong) = self.stop() {
            eprintln!("xtask: {wrong}");
        }
    }
}

/// Waits until LocalStack says that it is ready, and then until Kinesis answers, whose server
/// starts at its first call.
fn check(endpoint: &str) -> Result<(), String> {
    let address = Address::parse(endpoint)?;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let answer = address
            .get("/_localstack/init/ready", Duration::from_secs(10))
            .map_err(|e| format!("no LocalStack answers at {endpoint}: {e}"))?;
        if answer.status != 200 {
            let status = answer.status;
            return Err(format!("what answers at {endpoint} is no LocalStack (status {status})"));
        }
        if answer.body.replace(' ', "").contains("\"completed\":true") {
            break;
        }
        if Instant::now() > deadline {
            return Err(format!("LocalStack at {endpoint} is not ready after 60 s"));
        }
        #[expect(clippy::disallowed_methods, reason = "no runtime here, and nobody else waits")]
        std::thread::sleep(Duration::from_millis(200));
    }
    let kinesis = address
        .post(
            "/",
            "Content-Type: application/x-amz-json-1.1\r\nX-Amz-Target: Kinesis_20131202.ListStreams\r\n",
            "{}",
            Duration::from_secs(90),
        )
        .map_err(|e| format!("Kinesis of the LocalStack at {endpoint} does not answer: {e}"))?;
    if kinesis.status == 200 && kinesis.body.contains("StreamNames") {
        return Ok(());
    }
    let (status, body) = (kinesis.status, kinesis.body);
    Err(format!("Kinesis of the LocalStack at {endpoint} answers {status}: {body}"))
}

#[cfg(test)]
mod tests {
    use std::fs::read_to_string;

    use super::*;

    #[derive(Default)]
    struct Set {
        given: Option<&'static str>,
        wanted: Option<&'static str>,
        running: Option<Mode>,
        engine: bool,
        linux: bool,
    }

    impl Facts for Set {
        fn given(&self) -> Option<String> {
            self.given.map(str::to_owned)
        }
        fn wanted(&self) -> Option<String> {
            self.wanted.map(str::to_owned)
        }
        fn running(&self, mode: Mode) -> bool {
            self.running == Some(mode)
        }
        fn engine(&self) -> bool {
            self.engine
        }
        fn linux(&self) -> bool {
            self.linux
        }
    }

    #[test]
    fn an_endpoint_that_is_set_wins_over_everything() {
        let facts = Set {
            given: Some("http://10.0.0.1:4566"),
            wanted: Some("nonsense"),
            running: Some(Mode::Host),
            engine: true,
            linux: true,
        };
        assert_eq!(choose(&facts), Ok(Choice::Given("http://10.0.0.1:4566".into())));
        let empty = Set { given: Some(""), engine: true, ..Set::default() };
        assert_eq!(choose(&empty), Ok(Choice::Start(Mode::Docker)));
    }

    #[test]
    fn docker_is_taken_where_an_engine_answers_and_the_host_otherwise() {
        let with = |engine, linux| choose(&Set { engine, linux, ..Set::default() });
        assert_eq!(with(true, true), Ok(Choice::Start(Mode::Docker)));
        assert_eq!(with(true, false), Ok(Choice::Start(Mode::Docker)));
        assert_eq!(with(false, true), Ok(Choice::Start(Mode::Host)));
        assert!(with(false, false).unwrap_err().contains("AWS_ENDPOINT_URL"));
    }

    #[test]
    fn one_that_is_up_is_used_and_not_started_again() {
        let host = Set { running: Some(Mode::Host), engine: true, linux: true, ..Set::default() };
        assert_eq!(choose(&host), Ok(Choice::Running));
        let docker = Set { running: Some(Mode::Docker), engine: true, ..Set::default() };
        assert_eq!(choose(&docker), Ok(Choice::Running));
    }

    #[test]
    fn a_wanted_mode_is_taken_and_a_misspelt_one_refused() {
        let wanted = |wanted| choose(&Set { wanted, engine: true, linux: true, ..Set::default() });
        assert_eq!(wanted(Some("host")), Ok(Choice::Start(Mode::Host)));
        assert_eq!(wanted(Some("docker")), Ok(Choice::Start(Mode::Docker)));
        assert_eq!(wanted(Some("")), Ok(Choice::Start(Mode::Docker)));
        assert!(wanted(Some("Docker")).unwrap_err().contains("`Docker`"));
    }

    #[test]
    fn nothing_that_answers_is_an_error_that_names_the_url() {
        // Bound and dropped: a port of which we know that nothing listens there.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        assert!(check(&url).unwrap_err().contains(&url));
        assert!(check("https://kinesis.us-east-1.amazonaws.com").is_err());
    }

    /// A holder whose LocalStack is a file.
    fn holder_of(file: &std::path::Path) -> Command {
        let mut shell = Command::new("sh");
        let script = "trap 'rm \"$1\"' EXIT; touch \"$1\"; echo up; cat >/dev/null";
        shell.args(["-euc", script, "sh"]).arg(file);
        shell
    }

    #[test]
    fn what_a_holder_started_is_gone_when_it_is_stopped_and_when_it_is_dropped() {
        let file = std::env::temp_dir().join(format!("xtask-holder-{}", std::process::id()));
        let mut holder = Holder::hold(&mut holder_of(&file)).unwrap();
        assert!(file.exists());
        assert_eq!(holder.stop(), Ok(()));
        assert!(!file.exists());
        drop(Holder::hold(&mut holder_of(&file)).unwrap());
        assert!(!file.exists());
    }

    #[test]
    fn a_holder_that_fails_is_an_error_and_not_a_wait() {
        let failed = Holder::hold(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert!(failed.contains("exit status: 3"), "{failed}");
    }

    #[test]
    fn the_container_and_the_host_run_the_same_localstack() {
        let compose = read_to_string(root().join("docker-compose.yml")).unwrap();
        let script = read_to_string(root().join(HOST_SCRIPT)).unwrap();
        for (in_compose, in_script) in [
            ("image: localstack/localstack:", "\nLOCALSTACK_VERSION="),
            ("KINESIS_MOCK_VERSION: ", "\nKINESIS_MOCK_VERSION="),
            ("SERVICES: ", "\nSERVICES="),
        ] {
            let of_compose = after(&compose, in_compose);
            assert!(!of_compose.is_empty(), "{in_compose}");
            assert_eq!(of_compose, after(&script, in_script), "{in_compose}");
        }
    }

    fn after<'a>(text: &'a str, mark: &str) -> &'a str {
        let (_, rest) = text.split_once(mark).unwrap();
        rest.lines().next().unwrap().trim()
    }
}
