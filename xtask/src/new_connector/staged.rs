//! Everything is made in a folder of its own first, so that a failure leaves nothing behind.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A folder that is gone when this is dropped, whatever happened.
#[derive(Debug)]
pub(crate) struct Staged(PathBuf);

impl Staged {
    /// A new folder in this one: on the same file system, so that what is in it can be moved.
    pub(crate) fn within(folder: &Path) -> Result<Self, String> {
        let path = folder.join(format!(".new-connector-{}", std::process::id()));
        fs::create_dir(&path)
            .map_err(|e| format!("cannot make the folder {}: {e}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, and the folders that it stands in.
    pub(crate) fn write(&self, file: impl AsRef<Path>, text: &str) -> Result<(), String> {
        let path = self.0.join(file);
        let folder = path.parent().unwrap_or(&self.0);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .map_err(|e| format!("cannot write {}: {e}", path.display()))
    }

    /// Moves a new folder, which must not be there yet, and files, which are replaced, from here to
    /// there: all of them, or none.
    pub(crate) fn move_all(&self, folder: &str, files: &[&str], to: &Path) -> Result<(), String> {
        let place = to.join(folder);
        // A rename would take the place of an empty folder.
        if place.exists() {
            return Err(format!("{} is there already: nothing was changed", place.display()));
        }
        let old: Result<Vec<String>, String> =
            files.iter().map(|file| read(&to.join(file))).collect();
        let old = old?;
        let name = Path::new(folder).file_name().unwrap_or_default();
        rename(&self.0.join(name), &place)?;
        for (count, file) in files.iter().enumerate() {
            let Err(wrong) = rename(&self.0.join(file), &to.join(file)) else { continue };
            let mut undone = fs::remove_dir_all(&place).is_ok();
            for (file, old) in files.iter().zip(&old).take(count) {
                undone &= fs::write(to.join(file), old).is_ok();
            }
            let state = if undone { "nothing was changed" } else { "it could not be undone" };
            return Err(format!("{wrong}; {state}"));
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // It may have been moved as a whole.
        if self.0.exists()
            && let Err(error) = fs::remove_dir_all(&self.0)
        {
            eprintln!("xtask: cannot remove {}: {error}", self.0.display());
        }
    }
}

/// Reads a file; the error names it.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

/// Moves a file or a folder; the error names both places.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), String> {
    fs::rename(from, to)
        .map_err(|e| format!("cannot move {} to {}: {e}", from.display(), to.display()))
}
