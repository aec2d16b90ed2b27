//! What the process has used, from Linux' `/proc`.

use std::{fs, time::Duration};

use crate::Result;

/// Linux counts `/proc`'s CPU times in hundredths of a second, whatever its clock does inside.
const TICK: Duration = Duration::from_millis(10);

/// CPU time of all threads of this process so far, in user mode and in the kernel.
///
/// # Errors
///
/// When `/proc/self/stat` cannot be read: this is no Linux.
pub fn cpu() -> Result<Duration> {
    let stat = read("/proc/self/stat")?;
    Ok(cpu_of(&stat).ok_or_else(|| format!("/proc/self/stat has no CPU times: {stat}"))?)
}

fn cpu_of(stat: &str) -> Option<Duration> {
    // The second field is the program's name, which may have spaces; the times are 14 and 15.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_whitespace().skip(11).map(str::parse::<u32>);
    let (user, system) = (times.next()?.ok()?, times.next()?.ok()?);
    Some(TICK * user + TICK * system)
}

/// The most memory that was resident since [`reset_peak`], in bytes.
///
/// # Errors
///
/// When `/proc/self/status` cannot be read: this is no Linux.
pub fn peak_rss() -> Result<u64> {
    let status = read("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kibibytes.ok_or("/proc/self/status has no VmHWM")? * 1024)
}

/// Starts the peak anew from what is resident now.
///
/// # Errors
///
/// When the kernel does not let the process reset it.
pub fn reset_peak() -> Result<()> {
    let file = "/proc/self/clear_refs";
    // 5: see proc(5).
    Ok(fs::write(file, "5").map_err(|error| format!("{file}: {error}"))?)
}

/// The machine's processor and how many of them, for whoever reads a result later.
pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, model)| model);
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{count} × {model}, {}", std::env::consts::OS)
}

fn read(file: &str) -> Result<String> {
    Ok(fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?)
}

/// The allocator that this program was built with.
pub fn allocator() -> &'static str {
    if cfg!(feature = "mimalloc") { "mimalloc" } else { "system" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_times_are_found_behind_any_name() {
        let stat = "7 (a b) c) R 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0 4";
        assert_eq!(cpu_of(stat), Some(Duration::from_millis(1750)));
        assert_eq!(cpu_of("7 (a) R 1 2"), None);
    }
}
