//! What can be said without simulating heck: the talk's recurrence, large-N maps of gossip, and lower bounds.
//!
//! Every measured curve is shown beside these. Logarithms, exponentials and powers come from `libm`, so the
//! numbers are equal on every machine.

pub mod bounds;
pub mod head_of_line;
pub mod maps;
pub mod monte_carlo;
pub mod owners;
pub mod tables;
pub mod talk;

/// Messages of a repair that can be lost: each of them is a datagram, and each direction loses independently.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Messages {
    /// The payload alone, as the talk's analysis counts.
    One,
    /// Request and reply: pull.
    Two,
    /// Digest, solicitation and retransmission: push of digests.
    Three,
}

impl Messages {
    /// The probability that all messages of one exchange arrive, at this loss per message.
    #[must_use]
    pub fn survival(self, loss: f64) -> f64 {
        let arrives = 1.0 - loss;
        match self {
            Self::One => arrives,
            Self::Two => arrives * arrives,
            Self::Three => arrives * arrives * arrives,
        }
    }
}
