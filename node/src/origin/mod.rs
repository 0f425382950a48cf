//! Origins as people write them: the document of files, API and command line, and what of it the core carries.

mod document;
mod endpoint;
mod file;
mod period;
mod reload;
mod statuses;
mod target;
mod watch;

pub use document::{AdminState, DocumentError, OriginDocument};
pub use endpoint::{Endpoint, Host, Scheme, UrlError};
pub use file::OriginsFile;
pub use period::{Period, PeriodError};
pub use reload::{Plan, ReloadError, reload};
pub use statuses::Statuses;
pub(crate) use target::REGEX_LIMIT_BYTES;
pub use target::{HeaderText, Secret, Target, TargetError};
pub use watch::{Watched, watch};
