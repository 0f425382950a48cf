//! Lists in pages: a limit, and a cursor that says where the next page begins.

use super::problem::{Kind, Problem};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use heck_core::id::Name;

/// The most that one page has where a page is asked for.
pub(crate) const LIMIT: usize = 1_000;

/// How many rows a client asks for.
pub(crate) fn limit(given: Option<usize>, usual: usize) -> Result<usize, Problem> {
    match given {
        None => Ok(usual),
        Some(limit @ 1..=LIMIT) => Ok(limit),
        Some(limit) => {
            Err(Problem::new(Kind::Invalid, format!("`limit` is {limit}, allowed are 1 to {LIMIT}"))
                .next("Follow `next` of the answer to get the rest."))
        }
    }
}

/// The cursor that stands behind a row. Rows are in the order of their names, so a page is right whatever changes
/// between two of them, and the cursor of one node serves on every other.
pub(crate) fn cursor(name: &Name) -> String {
    URL_SAFE_NO_PAD.encode(name.as_str())
}

/// The name that a cursor stands behind.
pub(crate) fn after(cursor: Option<&str>) -> Result<Option<Name>, Problem> {
    let Some(cursor) = cursor else { return Ok(None) };
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
    let name = bytes.and_then(|bytes| Name::new(std::str::from_utf8(&bytes).ok()?).ok());
    let name = name.ok_or_else(|| {
        Problem::new(Kind::BadRequest, format!("`cursor` is `{cursor}`, which no list has given"))
            .next("Repeat `next` of the page before as it is, or leave the cursor out.")
    })?;
    Ok(Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_anything_else_is_refused() {
        let name = Name::new("a/ü").unwrap();
        assert_eq!(after(Some(&cursor(&name))).unwrap(), Some(name));
        assert_eq!(after(None).unwrap(), None);
        for wrong in ["", "!", "_w"] {
            assert!(after(Some(wrong)).is_err(), "{wrong}");
        }
        assert!(limit(Some(0), 100).is_err() && limit(Some(1_001), 100).is_err());
        assert_eq!(limit(None, 100).unwrap(), 100);
    }
}
