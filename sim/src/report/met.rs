//! The table of what a swarm met.

/// One thing that scenarios may meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MetRow<'a> {
    /// What kind of thing.
    pub kind: &'a str,
    /// Which.
    pub name: &'a str,
    /// In how many scenarios.
    pub scenarios: u64,
    /// How often in all.
    pub times: u64,
}

/// The table as CSV.
///
/// # Errors
/// When a record cannot be written, which memory does not refuse.
pub fn csv_of<'a>(rows: impl Iterator<Item = MetRow<'a>>) -> Result<Vec<u8>, csv::Error> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["kind", "name", "scenarios", "times"])?;
    for row in rows {
        table.write_record([row.kind, row.name, &row.scenarios.to_string(), &row.times.to_string()])?;
    }
    table.into_inner().map_err(|error| error.into_error().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_line_below_the_names_of_the_columns() {
        let row = MetRow { kind: "fault", name: "crash", scenarios: 2, times: 5 };
        let table = csv_of([row].into_iter()).expect("a table");
        assert_eq!(String::from_utf8_lossy(&table), "kind,name,scenarios,times\nfault,crash,2,5\n");
    }
}
