//! Nodes' clocks: each may be off and run fast or slow.

use heck_core::time::Time;

/// A clock that was set once and has run at its own pace since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Clock {
    set_at_us: u64,
    showed_us: u64,
    /// Parts per million that it runs fast; above −1,000,000.
    drift_ppm: i32,
}

/// The clocks of all nodes; they cost nothing until one is set.
#[derive(Default, Debug)]
pub struct Clocks {
    nodes: Vec<Option<Clock>>,
}

const MILLION: i128 = 1_000_000;

impl Clocks {
    /// Sets a node's clock to `shows`, from where it runs `drift_ppm` parts per million fast (slow if
    /// negative; a pace of zero or less counts as one millionth).
    pub fn set(&mut self, node: u32, world: Time, shows: Time, drift_ppm: i32) {
        let index = node as usize;
        if index >= self.nodes.len() {
            self.nodes.resize(index + 1, None);
        }
        let drift_ppm = drift_ppm.max(1 - MILLION as i32);
        self.nodes[index] = Some(Clock { set_at_us: world.0, showed_us: shows.0, drift_ppm });
    }

    /// What a node's clock shows.
    #[must_use]
    #[inline]
    pub fn local(&self, node: u32, world: Time) -> Time {
        if self.nodes.is_empty() {
            return world;
        }
        self.nodes.get(node as usize).copied().flatten().map_or(world, |clock| clock.local(world))
    }

    /// The earliest world time at which a node's clock shows `local` or later.
    #[must_use]
    #[inline]
    pub fn world(&self, node: u32, local: Time) -> Time {
        if self.nodes.is_empty() {
            return local;
        }
        self.nodes.get(node as usize).copied().flatten().map_or(local, |clock| clock.world(local))
    }
}

impl Clock {
    fn local(self, world: Time) -> Time {
        let elapsed = i128::from(world.0) - i128::from(self.set_at_us);
        let shown = (elapsed * (MILLION + i128::from(self.drift_ppm))).div_euclid(MILLION);
        saturate(i128::from(self.showed_us) + shown)
    }

    fn world(self, local: Time) -> Time {
        let shown = i128::from(local.0) - i128::from(self.showed_us);
        let pace = MILLION + i128::from(self.drift_ppm);
        // Rounded up: a moment earlier the clock does not show it yet.
        let elapsed = -(-shown * MILLION).div_euclid(pace);
        saturate(i128::from(self.set_at_us) + elapsed)
    }
}

fn saturate(us: i128) -> Time {
    Time(us.clamp(0, i128::from(u64::MAX)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_clocks_show_world_time() {
        let mut clocks = Clocks::default();
        assert_eq!(clocks.local(3, Time(5)), Time(5));
        clocks.set(0, Time(0), Time(100), 0);
        assert_eq!(clocks.local(3, Time(5)), Time(5));
        assert_eq!(clocks.local(0, Time(5)), Time(105));
    }

    #[test]
    fn world_is_the_first_moment_at_which_the_clock_shows_a_time() {
        let mut clocks = Clocks::default();
        for drift_ppm in [-999_999, -500_000, -100, 0, 77, 1_000_000, 3_000_000] {
            clocks.set(0, Time(1_000), Time(2_000_000), drift_ppm);
            for local_us in [1_999_990, 2_000_000, 2_000_001, 2_123_457] {
                let world = clocks.world(0, Time(local_us));
                assert!(clocks.local(0, world) >= Time(local_us), "{drift_ppm} {local_us}");
                if world > Time::ZERO {
                    let before = Time(world.0 - 1);
                    assert!(clocks.local(0, before) < Time(local_us), "{drift_ppm} {local_us}");
                }
            }
        }
    }

    #[test]
    fn a_fast_clock_gains() {
        let mut clocks = Clocks::default();
        clocks.set(0, Time::ZERO, Time::ZERO, 100);
        assert_eq!(clocks.local(0, Time(1_000_000_000)), Time(1_000_100_000));
    }
}
