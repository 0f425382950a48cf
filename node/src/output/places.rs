//! Where origins are, and by which tags they are found: taken from their descriptions once, not for each question.

use crate::api::{Model, OriginRow, Table};
use crate::origin::{Endpoint, Target};
use heck_core::entry::Body;
use heck_core::id::Name;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Where an origin is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// The URL of its check, taken apart.
    pub endpoint: Endpoint,
    /// That URL as it was written.
    pub url: String,
}

/// Where all origins are. One whose URL this version cannot read is nowhere.
#[derive(Debug, Default)]
pub(crate) struct Places {
    version: u64,
    by_name: BTreeMap<Name, Place>,
    by_tag: BTreeMap<String, Vec<Name>>,
}

/// Finds origins. Clones share what they found.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    model: Model,
    places: Arc<Mutex<Arc<Places>>>,
}

impl Directory {
    pub(crate) fn new(model: Model) -> Self {
        Self { model, places: Arc::default() }
    }

    /// Where origins are now. Made anew when an origin has been added, edited or removed.
    pub(crate) fn places(&self) -> Arc<Places> {
        let origins = self.model.origins.borrow().clone();
        // What the lock guards is whole at any time.
        let mut held = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if held.version != origins.version() {
            *held = Arc::new(Places::of(&origins));
        }
        held.clone()
    }
}

impl Places {
    fn of(origins: &Table<OriginRow>) -> Self {
        let mut places = Self { version: origins.version(), ..Self::default() };
        for (name, row) in origins.after(None) {
            let Body::Origin { spec, .. } = &row.value.entry.body else { continue };
            let Ok(target) = Target::read(&spec.target) else { continue };
            let Ok(endpoint) = Endpoint::parse(&target.url) else { continue };
            for tag in target.tags {
                places.by_tag.entry(tag).or_default().push(name.clone());
            }
            places.by_name.insert(name.clone(), Place { endpoint, url: target.url });
        }
        places
    }

    /// Where an origin is.
    pub(crate) fn get(&self, name: &Name) -> Option<&Place> {
        self.by_name.get(name)
    }

    /// All origins, by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Name, &Place)> {
        self.by_name.iter()
    }

    /// All tags with their origins, by name.
    pub(crate) fn tags(&self) -> impl Iterator<Item = (&str, &[Name])> {
        self.by_tag.iter().map(|(tag, names)| (tag.as_str(), names.as_slice()))
    }

    /// The origins of a tag, by name; none when nobody has it.
    pub(crate) fn tagged(&self, tag: &str) -> &[Name] {
        self.by_tag.get(tag).map_or(&[], Vec::as_slice)
    }
}
