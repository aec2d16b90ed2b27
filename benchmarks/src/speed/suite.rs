//! Everything, several times in turn, and the tables of it.

use std::path::Path;

use crate::Result;

/// Runs.
///
/// # Errors
///
/// Never.
pub fn run(_runs: usize, _only: &str, _out: Option<&Path>) -> Result<()> {
    Ok(())
}
