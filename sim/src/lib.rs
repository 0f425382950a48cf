//! The simulator of heck.
