//! Whole runs, in a copy of the workspace; `.ci/run` compiles what comes out and runs
//! its tests.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("xtask-new-connector-{}-{count}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// A copy of this workspace, but for what cargo and git keep there.
    fn workspace() -> Self {
        let folder = Self::new();
        copy(&crate::root(), &folder.0);
        folder
    }

    /// Every file, with what stands in it, and every folder.
    fn all(&self) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        let (mut all, mut folders) = (Vec::new(), vec![self.0.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    all.push((path.clone(), None));
                    folders.push(path);
                } else {
                    let text = fs::read(&path).unwrap();
                    all.push((path, Some(text)));
                }
            }
        }
        all.sort_unstable();
        all
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        let is_kept = ["target", ".git", ".localstack"].iter().any(|kept| name == *kept);
        if path.is_dir() && !is_kept {
            fs::create_dir(to.join(&name)).unwrap();
            copy(&path, &to.join(&name));
        } else if path.is_file() {
            fs::copy(&path, to.join(&name)).unwrap();
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn name() -> Name {
    Name::new("event-bus").unwrap()
}

/// The copy has the five files, its own name everywhere, and the template's nowhere.
fn assert_is_a_connector(folder: &Path, template: &Template, old: [&str; 2]) {
    for file in ["lib.rs", "config.rs", "converter.rs", "request.rs", "failures.rs"] {
        assert!(folder.join("src").join(file).is_file(), "{file} is missing");
    }
    for file in template.files {
        let mut text = fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.contains("event") || text.contains("Event"), "{file} has no new name");
        for kept in template.kept {
            text = text.replace(kept, "");
        }
        // The notes say what it was copied from.
        for line in text.lines().filter(|line| !line.contains("TODO: ")) {
            assert!(!old.iter().any(|old| line.contains(old)), "{file}: {line}");
        }
    }
    let tests = fs::read_to_string(folder.join("tests/conformance.rs")).unwrap();
    assert!(tests.contains("async fn event_bus_conforms()") && tests.contains("testkit::all"));
}

fn assert_cargo_needs_no_other_lock(workspace: &Path) {
    let mut tree = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    tree.args(["tree", "--locked", "--offline", "--depth=0", "-p", "sink-event-bus"]);
    let output = tree.current_dir(workspace).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree: {said}");
}

#[test]
fn a_connector_is_added_to_the_workspace_and_the_lock_file_fits() {
    for (template, old) in [(&AWS, ["firehose", "Firehose"]), (&PLAIN, ["key-value", "KeyValue"])] {
        let workspace = Folder::workspace();
        let before = workspace.all();
        add(&workspace.0, &name(), template).unwrap();
        let folder = workspace.0.join("crates/sink-event-bus");
        assert_is_a_connector(&folder, template, old);
        let manifest = fs::read_to_string(workspace.0.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("\nsink-event-bus = { path = \"crates/sink-event-bus\" }\n"));

        // Everything else is as it was, and nothing else is there.
        let changed = |path: &Path| path.ends_with("Cargo.toml") || path.ends_with("Cargo.lock");
        let is_new = |path: &Path| path.starts_with(&folder);
        let others: Vec<_> =
            workspace.all().into_iter().filter(|(path, _)| !is_new(path)).collect();
        assert_eq!(others.len(), before.len());
        for (old, new) in before.iter().zip(&others) {
            assert!(old == new || (old.0 == new.0 && changed(&old.0)), "{}", old.0.display());
        }
        assert_cargo_needs_no_other_lock(&workspace.0);
        let again = add(&workspace.0, &name(), template).unwrap_err();
        assert!(again.contains("`sink-event-bus` already"), "{again}");
    }
}

#[test]
fn a_failure_half_way_leaves_nothing_behind() {
    type Break = (&'static str, fn(&Path));
    let breaks: [Break; 5] = [
        ("src/state.rs", |root| {
            fs::remove_file(root.join("crates/sink-firehose/src/state.rs")).unwrap()
        }),
        ("is there already", |root| fs::create_dir(root.join("crates/sink-event-bus")).unwrap()),
        ("no line `sink-firehose", |root| {
            let text = fs::read_to_string(root.join("Cargo.toml")).unwrap();
            fs::write(root.join("Cargo.toml"), text.replace("\nsink-firehose = ", "\n# ")).unwrap();
        }),
        ("Cargo.lock", |root| fs::remove_file(root.join("Cargo.lock")).unwrap()),
        ("no package `sink-firehose`", |root| {
            fs::write(root.join("Cargo.lock"), "version = 4\n").unwrap()
        }),
    ];
    for (expected, break_it) in breaks {
        let workspace = Folder::workspace();
        break_it(&workspace.0);
        let before = workspace.all();
        let wrong = add(&workspace.0, &name(), &AWS).unwrap_err();
        assert!(wrong.contains(expected), "{wrong}");
        assert_eq!(workspace.all(), before, "{expected}");
    }
}

/// The last of three moves fails: the first two are undone.
#[test]
fn what_was_moved_is_moved_back() {
    let folder = Folder::new();
    for file in ["a", "b"] {
        fs::write(folder.0.join(file), "old").unwrap();
    }
    fs::create_dir(folder.0.join("crates")).unwrap();
    let before = folder.all();
    let staged = Staged::within(&folder.0).unwrap();
    staged.write("new/file", "new").unwrap();
    staged.write("a", "new").unwrap(); // and no "b"
    let wrong = staged.move_all("crates/new", &["a", "b"], &folder.0).unwrap_err();
    assert!(wrong.contains("cannot move") && wrong.ends_with("nothing was changed"), "{wrong}");
    drop(staged);
    assert_eq!(folder.all(), before);
}

#[test]
fn a_workspace_apart_is_made_in_a_new_or_an_empty_folder_only() {
    let (root, place) = (Folder::workspace(), Folder::new());
    for into in [place.0.join("new"), place.0.join("empty")] {
        if into.ends_with("empty") {
            fs::create_dir(&into).unwrap();
        }
        add_apart(&root.0, &name(), &AWS, &into).unwrap();
        let folder = into.join("crates/sink-event-bus");
        assert_is_a_connector(&folder, &AWS, ["firehose", "Firehose"]);
        let manifest = fs::read_to_string(into.join("Cargo.toml")).unwrap();
        let real = root.0.canonicalize().unwrap();
        let core = format!("sink-core = {{ path = \"{}/crates/sink-core\" }}", real.display());
        assert!(manifest.contains(&core), "{manifest}");
        let before = place.all();
        let again = add_apart(&root.0, &name(), &AWS, &into).unwrap_err();
        assert!(again.contains("is there already"), "{again}");
        assert_eq!(place.all(), before);
    }
    for (into, expected) in [
        (root.0.join("x"), "within this workspace"),
        (root.0.join("crates/x"), "within this workspace"),
        (place.0.join("none/x"), "cannot find the folder"),
        (PathBuf::from(".."), "end it with the name of a folder"),
    ] {
        let wrong = add_apart(&root.0, &name(), &AWS, &into).unwrap_err();
        assert!(wrong.contains(expected), "{}: {wrong}", into.display());
        assert!(into.ends_with("..") || !into.exists());
    }
}
