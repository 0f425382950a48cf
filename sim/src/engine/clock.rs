//! Nodes' clocks: each may be off and run fast or slow.

use heck_core::time::Time;

/// A clock that was set, or given another pace, once and has run at its own pace since.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Clock {
    set_at_us: u64,
    /// What it showed then, in millionths of a microsecond: so that nothing is lost where its pace changes.
    showed_ps: i128,
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
        self.put(node, world, i128::from(shows.0) * MILLION, drift_ppm);
    }

    /// From now on a node's clock runs `drift_ppm` parts per million fast, from what it shows.
    pub fn set_drift(&mut self, node: u32, world: Time, drift_ppm: i32) {
        let clock = self.nodes.get(node as usize).copied().flatten();
        let shows_ps = clock.map_or(i128::from(world.0) * MILLION, |clock| clock.shows_ps(world));
        self.put(node, world, shows_ps, drift_ppm);
    }

    fn put(&mut self, node: u32, world: Time, showed_ps: i128, drift_ppm: i32) {
        let index = node as usize;
        if index >= self.nodes.len() {
            self.nodes.resize(index + 1, None);
        }
        let drift_ppm = drift_ppm.max(1 - MILLION as i32);
        self.nodes[index] = Some(Clock { set_at_us: world.0, showed_ps, drift_ppm });
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
    /// Picoseconds for each microsecond of world time.
    fn pace(self) -> i128 {
        MILLION + i128::from(self.drift_ppm)
    }

    fn shows_ps(self, world: Time) -> i128 {
        let elapsed = i128::from(world.0) - i128::from(self.set_at_us);
        self.showed_ps + elapsed * self.pace()
    }

    fn local(self, world: Time) -> Time {
        saturate(self.shows_ps(world).div_euclid(MILLION))
    }

    fn world(self, local: Time) -> Time {
        let to_come_ps = i128::from(local.0) * MILLION - self.showed_ps;
        // Rounded up: a moment earlier the clock does not show it yet.
        let elapsed = -(-to_come_ps).div_euclid(self.pace());
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
    fn a_clock_whose_pace_changes_goes_on_from_what_it_shows_and_loses_nothing() {
        let mut clocks = Clocks::default();
        // Each change comes after a third of a microsecond too few was shown.
        for step in 0..3_000 {
            clocks.set_drift(0, Time(step), if step % 2 == 0 { -333_333 } else { -333_334 });
        }
        assert_eq!(clocks.local(0, Time(3_000)), Time(1_999), "3,000 − 1,500 × 0.666667 µs");
        clocks.set_drift(0, Time(3_000), 0);
        assert_eq!(clocks.local(0, Time(4_000)), Time(2_999));
        assert_eq!(clocks.local(1, Time(4_000)), Time(4_000));
    }

    #[test]
    fn a_fast_clock_gains() {
        let mut clocks = Clocks::default();
        clocks.set(0, Time::ZERO, Time::ZERO, 100);
        assert_eq!(clocks.local(0, Time(1_000_000_000)), Time(1_000_100_000));
    }
}
