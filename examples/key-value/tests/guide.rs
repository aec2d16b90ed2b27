//! The guide's code is this crate's: docs/new-connector.md quotes it word for word.

#![allow(clippy::unwrap_used)] // clippy takes helpers of tests for no tests

use std::{fs, path::Path};

/// Blocks of the guide that rustdoc does not take for Rust: the file that each names, and its text.
fn quotes(guide: &str) -> Vec<(&str, &str)> {
    let blocks = guide.split("\n```rs\n").skip(1);
    let quote = |block| {
        let (text, _): (&str, &str) = str::split_once(block, "\n```").unwrap();
        let (file, text) = text.split_once('\n').unwrap();
        let file = file.strip_prefix("// ");
        (file.unwrap_or_else(|| panic!("a block names no file: {text}")), text)
    };
    blocks.map(quote).collect()
}

/// What stands between the guide's ellipses, each part followed by the next.
fn assert_is_quoted(file: &str, source: &str, quote: &str) {
    let mut rest = source;
    for part in quote.split("// …\n").map(str::trim) {
        let at = rest.find(part).unwrap_or_else(|| panic!("{file} has not, or not there:\n{part}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn the_guide_shows_the_code_that_is_compiled_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(folder.join("../../docs/new-connector.md")).unwrap();
    let quotes = quotes(&guide);
    for (file, quote) in &quotes {
        assert_is_quoted(file, &fs::read_to_string(folder.join(file)).unwrap(), quote);
    }
    for file in ["src/converter.rs", "src/request.rs", "src/failures.rs", "tests/conformance.rs"] {
        assert!(quotes.iter().any(|(quoted, _)| *quoted == file), "nothing of {file} is shown");
    }
}

#[test]
#[should_panic(expected = "not there")]
fn a_quote_that_is_not_in_the_file_is_noticed() {
    assert_is_quoted("file.rs", "fn a() {}\nfn b() {}\n", "fn b() {}\n// …\nfn a() {}");
}
