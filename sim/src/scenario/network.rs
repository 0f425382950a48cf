//! `[network]`: what happens to a datagram between two nodes.

use heck_core::time::Span;

use super::read::{default, plain};
use super::section::{choice, one_of, section};
use crate::units::{BitRate, Bytes, Fraction};

section! {
    "latency: uniform"
    /// Every latency between two bounds is equally likely.
    pub struct Uniform {
        /// The least latency.
        min: Span = plain(),
        /// The greatest latency.
        max: Span = plain(),
    }
}

section! {
    "latency: normal"
    /// A normal distribution, cut off on both sides.
    pub struct Normal {
        /// Mean of the distribution before it is cut.
        mean: Span = plain(),
        /// Its standard deviation.
        sd: Span = plain().at_least("1us"),
        /// The least latency.
        min: Span = default("0s"),
        /// The greatest latency; without it mean + 6 sd.
        max: Option<Span> = plain(),
    }
}

impl Normal {
    /// The greatest latency.
    #[must_use]
    pub fn greatest(&self) -> Span {
        self.max.unwrap_or_else(|| self.mean + self.sd.times(6))
    }
}

section! {
    "latency: lognormal"
    /// A log-normal distribution above a floor: most datagrams are near the median, a few are much later.
    pub struct Lognormal {
        /// No datagram is faster; the distribution begins here.
        floor: Span = default("0s"),
        /// Half of all datagrams are faster, floor included.
        median: Span = plain(),
        /// 95 % of all datagrams are faster, floor included.
        p95: Span = plain(),
        /// What would take longer takes this long; without it 100 × p95.
        max: Option<Span> = plain(),
    }
}

/// The 95th percentile of the standard normal distribution.
const NORMAL_P95: f64 = 1.644_853_626_951_472_2;

impl Lognormal {
    /// The standard deviation of the logarithm of what comes on top of the floor.
    #[must_use]
    pub fn sigma(&self) -> f64 {
        let above = |span: Span| span.as_us().saturating_sub(self.floor.as_us()).max(1) as f64;
        libm::log(above(self.p95) / above(self.median)) / NORMAL_P95
    }

    /// The greatest latency.
    #[must_use]
    pub fn greatest(&self) -> Span {
        self.max.unwrap_or_else(|| self.p95.times(100))
    }
}

one_of! {
    "latency" or Span
    /// How long something takes, such as a datagram on its way: one time for all, or a table with one of these
    /// distributions.
    pub enum Latency {
        /// Always the same.
        Constant(Span) = "constant",
        /// Uniform between two bounds.
        Uniform(Uniform) = "uniform",
        /// Normal, cut off on both sides.
        Normal(Normal) = "normal",
        /// Log-normal, given by median and 95th percentile.
        Lognormal(Lognormal) = "lognormal",
        /// Measured quantiles, evenly spaced from the least to the greatest, straight lines in between.
        Quantiles(Vec<Span>) = "quantiles",
    }
}

impl Latency {
    /// The greatest latency.
    #[must_use]
    pub fn greatest(&self) -> Span {
        match self {
            Self::Constant(span) => *span,
            Self::Uniform(uniform) => uniform.max,
            Self::Normal(normal) => normal.greatest(),
            Self::Lognormal(lognormal) => lognormal.greatest(),
            Self::Quantiles(quantiles) => quantiles.iter().copied().max().unwrap_or_default(),
        }
    }
}

impl From<Span> for Latency {
    fn from(span: Span) -> Self {
        Self::Constant(span)
    }
}

choice! {
    /// Whose datagrams share one chain of good and bad times.
    pub enum BurstAt {
        /// What one node sends to one other.
        Link = "link",
        /// All that a node sends.
        Sender = "sender",
        /// All that a node receives.
        Receiver = "receiver",
    }
}

section! {
    "burst"
    /// Bursts of loss after Gilbert and Elliott: a chain changes between good and bad times, both exponentially
    /// distributed, and each has its own loss.
    pub struct Burst {
        /// Mean length of the good times.
        good: Span = plain().at_least("1us"),
        /// Mean length of the bad times.
        bad: Span = plain().at_least("1us"),
        /// Loss in good times.
        loss_good: Fraction = default("0%"),
        /// Loss in bad times.
        loss_bad: Fraction = default("100%"),
        /// Whose datagrams share a chain.
        at: BurstAt = default("sender"),
    }
}

impl Burst {
    /// The mean loss over long times, to compare it with loss that comes evenly.
    #[must_use]
    pub fn mean_loss(&self) -> f64 {
        let (good, bad) = (self.good.as_us() as f64, self.bad.as_us() as f64);
        (good * self.loss_good.as_f64() + bad * self.loss_bad.as_f64()) / (good + bad)
    }
}

section! {
    "reorder"
    /// Some datagrams are held back, so that later ones overtake them.
    pub struct Reorder {
        /// How many are held back.
        fraction: Fraction = plain(),
        /// For how long.
        by: Span = plain(),
    }
}

section! {
    "[[network.link]]"
    /// A pair of zones whose links differ from the rest. Keys that are not named keep the value of `[network]`;
    /// where several entries fit, the last one that names a key decides.
    pub struct Link {
        /// Zone of the sender; `"*"` for any.
        from: String = plain(),
        /// Zone of the receiver; `"*"` for any.
        to: String = plain(),
        /// Whether the way back is the same.
        both: bool = default("true"),
        /// Latency.
        latency: Option<Latency> = plain(),
        /// Loss, each datagram for itself.
        loss: Option<Fraction> = plain(),
        /// How many datagrams arrive twice.
        duplicate: Option<Fraction> = plain(),
        /// Datagrams that are held back.
        reorder: Option<Reorder> = plain(),
    }
}

section! {
    "[network]"
    /// What happens to a datagram between two nodes. Each datagram and each direction is decided for itself: at
    /// 50 % loss, a request with its reply succeeds in 25 % of cases.
    pub struct Network {
        /// How long a datagram is on its way.
        latency: Latency = plain(),
        /// How many datagrams are lost, each for itself.
        loss: Fraction = default("0%"),
        /// Loss in bursts, in the whole network and on top of `loss`.
        burst: Option<Burst> = plain(),
        /// How many datagrams arrive twice.
        duplicate: Fraction = default("0%"),
        /// Datagrams that are held back.
        reorder: Option<Reorder> = plain(),
        /// What a node can send; unlimited when not given.
        bandwidth: Option<BitRate> = plain().at_least("1kbit/s"),
        /// What waits for the bandwidth of a node; datagrams beyond it are dropped.
        queue: Bytes = default("1MiB"),
        /// Payload of the largest datagram that passes; larger ones are dropped.
        mtu: Bytes = default("1472B").at_least("64B").at_most("65507B"),
        /// Pairs of zones that differ.
        link: Vec<Link> = plain(),
    }
}

/// What holds from one zone to another.
#[derive(Clone, PartialEq, Debug)]
pub struct Path {
    /// Latency.
    pub latency: Latency,
    /// Loss, each datagram for itself.
    pub loss: Fraction,
    /// How many datagrams arrive twice.
    pub duplicate: Fraction,
    /// Datagrams that are held back.
    pub reorder: Option<Reorder>,
}

impl Network {
    /// What holds for datagrams from zone `from` to zone `to`: the section's own keys, overridden by each link
    /// that fits, in the order of the file.
    #[must_use]
    pub fn path(&self, from: &str, to: &str) -> Path {
        let mut path = Path {
            latency: self.latency.clone(),
            loss: self.loss,
            duplicate: self.duplicate,
            reorder: self.reorder.clone(),
        };
        for link in self.link.iter().filter(|link| link.fits(from, to)) {
            if let Some(latency) = &link.latency {
                path.latency = latency.clone();
            }
            path.loss = link.loss.unwrap_or(path.loss);
            path.duplicate = link.duplicate.unwrap_or(path.duplicate);
            path.reorder = link.reorder.clone().or(path.reorder);
        }
        path
    }
}

impl Link {
    fn fits(&self, from: &str, to: &str) -> bool {
        let one_way = |from: &str, to: &str| {
            (self.from == "*" || self.from == from) && (self.to == "*" || self.to == to)
        };
        one_way(from, to) || (self.both && one_way(to, from))
    }
}
