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
    /// A normal distribution, cut off below.
    pub struct Normal {
        /// Its mean.
        mean: Span = plain(),
        /// Its standard deviation.
        sd: Span = plain(),
        /// What lies below is raised to this.
        min: Span = default("0s"),
    }
}

section! {
    "latency: lognormal"
    /// A log-normal distribution: most datagrams are near the median, a few are much later.
    pub struct Lognormal {
        /// Half of all datagrams are faster.
        median: Span = plain().at_least("1us"),
        /// 95 % of all datagrams are faster.
        p95: Span = plain().at_least("1us"),
        /// What lies below is raised to this.
        min: Span = default("0s"),
    }
}

section! {
    "latency: exponential"
    /// A least latency plus an exponentially distributed wait.
    pub struct Exponential {
        /// The least latency.
        min: Span = default("0s"),
        /// Mean of the wait that comes on top.
        mean: Span = plain(),
    }
}

one_of! {
    "latency" or Span
    /// How long a datagram is on its way: one time for all, or a table with one of these distributions.
    pub enum Latency {
        /// Always the same.
        Constant(Span) = "constant",
        /// Uniform between two bounds.
        Uniform(Uniform) = "uniform",
        /// Normal, cut off below.
        Normal(Normal) = "normal",
        /// Log-normal, given by median and 95th percentile.
        Lognormal(Lognormal) = "lognormal",
        /// A floor plus an exponential wait.
        Exponential(Exponential) = "exponential",
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
        /// All that a node sends.
        Sender = "sender",
        /// All that a node receives.
        Receiver = "receiver",
    }
}

section! {
    "burst"
    /// Bursts of loss after Gilbert and Elliott: a chain changes between good and bad times, both exponentially
    /// distributed, and each has its own loss. It takes the place of `loss`.
    pub struct Burst {
        /// Mean length of the good times.
        good: Span = plain().at_least("1us"),
        /// Mean length of the bad times.
        bad: Span = plain().at_least("1us"),
        /// Loss in good times.
        loss_good: Fraction = default("0%"),
        /// Loss in bad times.
        loss_bad: Fraction = default("100%"),
        /// Whose datagrams share a chain; each node has one of its own.
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
        /// Loss, each datagram for itself; ends the bursts of `[network]` on this link.
        loss: Option<Fraction> = plain(),
        /// Loss in bursts; takes the place of `loss`.
        burst: Option<Burst> = plain(),
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
        /// Loss in bursts; takes the place of `loss`.
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

/// How datagrams are lost.
#[derive(Clone, PartialEq, Debug)]
pub enum Loss {
    /// Each for itself.
    Even(Fraction),
    /// In bursts.
    Burst(Burst),
}

/// What holds from one zone to another.
#[derive(Clone, PartialEq, Debug)]
pub struct Path {
    /// Latency.
    pub latency: Latency,
    /// Loss.
    pub loss: Loss,
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
            loss: self.burst.clone().map_or(Loss::Even(self.loss), Loss::Burst),
            duplicate: self.duplicate,
            reorder: self.reorder.clone(),
        };
        for link in self.link.iter().filter(|link| link.fits(from, to)) {
            if let Some(latency) = &link.latency {
                path.latency = latency.clone();
            }
            if let Some(loss) = link.loss {
                path.loss = Loss::Even(loss);
            }
            if let Some(burst) = &link.burst {
                path.loss = Loss::Burst(burst.clone());
            }
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
