//! The program `sink`.

mod args;
mod bad_lines;
mod fields;
mod input;
mod lines;
mod logging;
mod progress;
mod records;
mod send;
mod signals;
mod summary;
mod target;

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

/// Payloads are allocated in one thread and freed in another, and requests are large: the system's
/// allocator takes a tenth to a sixth more processor time for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let (send, target) = args::read();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("the runtime cannot start: {error}")),
    };
    logging::init(send.verbose);
    let end = runtime.block_on(send::run(&send, target));
    // A blocked read of standard input must not hold the end up.
    runtime.shutdown_background();
    match end {
        Ok(end) => ExitCode::from(end.status()),
        Err(message) => fail(&message),
    }
}

fn fail(message: &str) -> ExitCode {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let error = if colours { "\x1b[1;31merror:\x1b[0m" } else { "error:" };
    // Standard error may be gone; the exit status still tells.
    let _gone = writeln!(io::stderr(), "{error} {message}");
    ExitCode::from(send::End::Failed.status())
}
