//! Keeps docs/flink-parity.md honest: every test and page that it names is there.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test fails by panicking
#![allow(clippy::print_stdout, clippy::print_stderr)] // and speaks by printing

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn page() -> String {
    fs::read_to_string(workspace().join("docs/flink-parity.md")).expect("docs/flink-parity.md")
}

/// The section under this heading of the second level.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("docs/flink-parity.md has no section \"{heading}\""));
    rest.split("\n## ").next().unwrap_or(rest)
}

/// The rows of the tables in a section, cell by cell, without the rows that head them.
fn rows(section: &str) -> Vec<Vec<&str>> {
    let lines: Vec<_> = section.lines().collect();
    let is_head = |at: usize| lines.get(at + 1).is_some_and(|next| next.starts_with("|---"));
    let is_row = |at: &usize| lines[*at].starts_with("| ") && !is_head(*at);
    let cells = |at: usize| lines[at].trim_matches('|').split('|').map(str::trim).collect();
    (0..lines.len()).filter(is_row).map(cells).collect()
}

/// What is named as `path/to/file.rs::test`.
fn named_tests(text: &str) -> Vec<(&str, &str)> {
    text.split('`').skip(1).step_by(2).filter_map(|code| code.split_once(".rs::")).collect()
}

/// A row ends with a test or a page, or with why there is none.
fn assert_is_answered(row: &[&str]) {
    let answer = row.last().unwrap();
    let is_reason = answer.starts_with("does not apply: ") || answer.starts_with("not yet: ");
    assert!(
        is_reason || answer.contains("](") || !named_tests(answer).is_empty(),
        "docs/flink-parity.md: the row of {} names no test and gives no reason: {answer}",
        row[0]
    );
}

#[test]
fn each_of_flinks_87_tests_has_its_row() {
    let page = page();
    let section = section(&page, "Flink's own tests");
    let mut names = BTreeSet::new();
    for class in section.split("\n### ").skip(1) {
        let heading = class.lines().next().unwrap();
        let rows = rows(class);
        let count = heading.split(['(', ')']).nth(1).and_then(|count| count.parse().ok());
        assert_eq!(count, Some(rows.len()), "docs/flink-parity.md: the rows of {heading}");
        for row in rows {
            assert_eq!(row.len(), 3, "docs/flink-parity.md: the cells of {row:?}");
            assert_is_answered(&row);
            let class = heading.split(' ').next().unwrap();
            assert!(names.insert((class, row[0])), "docs/flink-parity.md: {} twice", row[0]);
        }
    }
    assert_eq!(names.len(), 87, "docs/flink-parity.md: Flink's tests");
}

#[test]
fn each_of_the_25_complaints_has_its_row() {
    let page = page();
    let rows = rows(section(&page, "What users complain of"));
    for row in &rows {
        assert_eq!(row.len(), 4, "docs/flink-parity.md: the cells of {row:?}");
        assert_is_answered(row);
    }
    let numbers: Vec<_> = rows.iter().map(|row| row[0].parse().unwrap_or(0)).collect();
    assert_eq!(numbers, (1..=25).collect::<Vec<_>>(), "docs/flink-parity.md: complaints");
}

#[test]
fn every_opening_of_flinks_tests_names_a_test() {
    let page = page();
    let rows = rows(section(&page, "What Flink's tests leave open"));
    assert_eq!(rows.len(), 7, "docs/flink-parity.md: openings");
    for row in rows {
        assert!(!named_tests(row[1]).is_empty(), "docs/flink-parity.md: no test in {row:?}");
    }
}

#[test]
fn every_test_and_page_that_is_named_is_there() {
    let page = page();
    let mut missing = Vec::new();
    let mut files = BTreeMap::new();
    for (file, test) in named_tests(&page) {
        let file = format!("{file}.rs");
        let path = workspace().join(&file);
        let text = files.entry(file.clone()).or_insert_with(|| fs::read_to_string(path).ok());
        match text {
            None => missing.push(format!("the file {file}")),
            Some(text) if !text.contains(&format!("fn {test}(")) => {
                missing.push(format!("fn {test} in {file}"));
            }
            Some(_) => {}
        }
    }
    for target in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        if !target.contains("://") && !workspace().join("docs").join(target).exists() {
            missing.push(format!("the page {target}"));
        }
    }
    missing.dedup();
    assert!(missing.is_empty(), "docs/flink-parity.md names what is not there: {missing:#?}");
}
