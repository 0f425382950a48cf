//! Reading and changing a scenario file by dotted keys.

use toml::{Table, Value};

/// The value at a dotted key.
pub(super) fn get<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    match (table.get(first), rest) {
        (found, None) => found,
        (Some(Value::Table(inner)), Some(rest)) => get(inner, rest),
        _ => None,
    }
}

/// Puts a value at a dotted key, with the tables on the way.
pub(super) fn set(table: &mut Table, key: &str, value: impl Into<Value>) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value.into());
        }
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

/// Takes out what stands at a dotted key.
pub(super) fn remove(table: &mut Table, key: &str) -> Option<Value> {
    match key.split_once('.') {
        None => table.remove(key),
        Some((first, rest)) => match table.get_mut(first) {
            Some(Value::Table(inner)) => remove(inner, rest),
            _ => None,
        },
    }
}

/// A time in milliseconds, as a scenario has it.
pub(super) fn ms(time_ms: u64) -> String {
    if time_ms.is_multiple_of(1_000) { format!("{}s", time_ms / 1_000) } else { format!("{time_ms}ms") }
}

/// The milliseconds of a time as [`ms`] writes it.
pub(super) fn read_ms(value: &Value) -> Option<u64> {
    let text = value.as_str()?;
    match text.strip_suffix("ms") {
        Some(number) => number.parse().ok(),
        None => text.strip_suffix('s')?.parse::<u64>().ok()?.checked_mul(1_000),
    }
}
