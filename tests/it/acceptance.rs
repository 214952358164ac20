//! The tables of acceptance name tests that are there.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};

use crate::source_tree::{root, rust_files};

#[test]
fn every_test_that_the_acceptance_tables_name_is_there() -> Result<()> {
    let path = root().join(TABLES);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let named: BTreeSet<&str> =
        text.split('`').skip(1).step_by(2).filter(|it| is_test(it)).collect();
    ensure!(named.len() > NAMED_MIN, "only {} tests are named: {named:?}", named.len());
    let files = rust_files();
    let is_there =
        |name: &&&str| files.iter().any(|file| file.text.contains(&format!("fn {name}(")));
    let missing: Vec<_> = named.iter().filter(|name| !is_there(name)).collect();
    ensure!(missing.is_empty(), "{TABLES} names tests that are not there: {missing:?}");
    Ok(())
}

/// Sentences in snake case: all tests are called so, and nothing else between backticks is.
fn is_test(text: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    text.contains('_') && text != "read_committed" && text.bytes().all(is_name)
}

const TABLES: &str = "control/mirror-coordinator/ACCEPTANCE.md";
/// Far fewer would mean that they are not found any more.
const NAMED_MIN: usize = 60;
