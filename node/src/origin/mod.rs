//! Origins as people write them: the document of files, API and command line, and what of it the core carries.

mod document;
mod endpoint;
mod period;
mod statuses;
mod target;

pub use document::{AdminState, DocumentError, OriginDocument};
pub use endpoint::{Endpoint, Host, Scheme, UrlError};
pub use period::{Period, PeriodError};
pub use statuses::Statuses;
pub use target::{HeaderText, Secret, Target, TargetError};
