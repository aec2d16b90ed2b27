//! `cargo xtask new-connector`: a copy of a connector that works, under a name of its own.

mod manifest;
mod name;
mod staged;
mod template;
#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use self::{
    name::Name,
    staged::Staged,
    template::{AWS, PLAIN, Template},
};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) name: String,
    /// Without AWS.
    pub(crate) plain: bool,
    /// A folder for a workspace of its own, instead of ours.
    pub(crate) into: Option<PathBuf>,
}

/// Makes the connector and says what to do with it.
pub(crate) fn run(request: &Request) -> Result<(), String> {
    let root = crate::root();
    let name = Name::new(&request.name)?;
    let template = if request.plain { &PLAIN } else { &AWS };
    let (package, from) = (name.package(), template.folder);
    let (folder, test) = match &request.into {
        None => {
            add(&root, &name, template)?;
            (PathBuf::from("crates").join(&package), format!("cargo test -p {package}"))
        }
        Some(into) => {
            add_apart(&root, &name, template, into)?;
            let manifest = into.join("Cargo.toml");
            let test = format!("cargo test --manifest-path {}", manifest.display());
            (into.join("crates").join(&package), test)
        }
    };
    let folder = folder.display();
    println!("{folder} is a copy of {from} that passes the conformance suite:");
    println!("    {test}");
    println!("    grep -rn TODO {folder}    what to put in, piece by piece");
    if request.into.is_some() {
        println!("Its Cargo.toml takes sink-core from {}: say where yours is.", root.display());
    } else {
        println!("When it is done, name it in README.md, ARCHITECTURE.md and CHANGELOG.md.");
    }
    println!("docs/new-connector.md says why each piece is as it is.");
    Ok(())
}

/// Adds a connector to the workspace in `root`.
fn add(root: &Path, name: &Name, template: &Template) -> Result<(), String> {
    let package = name.package();
    let manifest = manifest::with_dependency(&staged::read(&root.join("Cargo.toml"))?, name)?;
    let lock = lock(root, name, template)?;
    let staged = Staged::within(root)?;
    write_crate(root, name, template, &staged, Path::new(&package))?;
    staged.write("Cargo.toml", &manifest)?;
    staged.write("Cargo.lock", &lock)?;
    staged.move_all(&format!("crates/{package}"), &["Cargo.toml", "Cargo.lock"], root)
}

/// Makes a workspace in `into`, which is not there or empty, with a connector in it.
fn add_apart(root: &Path, name: &Name, template: &Template, into: &Path) -> Result<(), String> {
    let shown = into.display();
    let Some(last) = into.file_name() else {
        return Err(format!("`--into {shown}`: end it with the name of a folder, new or empty"));
    };
    let parent = into.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or_else(|| Path::new("."));
    let real = |path: &Path| {
        path.canonicalize().map_err(|e| format!("cannot find the folder {}: {e}", path.display()))
    };
    let (root, parent) = (real(root)?, real(parent)?);
    if parent.starts_with(&root) {
        return Err(format!(
            "`--into {shown}` is within this workspace: name a folder outside of it, or leave \
             `--into` away"
        ));
    }
    let place = parent.join(last);
    let is_there = place.exists();
    if is_there && !fs::read_dir(&place).is_ok_and(|mut files| files.next().is_none()) {
        return Err(format!(
            "`--into {shown}` is there already: name a new folder or an empty one"
        ));
    }

    let manifest = manifest::apart(&staged::read(&root.join("Cargo.toml"))?, &root)?;
    let lock = lock(&root, name, template)?;
    let staged = Staged::within(&parent)?;
    write_crate(&root, name, template, &staged, &Path::new("crates").join(name.package()))?;
    staged.write("Cargo.toml", &manifest)?;
    staged.write("Cargo.lock", &lock)?;
    for file in ["rustfmt.toml", "clippy.toml"] {
        staged.write(file, &staged::read(&root.join(file))?)?;
    }
    if is_there {
        // Not where something came into it meanwhile.
        fs::remove_dir(&place).map_err(|e| format!("cannot use the folder {shown}: {e}"))?;
    }
    staged::rename(staged.path(), &place)
}

/// The workspace's lock file with the new crate; fails where the name is taken.
fn lock(root: &Path, name: &Name, template: &Template) -> Result<String, String> {
    manifest::with_package(&staged::read(&root.join("Cargo.lock"))?, template.package, name)
}

/// Writes the renamed files, formatted: with another name, lines are of another length.
fn write_crate(
    root: &Path,
    name: &Name,
    template: &Template,
    staged: &Staged,
    folder: &Path,
) -> Result<(), String> {
    let mut sources = Vec::new();
    for file in template.files {
        let text = staged::read(&root.join(template.folder).join(file))?;
        staged.write(folder.join(file), &template.text(file, &text, name))?;
        if file.ends_with(".rs") {
            sources.push(staged.path().join(folder).join(file));
        }
    }
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", "2024", "--config-path"]).arg(root).args(sources);
    if !rustfmt.status().is_ok_and(|status| status.success()) {
        eprintln!("xtask: rustfmt did not format the new files: `cargo fmt` does it later");
    }
    Ok(())
}
