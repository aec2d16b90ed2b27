//! What a new crate changes in `Cargo.toml` and `Cargo.lock`, as text: nothing else may move.

use std::path::Path;

use super::name::Name;

/// The line that stands beside the new one in `[workspace.dependencies]`.
const BESIDE: &str = "sink-firehose = ";

/// The workspace's manifest with the new crate among its dependencies. (Its members are a pattern.)
pub(crate) fn with_dependency(manifest: &str, name: &Name) -> Result<String, String> {
    let package = name.package();
    if !manifest.contains("members = [\"crates/*\",") {
        return Err("Cargo.toml does not make everything in `crates` a member any more".to_owned());
    }
    let Some(line) = manifest.lines().find(|line| line.starts_with(BESIDE)) else {
        return Err(format!("Cargo.toml has no line `{BESIDE}…` to put `{package}` after"));
    };
    let new = format!("{package} = {{ path = \"crates/{package}\" }}");
    Ok(manifest.replacen(line, &format!("{line}\n{new}"), 1))
}

/// The manifest of a workspace of its own, which takes this workspace's crates from where they are.
pub(crate) fn apart(manifest: &str, root: &Path) -> Result<String, String> {
    let Some(root) = root.to_str().filter(|root| !root.contains(['"', '\\', '\n'])) else {
        let shown = root.display();
        return Err(format!("the path {shown} cannot be written into a Cargo.toml as it is"));
    };
    let Some((members, rest)) = manifest.split_once("\n\n") else {
        return Err("Cargo.toml has one paragraph only".to_owned());
    };
    if !members.starts_with("[workspace]\n") {
        return Err("Cargo.toml does not begin with `[workspace]` any more".to_owned());
    }
    // How single crates are optimised is this workspace's own matter.
    let is_kept = |paragraph: &&str| !paragraph.contains("[profile.dev.package.");
    let kept: Vec<&str> = rest.trim_end().split("\n\n").filter(is_kept).collect();
    let kept = kept.join("\n\n").replace("{ path = \"", &format!("{{ path = \"{root}/"));
    Ok(format!("[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n\n{kept}\n"))
}

/// The lock file with the new crate, which depends on what `template` does.
pub(crate) fn with_package(lock: &str, template: &str, name: &Name) -> Result<String, String> {
    let package = name.package();
    let head = |package: &str| format!("[[package]]\nname = \"{package}\"\n");
    let mut blocks: Vec<&str> = lock.trim_end().split("\n\n").collect();
    if blocks.iter().any(|block| block.starts_with(&head(&package))) {
        return Err(format!("there is a crate `{package}` already: choose another name"));
    }
    let Some(template) = blocks.iter().find(|block| block.starts_with(&head(template))) else {
        return Err(format!("Cargo.lock has no package `{template}`: run `cargo metadata` first"));
    };
    let new = template.replacen(
        template.lines().nth(1).unwrap_or_default(),
        &format!("name = \"{package}\""),
        1,
    );
    // Sorted by name, after a head of its own.
    let is_later = |block: &&str| {
        let name =
            block.strip_prefix("[[package]]\nname = \"").and_then(|rest| rest.split('"').next());
        name.is_some_and(|name| name > package.as_str())
    };
    let at = blocks.iter().position(is_later).unwrap_or(blocks.len());
    blocks.insert(at, &new);
    Ok(blocks.join("\n\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> Name {
        Name::new("event-bus").unwrap()
    }

    #[test]
    fn the_new_crate_stands_beside_the_template_and_nothing_else_moves() {
        let manifest = "[workspace]\nmembers = [\"crates/*\", \"x\"]\n\n[workspace.dependencies]\n\
                        sink-firehose = { path = \"crates/sink-firehose\" }\nzstd = \"1\"\n";
        assert_eq!(
            with_dependency(manifest, &name()).unwrap(),
            "[workspace]\nmembers = [\"crates/*\", \"x\"]\n\n[workspace.dependencies]\n\
             sink-firehose = { path = \"crates/sink-firehose\" }\n\
             sink-event-bus = { path = \"crates/sink-event-bus\" }\nzstd = \"1\"\n"
        );
        assert!(with_dependency("[workspace]\n", &name()).unwrap_err().contains("member"));
        let bare = "[workspace]\nmembers = [\"crates/*\",]\n";
        assert!(
            with_dependency(bare, &name()).unwrap_err().contains("no line `sink-firehose = …`")
        );
    }

    #[test]
    fn a_workspace_apart_has_one_member_and_finds_our_crates() {
        let manifest = "[workspace]\nmembers = [\"crates/*\"]\n\n[workspace.dependencies]\n\
                        sink-core = { path = \"crates/sink-core\" }\nserde = \"1\"\n\n\
                        [profile.dev]\ndebug = 1\n\n# Fast.\n[profile.dev.package.proptest]\n\
                        opt-level = 2\n";
        assert_eq!(
            apart(manifest, Path::new("/a b/c")).unwrap(),
            "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n\n[workspace.dependencies]\n\
             sink-core = { path = \"/a b/c/crates/sink-core\" }\nserde = \"1\"\n\n\
             [profile.dev]\ndebug = 1\n"
        );
        assert!(apart(manifest, Path::new("/a\"b")).unwrap_err().contains("/a\"b"));
        assert!(apart("[package]\n\nx", Path::new("/a")).unwrap_err().contains("[workspace]"));
    }

    #[test]
    fn the_lock_file_stays_sorted() {
        let block = |name: &str| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"1\"\ndependencies = [\n \"x\",\n]")
        };
        let lock = |names: &[&str]| {
            let blocks: Vec<_> = names.iter().map(|name| block(name)).collect();
            format!("# By cargo.\nversion = 4\n\n{}\n", blocks.join("\n\n"))
        };
        for (before, after) in [
            (&["a", "sink-firehose", "z"][..], &["a", "sink-event-bus", "sink-firehose", "z"][..]),
            (&["sink-firehose"], &["sink-event-bus", "sink-firehose"]),
            (&["sink-core", "sink-firehose"], &["sink-core", "sink-event-bus", "sink-firehose"]),
        ] {
            let added = with_package(&lock(before), "sink-firehose", &name()).unwrap();
            assert_eq!(added, lock(after));
        }
        let last = with_package(&lock(&["a", "b"]), "b", &name()).unwrap();
        assert_eq!(last, lock(&["a", "b", "sink-event-bus"]));
        let taken =
            with_package(&lock(&["sink-event-bus", "sink-firehose"]), "sink-firehose", &name());
        assert!(taken.unwrap_err().contains("a crate `sink-event-bus` already"));
        let none = with_package(&lock(&["a"]), "sink-firehose", &name());
        assert!(none.unwrap_err().contains("no package `sink-firehose`"));
    }
}
