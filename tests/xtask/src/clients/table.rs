//! The matrix as people and as programs read it.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use anyhow::Result;
use harness::clients::{ClientReport, Outcome};
use serde_json::{Map, Value, json};

/// Prints a line per check, a column per client, and the failures below.
pub(super) fn print(reports: &[ClientReport]) -> Result<()> {
    let mut out = io::stdout().lock();
    let ran = || reports.iter().filter(|report| report.skipped.is_none());
    write!(out, "{:CHECK_WIDTH$}", "")?;
    for report in ran() {
        write!(out, "  {:>COLUMN_WIDTH$}", report.client.name())?;
    }
    writeln!(out)?;
    for check in checks(reports) {
        write!(out, "{check:CHECK_WIDTH$}")?;
        for report in ran() {
            write!(out, "  {:>COLUMN_WIDTH$}", word(outcome(report, check)))?;
        }
        writeln!(out)?;
    }
    for report in reports {
        match &report.skipped {
            Some(why) => writeln!(out, "SKIPPED {}: {why}", report.client)?,
            None => {
                let seconds = report.took.as_secs_f64();
                writeln!(out, "{}: {}, {seconds:.1} s", report.client, versions(report))?;
                for told in &report.told {
                    writeln!(out, "  {told}")?;
                }
            }
        }
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for report in reports {
        for finding in &report.findings {
            *counts.entry(word(Some(&finding.outcome))).or_default() += 1;
            if let Outcome::Failed(why) = &finding.outcome {
                writeln!(out, "FAILED {}, {}: {why}", report.client, finding.check)?;
            }
        }
    }
    let count = |word| counts.get(word).copied().unwrap_or_default();
    writeln!(out, "{} passed, {} failed, {} skipped", count("pass"), count("FAIL"), count("-"))?;
    Ok(())
}

/// Prints one JSON array, an object per client.
pub(super) fn print_json(reports: &[ClientReport]) -> Result<()> {
    let mut told = Vec::new();
    for report in reports {
        let mut checks = Map::new();
        for finding in &report.findings {
            let outcome = match &finding.outcome {
                Outcome::Passed => json!({"outcome": "pass"}),
                Outcome::Failed(why) => json!({"outcome": "fail", "why": why}),
                Outcome::Unsupported => json!({"outcome": "unsupported"}),
            };
            checks.insert(finding.check.clone(), outcome);
        }
        told.push(json!({
            "client": report.client.name(), "versions": report.versions,
            "seconds": report.took.as_secs_f64(), "skipped": report.skipped, "checks": checks,
            "told": report.told,
        }));
    }
    writeln!(io::stdout(), "{:#}", Value::Array(told))?;
    Ok(())
}

/// Every check of any client, in order.
fn checks(reports: &[ClientReport]) -> Vec<&str> {
    let mut checks = Vec::new();
    for finding in reports.iter().flat_map(|report| &report.findings) {
        if !checks.contains(&finding.check.as_str()) {
            checks.push(finding.check.as_str());
        }
    }
    checks
}

fn outcome<'a>(report: &'a ClientReport, check: &str) -> Option<&'a Outcome> {
    report.findings.iter().find(|finding| finding.check == check).map(|finding| &finding.outcome)
}

fn word(outcome: Option<&Outcome>) -> &'static str {
    match outcome {
        Some(Outcome::Passed) => "pass",
        Some(Outcome::Failed(_)) => "FAIL",
        Some(Outcome::Unsupported) => "-",
        None => "",
    }
}

fn versions(report: &ClientReport) -> String {
    let each = report.versions.iter().map(|(name, version)| format!("{name} {version}"));
    each.collect::<Vec<_>>().join(", ")
}

const CHECK_WIDTH: usize = 30;
const COLUMN_WIDTH: usize = 15;
