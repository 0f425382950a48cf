//! Disks: a record is safe once it is synced, some time after it was written; a crash loses the rest.

use super::draw::{Dice, Purpose};
use super::latency::Latency;
use super::slab::Slab;

/// How disks behave.
#[derive(Clone, PartialEq, Debug)]
pub struct DiskConfig {
    /// From the write to the sync, unless [`Disks::set_sync`] says otherwise for a node. Syncs of one node complete in the order of its writes.
    pub sync: Latency,
    /// Whether records are stored. Without it they are acknowledged all the same, and a restarted node finds
    /// an empty disk: for runs without restarts.
    pub stored: bool,
}

impl Default for DiskConfig {
    /// Two milliseconds to sync, as an SSD with a flush, and records are stored.
    fn default() -> Self {
        Self { sync: Latency::Constant { us: 2_000 }, stored: true }
    }
}

/// What a crash takes away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DiskLoss {
    /// Nothing: the process was killed, and the operating system still writes what it was given.
    Nothing,
    /// What was not synced: the power failed.
    Unsynced,
    /// Everything: the disk is gone.
    Everything,
}

/// The disks of all nodes.
#[derive(Debug)]
pub struct Disks<R> {
    config: DiskConfig,
    dice: Dice,
    nodes: Vec<NodeDisk<R>>,
    syncs: Slab<Sync>,
}

#[derive(Debug)]
struct NodeDisk<R> {
    /// With sequence numbers, in the order of writing.
    records: Vec<(u64, R)>,
    /// So many records from the first are safe.
    synced: usize,
    /// So many records were written in earlier lives; each life numbers its own anew.
    before: usize,
    /// When the last sync under way completes.
    busy_until_us: u64,
    /// Numbers the draws of the sync's duration.
    writes: u64,
    /// Instead of the configuration's.
    sync: Option<Latency>,
}

impl<R> Default for NodeDisk<R> {
    fn default() -> Self {
        Self { records: Vec::new(), synced: 0, before: 0, busy_until_us: 0, writes: 0, sync: None }
    }
}

/// A sync under way.
#[derive(Debug)]
struct Sync {
    life: u32,
    up_to: u64,
}

impl<R> Disks<R> {
    pub(super) fn new(config: DiskConfig, dice: Dice) -> Self {
        Self { config, dice, nodes: Vec::new(), syncs: Slab::default() }
    }

    fn node_mut(&mut self, node: u32) -> &mut NodeDisk<R> {
        let index = node as usize;
        if index >= self.nodes.len() {
            self.nodes.resize_with(index + 1, NodeDisk::default);
        }
        &mut self.nodes[index]
    }

    /// Writes the records of one step; tells when they are synced, and under which slot.
    pub(super) fn write(
        &mut self,
        now_us: u64,
        node: u32,
        life: u32,
        records: impl Iterator<Item = (u64, R)>,
    ) -> (u64, u32) {
        let stored = self.config.stored;
        let writes = self.node_mut(node).writes;
        let word = self.dice.draw(Purpose::Disk, node, writes).word(0);
        let usual_us = self.config.sync.sample_us(word);
        let disk = self.node_mut(node);
        let delay_us = disk.sync.as_ref().map_or(usual_us, |sync| sync.sample_us(word));
        disk.writes += 1;
        disk.busy_until_us = disk.busy_until_us.max(now_us.saturating_add(delay_us));
        let mut up_to = 0;
        for (sequence, record) in records {
            up_to = up_to.max(sequence);
            if stored {
                disk.records.push((sequence, record));
            }
        }
        let synced_at_us = disk.busy_until_us;
        (synced_at_us, self.syncs.insert(Sync { life, up_to }))
    }

    /// Completes a sync; gives the sequence number that is safe now, unless the node crashed in between.
    pub(super) fn sync(&mut self, node: u32, life: u32, slot: u32) -> Option<u64> {
        let sync = self.syncs.remove(slot)?;
        if sync.life != life {
            return None;
        }
        let disk = self.node_mut(node);
        let own = &disk.records[disk.before..];
        let synced = disk.before + own.partition_point(|(sequence, _)| *sequence <= sync.up_to);
        disk.synced = disk.synced.max(synced);
        Some(sync.up_to)
    }

    /// Takes away what a crash loses. What remains is safe.
    pub(super) fn crash(&mut self, node: u32, loss: DiskLoss) {
        let disk = self.node_mut(node);
        match loss {
            DiskLoss::Nothing => {}
            DiskLoss::Unsynced => disk.records.truncate(disk.synced),
            DiskLoss::Everything => disk.records.clear(),
        }
        disk.synced = disk.records.len();
        disk.before = disk.records.len();
        disk.busy_until_us = 0;
    }

    /// Gives a node what is safe on another one's disk, in the place of what its own held.
    pub(super) fn copy(&mut self, from: u32, to: u32)
    where
        R: Clone,
    {
        let from = self.node_mut(from);
        let records = from.records[..from.synced].to_vec();
        let disk = self.node_mut(to);
        (disk.synced, disk.before, disk.busy_until_us) = (records.len(), records.len(), 0);
        disk.records = records;
    }

    /// The records on a node's disk, synced or not, with their sequence numbers in the order of writing.
    #[must_use]
    pub fn records(&self, node: u32) -> &[(u64, R)] {
        self.nodes.get(node as usize).map_or(&[], |disk| &disk.records)
    }

    /// Makes one node's disk slower or faster from now on; `None` for as configured.
    pub fn set_sync(&mut self, node: u32, sync: Option<Latency>) {
        self.node_mut(node).sync = sync;
    }

    /// Replaces a node's synced records by fewer that mean the same, as a store does when it compacts its log.
    pub fn compact(&mut self, node: u32, compact: impl FnOnce(Vec<(u64, R)>) -> Vec<(u64, R)>) {
        let disk = self.node_mut(node);
        let unsynced = disk.records.split_off(disk.synced);
        disk.records = compact(std::mem::take(&mut disk.records));
        disk.synced = disk.records.len();
        disk.before = disk.synced;
        disk.records.extend(unsynced);
    }
}

#[cfg(test)]
mod tests {
    use heck_core::rng::Seed;

    use super::*;

    fn disks(sync: Latency) -> Disks<&'static str> {
        Disks::new(DiskConfig { sync, stored: true }, Dice::new(Seed(1)))
    }

    #[test]
    fn a_crash_loses_what_was_not_synced() {
        let mut disks = disks(Latency::Constant { us: 10 });
        let (at_us, first) = disks.write(0, 3, 0, [(1, "a"), (2, "b")].into_iter());
        assert_eq!(at_us, 10);
        disks.write(5, 3, 0, [(3, "c")].into_iter());
        assert_eq!(disks.sync(3, 0, first), Some(2));
        disks.crash(3, DiskLoss::Unsynced);
        assert_eq!(disks.records(3), [(1, "a"), (2, "b")]);
        disks.crash(3, DiskLoss::Everything);
        assert_eq!(disks.records(3), []);
    }

    #[test]
    fn a_second_crash_loses_what_the_second_life_did_not_sync_though_its_numbers_begin_anew() {
        let mut disks = disks(Latency::Constant { us: 10 });
        let (_, first) = disks.write(0, 3, 0, [(1, "a"), (2, "b"), (3, "c")].into_iter());
        disks.sync(3, 0, first);
        disks.crash(3, DiskLoss::Unsynced);
        let (_, second) = disks.write(100, 3, 1, [(1, "d")].into_iter());
        disks.write(105, 3, 1, [(2, "e")].into_iter());
        disks.sync(3, 1, second);
        disks.crash(3, DiskLoss::Unsynced);
        assert_eq!(disks.records(3), [(1, "a"), (2, "b"), (3, "c"), (1, "d")]);
    }

    #[test]
    fn a_killed_process_loses_nothing_and_a_sync_of_an_earlier_life_is_void() {
        let mut disks = disks(Latency::Constant { us: 10 });
        let (_, slot) = disks.write(0, 0, 0, [(1, "a")].into_iter());
        disks.crash(0, DiskLoss::Nothing);
        assert_eq!(disks.sync(0, 1, slot), None);
        disks.crash(0, DiskLoss::Unsynced);
        assert_eq!(disks.records(0), [(1, "a")]);
    }

    #[test]
    fn syncs_complete_in_the_order_of_writes() {
        let mut disks = disks(Latency::Uniform { min_us: 0, max_us: 1_000 });
        let times: Vec<u64> = (0..100).map(|n| disks.write(n, 0, 0, [(n, "")].into_iter()).0).collect();
        assert!(times.is_sorted());
    }

    #[test]
    fn a_slow_disk_syncs_late_until_it_is_as_before() {
        let mut disks = disks(Latency::Constant { us: 10 });
        disks.set_sync(0, Some(Latency::Constant { us: 5_000 }));
        assert_eq!(disks.write(0, 0, 0, [(1, "a")].into_iter()).0, 5_000);
        assert_eq!(disks.write(0, 1, 0, [(1, "a")].into_iter()).0, 10);
        disks.set_sync(0, None);
        assert_eq!(disks.write(9_000, 0, 0, [(2, "b")].into_iter()).0, 9_010);
    }

    #[test]
    fn compaction_leaves_unsynced_records_alone() {
        let mut disks = disks(Latency::Constant { us: 10 });
        let (_, slot) = disks.write(0, 0, 0, [(1, "a"), (2, "b")].into_iter());
        disks.write(5, 0, 0, [(3, "c")].into_iter());
        disks.sync(0, 0, slot);
        disks.compact(0, |records| {
            assert_eq!(records, [(1, "a"), (2, "b")]);
            vec![(2, "ab")]
        });
        assert_eq!(disks.records(0), [(2, "ab"), (3, "c")]);
        disks.crash(0, DiskLoss::Unsynced);
        assert_eq!(disks.records(0), [(2, "ab")]);
    }
}
