//! A connector stays thin: what all of them need belongs to `sink-core` or `sink-aws`.

#![allow(clippy::unwrap_used)] // clippy takes helpers of tests for no tests

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// Lines of code that a connector may have: neither blank ones, nor comments, nor tests.
const MOST: usize = 400;

/// Modules in a connector's `src` that count each on its own, with the same limit: what the service
/// has besides the three pieces. A file of that name, a folder, or both.
const APART: [(&str, &str); 4] = [
    ("sink-kinesis", "partition_key"),
    ("sink-kinesis", "shards"),
    ("sink-cloudwatch", "datum"),
    ("sink-cloudwatch", "body"),
];

/// Files that are compiled for tests only.
const TESTS: [&str; 2] = ["tests.rs", "testing.rs"];

/// What the engine owns.
const NOT_A_CONNECTORS: [&str; 4] = ["spawn(", "sleep(", "sleep_until(", "interval("];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates")
}

/// The connectors that there are: the crates with a request builder and a failure extractor.
fn connectors() -> Vec<String> {
    let is_connector = |folder: &Path| {
        ["request.rs", "failures.rs"].iter().all(|file| folder.join("src").join(file).is_file())
    };
    let all = fs::read_dir(crates()).unwrap().map(|entry| entry.unwrap());
    let connectors = all.filter(|entry| is_connector(&entry.path()));
    let names: Vec<_> = connectors.map(|e| e.file_name().into_string().unwrap()).collect();
    assert!(names.len() >= 2, "only {names:?} in {}", crates().display());
    names
}

/// The files below a folder that hold code, with what stands in them.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("tests") {
                sources.extend(self::sources(&path));
            }
        } else if path.extension().is_some_and(|ext| ext == "rs")
            && !TESTS.iter().any(|tests| path.ends_with(tests))
        {
            let text = fs::read_to_string(&path).unwrap();
            sources.push((path, text));
        }
    }
    sources
}

/// The lines that count.
fn code(text: &str) -> Vec<&str> {
    let mut code = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if line == "#[cfg(test)]" {
            // `mod tests;`, or a block that ends where a line begins with its brace.
            if lines.next().is_some_and(|next| next.ends_with('{')) {
                lines.by_ref().find(|line| *line == "}");
            }
        } else if !trimmed.is_empty() && !trimmed.starts_with("//") {
            code.push(line);
        }
    }
    code
}

#[test]
fn only_lines_of_code_count() {
    let text = "//! Doc.\n\nuse a::b; // why\n    /// doc\n\n#[cfg(test)]\nmod tests {\n    use x;\n}\n\
                fn f() {\n    // why\n}\n#[cfg(test)]\nmod more;\nfn g() {}\n";
    assert_eq!(code(text), ["use a::b; // why", "fn f() {", "}", "fn g() {}"]);
}

#[test]
fn no_connector_has_more_than_400_lines_of_code() {
    for connector in connectors() {
        let source = crates().join(&connector).join("src");
        // By the module that they are apart in.
        let mut counts = HashMap::from([(None, 0)]);
        for (path, text) in sources(&source) {
            let apart = APART.iter().filter(|(of, _)| *of == connector);
            let module = apart.map(|(_, module)| *module).find(|module| {
                let module = source.join(module);
                path.starts_with(&module) || path == module.with_extension("rs")
            });
            *counts.entry(module).or_default() += code(&text).len();
        }
        assert!(counts[&None] > 0, "{connector} has no code");
        for (module, lines) in counts {
            let of = module.unwrap_or("all else");
            assert!(lines <= MOST, "{connector} has {lines} lines of code in {of}: at most {MOST}");
        }
    }
}

#[test]
fn no_connector_sleeps_or_spawns() {
    for connector in connectors() {
        for (path, text) in sources(&crates().join(&connector).join("src")) {
            for line in code(&text) {
                let found = NOT_A_CONNECTORS.iter().find(|word| line.contains(**word));
                assert!(found.is_none(), "{}: {line}", path.display());
            }
        }
    }
}
