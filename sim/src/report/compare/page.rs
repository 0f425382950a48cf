//! A page that quotes results: a template whose braces are filled in from `systems.csv` files.
//!
//! `{{talk/matrix | 10% | heck | all_s}}` is a value (the point may be empty), `{{talk/matrix | all_s}}` the whole table of
//! a measure, `{{talk/rounds | 50 % | heck | round 10}}` the share of nodes after a round, `{{talk/cities | | heck | zone
//! tokyo}}` the 95th percentile of what arrived in a zone in milliseconds, `{{talk/graphs | cuts}}` the smallest cuts of graphs by
//! name, and `{{talk/owners.md}}` a whole file. What cannot be filled in is an error, so no figure on the page stands without a run behind it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::markdown::{cell, cuts, table};
use super::rounds::RoundRow;
use super::rows::{CutRow, SystemRow, ZoneRow};
use super::store::{CUTS, ROUNDS, SYSTEMS, ZONES};
use crate::report::files::from_csv;
use crate::scenario::compare::Column;

/// Why a page cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A file of results cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A quotation cannot be filled in.
    #[error("line {line} of the template: `{{{{{quoted}}}}}` {what}")]
    Quotation {
        /// The line, from 1.
        line: usize,
        /// What stands between the braces.
        quoted: String,
        /// What is wrong, and what is allowed.
        what: String,
    },
}

/// Fills in a template from the results in a folder.
///
/// # Errors
/// When results cannot be read, or a quotation is of something that is not there.
pub fn fill(template: &str, results: &Path) -> Result<String, PageError> {
    let mut read = BTreeMap::new();
    let mut page = String::new();
    for (number, line) in template.lines().enumerate() {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{") {
            let wrong = |quoted: &str, what: String| PageError::Quotation {
                line: number + 1,
                quoted: quoted.to_owned(),
                what,
            };
            let Some((quoted, after)) = after.split_once("}}") else {
                return Err(wrong(after, "does not end".to_owned()));
            };
            page.push_str(before);
            let parts: Vec<&str> = quoted.split('|').map(str::trim).collect();
            let scenario = parts[0].to_owned();
            let folder = results.join(&scenario);
            let text = if parts.len() == 1 && scenario.ends_with(".md") {
                let file = fs::read_to_string(&folder);
                Ok(file.map_err(|source| PageError::Read { path: folder, source })?.trim_end().to_owned())
            } else if let [_, point, curve, round] = parts[..]
                && let Some(round) = round.strip_prefix("round ")
            {
                let rows: Vec<RoundRow> = load(&folder, ROUNDS)?.map_err(|what| wrong(quoted, what))?;
                quote_round(&rows, [point, curve, round])
            } else if let [_, point, system, zone] = parts[..]
                && let Some(zone) = zone.strip_prefix("zone ")
            {
                let rows: Vec<ZoneRow> = load(&folder, ZONES)?.map_err(|what| wrong(quoted, what))?;
                quote_zone(&rows, [point, system, zone])
            } else if let [_, "cuts"] = parts[..] {
                let rows: Vec<CutRow> = load(&folder, CUTS)?.map_err(|what| wrong(quoted, what))?;
                Ok(cuts(&rows).trim_end().to_owned())
            } else {
                if !read.contains_key(&scenario) {
                    let rows = load(&folder, SYSTEMS)?.map_err(|what| wrong(quoted, what))?;
                    read.insert(scenario.clone(), rows);
                }
                quote(&read[&scenario], &parts[1..])
            };
            let text = text.map_err(|what| wrong(quoted, what))?;
            page.push_str(&text);
            rest = after;
        }
        page.push_str(rest);
        page.push('\n');
    }
    Ok(page)
}

fn load<Row: DeserializeOwned>(
    folder: &Path,
    file: &'static str,
) -> Result<Result<Vec<Row>, String>, PageError> {
    let path = folder.join(file);
    let text = fs::read_to_string(&path);
    let text = text.map_err(|source| PageError::Read { path, source })?;
    Ok(from_csv(file, &text).map_err(|error| error.to_string()))
}

fn quote_round(rows: &[RoundRow], [point, curve, round]: [&str; 3]) -> Result<String, String> {
    let mut of_curve = rows.iter().filter(|row| row.point == point && row.curve == curve);
    let row = of_curve.find(|row| row.round.to_string() == round);
    let row = row.ok_or_else(|| {
        let mut curves: Vec<String> =
            rows.iter().map(|row| format!("{} | {}", row.point, row.curve)).collect();
        curves.dedup();
        format!("names no row; there are {}, each at some rounds", curves.join(", "))
    })?;
    Ok(format!("{:.2} %", 100.0 * row.share.0))
}

fn quote_zone(rows: &[ZoneRow], [point, system, zone]: [&str; 3]) -> Result<String, String> {
    let is_meant = |row: &&ZoneRow| row.point == point && row.system == system && row.zone == zone;
    let row = rows.iter().find(is_meant).ok_or_else(|| {
        let known: Vec<String> =
            rows.iter().map(|row| format!("{} | zone {}", row.system, row.zone)).collect();
        format!("names no row; there are {}", known.join(", "))
    })?;
    Ok(format!("{:.1}", row.p95_ms.0))
}

fn column(name: &str) -> Result<Column, String> {
    let words: Vec<&str> = Column::ALL.iter().map(|column| column.word()).collect();
    let found = Column::ALL.iter().find(|column| column.word() == name);
    found.copied().ok_or_else(|| format!("names no measure; there are {}", words.join(", ")))
}

fn quote(rows: &[SystemRow], parts: &[&str]) -> Result<String, String> {
    match parts {
        [measure] => {
            let table = table(rows, column(measure)?);
            if table.is_empty() { Err("has no values".to_owned()) } else { Ok(table.trim_end().to_owned()) }
        }
        [point, system, measure] => {
            let column = column(measure)?;
            let row = rows.iter().find(|row| row.point == *point && row.system == *system);
            let row = row.ok_or_else(|| {
                let known = rows.iter().map(|row| format!("{} | {}", row.point, row.system));
                format!("names no row; there are {}", known.collect::<Vec<_>>().join(", "))
            })?;
            let text = cell(row, column);
            if text.is_empty() { Err("has no value".to_owned()) } else { Ok(text) }
        }
        _ => Err("is neither scenario | measure nor scenario | point | system | measure".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = "point,system,nodes,runs,never,all_s,all_s_low,all_s_high,p50_s,p95_s,delivered,refused,wait_ms,\
        bytes_per_node_s,busiest_bytes_s,datagram_max,queue_max,memory_max,diverged,overruled,probes_per_interval,\
        known_s,known_never,graph_cut,graph_parts\n\
        10%,heck,100,5,0,1.234,1.000,2.000,0.050,1.000,1.000000,0.0,,12345.6,1.0,1400.0,5.0,9.0,,,,,0,,\n";

    fn filled(template: &str) -> Result<String, String> {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("talk/q")).expect("a folder");
        fs::write(folder.path().join("talk/q").join(SYSTEMS), ROWS).expect("written");
        let zones = "point,system,zone,p50_ms,p95_ms,late\n,heck,tokyo,119.002,133.441,15\n";
        fs::write(folder.path().join("talk/q").join(ZONES), zones).expect("written");
        let cuts = "point,cut,from,to,source,target\n10%,arrows,3,5,3,4\n";
        fs::write(folder.path().join("talk/q").join(CUTS), cuts).expect("written");
        fill(template, folder.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn quotations_are_filled_in_and_what_is_not_there_is_an_error_with_its_line() {
        let page = filled("a\n{{talk/q | 10% | heck | all_s}} and {{talk/q|10%|heck|bytes_per_node_s}}.");
        assert_eq!(page, Ok("a\n1.23 s and 12,346.\n".to_owned()));
        assert!(filled("{{talk/q | delivered}}").expect("a table").contains("| heck | 100.00 % |"));
        assert_eq!(filled("{{talk/q | | heck | zone tokyo}}"), Ok("133.4\n".to_owned()));
        assert!(filled("{{talk/q | cuts}}").expect("cuts").contains("| 10% | 3 → 5: nothing from 3 to 4 |"));
        for (template, what) in [
            ("{{talk/q | | heck | zone london}}", "names no row"),
            ("\n{{talk/q | 10% | roshi | all_s}}", "line 2"),
            ("{{talk/q | 10% | heck | al_s}}", "names no measure"),
            ("{{talk/q | 10% | heck | diverged}}", "has no value"),
            ("{{talk/q | diverged}}", "has no values"),
            ("{{talk/q", "does not end"),
            ("{{talk/x | all_s}}", "cannot read"),
        ] {
            let error = filled(template).expect_err(template);
            assert!(error.contains(what), "{error}");
        }
    }
}
