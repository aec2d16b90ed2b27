//! The connectors that can be copied, and what becomes of their names.

use super::name::Name;

/// A connector to copy.
#[derive(Debug)]
pub(crate) struct Template {
    /// Its folder in the workspace.
    pub(crate) folder: &'static str,
    /// Its package.
    pub(crate) package: &'static str,
    /// The files that are copied: its own tests of the service are not.
    pub(crate) files: &'static [&'static str],
    /// How its name is written: `a_b`, `a-b`, `AB`. The first two may be the same.
    written: [&'static str; 3],
    /// What only looks like its name, and is left as it is.
    pub(crate) kept: &'static [&'static str],
    /// What is to be done with a file, which its first lines will say.
    todo: &'static [(&'static str, &'static str)],
    /// What the copy still is, for its README.
    still: &'static str,
}

/// For an AWS service: the smallest of ours, which goes on writing to Firehose until its author puts
/// in another client. So it compiles and conforms from the first minute, and after each step.
pub(crate) const AWS: Template = Template {
    folder: "crates/sink-firehose",
    package: "sink-firehose",
    files: &[
        "Cargo.toml",
        "README.md",
        "src/lib.rs",
        "src/config.rs",
        "src/converter.rs",
        "src/request.rs",
        "src/failures.rs",
        "src/state.rs",
        "tests/conformance.rs",
    ],
    written: ["firehose", "firehose", "Firehose"],
    // The SDK's crate, and the emulator's service.
    kept: &[
        "aws_sdk_firehose",
        "aws-sdk-firehose",
        "firehose::FirehoseLimits",
        "FirehoseLimits::",
        ".firehose_limits(",
        ".firehose()",
    ],
    todo: &[
        ("Cargo.toml", "the SDK's crate for your service instead of aws-sdk-firehose."),
        ("src/config.rs", "what your service calls the place to write to, and its names and ARNs."),
        ("src/converter.rs", "what your service stores, and what it meters for it."),
        ("src/request.rs", "your client's call, and your service's limits with their source."),
        ("src/failures.rs", "every error code of your service's API reference."),
        ("src/state.rs", "what an entry consists of."),
        ("tests/conformance.rs", "an emulator of your service, or the service itself."),
    ],
    still: "Amazon Data Firehose: the client, the limits, the error codes and what this page says \
            of the service",
};

/// For anything else: needs `sink-core` alone, and its service is in memory.
pub(crate) const PLAIN: Template = Template {
    folder: "examples/key-value",
    package: "sink-key-value",
    files: AWS.files,
    written: ["key_value", "key-value", "KeyValue"],
    kept: &[],
    todo: &[
        ("src/config.rs", "what your service calls the place to write to."),
        ("src/converter.rs", "what your service stores, and what it meters for it."),
        ("src/request.rs", "your client's call, and your service's limits with their source."),
        ("src/failures.rs", "every error code of your service's manual."),
        ("src/state.rs", "what an entry consists of."),
        ("tests/conformance.rs", "an emulator of your service, or the service itself."),
    ],
    still: "a key-value service that does not exist: its limits, its error codes and what this page \
            says of it",
};

impl Template {
    /// A file's text under the new name, with what is to be done on top.
    pub(crate) fn text(&self, file: &str, text: &str, name: &Name) -> String {
        let text = self.rename(text, name);
        if file == "README.md" {
            let (title, rest) = text.split_once('\n').unwrap_or((&text, ""));
            let (still, from) = (self.still, self.folder);
            return format!(
                "{title}\n\n> TODO: copied from `{from}`. It still describes {still}. Replace that, and \
                 then this note.\n{rest}"
            );
        }
        let Some((_, what)) = self.todo.iter().find(|(todo, _)| *todo == file) else {
            return text;
        };
        let mark = if file == "Cargo.toml" { "#" } else { "//" };
        format!("{mark} TODO: {what}\n{text}")
    }

    /// Writes the new name for the template's, however it is written.
    fn rename(&self, text: &str, name: &Name) -> String {
        let [snake, kebab, camel] = self.written;
        // With one word for both: in an identifier, it stands beside an underscore.
        let (before, after) = (format!("_{snake}"), format!("{snake}_"));
        let new_before = format!("_{}", name.snake());
        let new_after = format!("{}_", name.snake());
        let (new_snake, new_camel) = (name.snake(), name.camel());
        let is_one_word = snake == kebab;
        let mut names: Vec<(&str, &str)> = self.kept.iter().map(|kept| (*kept, *kept)).collect();
        if is_one_word {
            names.extend([(&*before, &*new_before), (&*after, &*new_after)]);
        } else {
            names.push((snake, &new_snake));
        }
        names.extend([(kebab, name.kebab()), (camel, &new_camel)]);

        let mut renamed = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some((old, new)) = names.iter().find(|(old, _)| rest.starts_with(old)) {
                renamed += new;
                rest = &rest[old.len()..];
            } else {
                renamed.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        renamed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamed(template: &Template, text: &str) -> String {
        template.rename(text, &Name::new("event-bus").unwrap())
    }

    #[test]
    fn the_name_is_replaced_however_it_is_written() {
        for (old, new) in [
            ("pub struct FirehoseEntry {", "pub struct EventBusEntry {"),
            ("use sink_firehose::x;", "use sink_event_bus::x;"),
            ("name = \"sink-firehose\"", "name = \"sink-event-bus\""),
            ("KIND: &'static str = \"firehose\";", "KIND: &'static str = \"event-bus\";"),
            ("async fn firehose_conforms()", "async fn event_bus_conforms()"),
            ("Amazon Data Firehose", "Amazon Data EventBus"),
            ("use aws_sdk_firehose::Client;", "use aws_sdk_firehose::Client;"),
            ("aws-sdk-firehose.workspace = true", "aws-sdk-firehose.workspace = true"),
            (
                "sink_emulator::firehose::FirehoseLimits;",
                "sink_emulator::firehose::FirehoseLimits;",
            ),
            ("self.emulator.firehose().records()", "self.emulator.firehose().records()"),
        ] {
            assert_eq!(renamed(&AWS, old), new);
        }
        for (old, new) in [
            ("struct KeyValueEntry; // key-value", "struct EventBusEntry; // event-bus"),
            (
                "use sink_key_value::x; fn key_value_conforms",
                "use sink_event_bus::x; fn event_bus_conforms",
            ),
            ("(key, value): a Key, a Value, ключ", "(key, value): a Key, a Value, ключ"),
        ] {
            assert_eq!(renamed(&PLAIN, old), new);
        }
    }

    #[test]
    fn each_file_says_what_is_to_be_done_with_it() {
        let name = Name::new("event-bus").unwrap();
        for template in [AWS, PLAIN] {
            for file in template.files {
                let text = template.text(file, "# sink\n\ntext\n", &name);
                let is_told = text.contains("TODO: ");
                let needs_nothing = *file == "src/lib.rs"
                    || (*file == "Cargo.toml" && template.folder == PLAIN.folder);
                assert_eq!(is_told, !needs_nothing, "{file}: {text}");
                assert!(text.contains("# sink\n") && text.ends_with("text\n"), "{file}: {text}");
            }
            for (todo, _) in template.todo {
                assert!(template.files.contains(todo), "{todo} is not copied");
            }
        }
    }
}
