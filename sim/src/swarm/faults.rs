//! Drawing faults. Each ends before the quiet time begins.

use toml::{Table, Value};

use super::draw::{Dice, Shape};
use super::table::{ms, set};

/// Room for what comes after the last fault: a node that comes back is there before all is quiet.
const LAST_MS: u64 = 1_000;

/// One fault.
pub(super) fn fault(dice: &mut Dice, shape: &Shape) -> Table {
    let at_ms = dice.between(1, shape.calm_ms / 1_000 - 4) * 1_000 + dice.pick(&[0, 0, 250]);
    let most_ms = shape.calm_ms - at_ms - LAST_MS;
    let lasts_ms = dice.between(1, most_ms / 500) * 500;
    let mut fault = Table::new();
    set(&mut fault, "at", ms(at_ms));
    let kinds: &[Draw] = &[
        crash,
        crash,
        pause,
        partition,
        partition,
        loss,
        cut_streams,
        slow_disk,
        clock_drift,
        starve,
        weigh,
        leave,
    ];
    // The last two change what members say of themselves.
    let kinds = if shape.fixed { &kinds[..kinds.len() - 2] } else { kinds };
    let kind = match dice.between(0, 99) {
        0..=24 if shape.checks => dice.pick(&[origin_fault as Draw, probe_queue]),
        25..=34 if shape.spare > 0 => join,
        35..=39 if shape.spare > 0 => copy_disk,
        _ => dice.pick(kinds),
    };
    kind(dice, shape, lasts_ms, &mut fault);
    fault
}

type Draw = fn(&mut Dice, &Shape, u64, &mut Table);

/// Up to a third of the nodes.
fn few(dice: &mut Dice, shape: &Shape) -> Value {
    dice.some(shape.present, shape.present / 3)
}

fn crash(dice: &mut Dice, shape: &Shape, lasts_ms: u64, fault: &mut Table) {
    set(fault, "crash.nodes", few(dice, shape));
    set(fault, "crash.disk", dice.pick(&["kept", "synced", "synced", "lost"]));
    set(fault, "crash.lasts", ms(lasts_ms));
}

fn pause(dice: &mut Dice, shape: &Shape, lasts_ms: u64, fault: &mut Table) {
    set(fault, "pause.nodes", few(dice, shape));
    set(fault, "pause.lasts", ms(lasts_ms));
}

fn partition(dice: &mut Dice, shape: &Shape, lasts_ms: u64, fault: &mut Table) {
    let sides = if shape.zones && dice.chance(50) {
        let mut zone = Table::new();
        set(&mut zone, "zone", "east");
        Value::Table(zone)
    } else {
        dice.some(shape.present, shape.present - 1)
    };
    set(fault, "partition.sides", Value::Array(vec![sides, Value::from("rest")]));
    if dice.chance(25) {
        set(fault, "partition.one_way", true);
    }
    set(fault, "partition.lasts", ms(lasts_ms));
}

fn loss(dice: &mut Dice, shape: &Shape, lasts_ms: u64, fault: &mut Table) {
    set(fault, "loss.fraction", dice.pick(&["20%", "50%", "80%", "95%"]));
    if dice.chance(60) {
        set(fault, "loss.from", few(dice, shape));
    }
    if dice.chance(30) {
        set(fault, "loss.both", false);
    }
    set(fault, "loss.lasts", ms(lasts_ms));
}

fn cut_streams(dice: &mut Dice, shape: &Shape, lasts_ms: u64, fault: &mut Table) {
    set(fault, "cut_streams.nodes", few(dice, shape));
    set(fault, "cut_streams.lasts", ms(lasts_ms));
}

fn slow_disk(dice: &mut Dice, shape: &Shape, lasts_ms: u64, fault: &mut Table) {
    set(fault, "slow_disk.nodes", few(dice, shape));
    set(fault, "slow_disk.sync", dice.pick(&["100ms", "3s"]));
    set(fault, "slow_disk.lasts", ms(lasts_ms));
}

/// Within the drift that ages allow for.
fn clock_drift(dice: &mut Dice, shape: &Shape, lasts_ms: u64, fault: &mut Table) {
    set(fault, "clock_drift.nodes", few(dice, shape));
    set(fault, "clock_drift.ppm", dice.pick(&[-190, 190]));
    set(fault, "clock_drift.lasts", ms(lasts_ms));
}

fn starve(dice: &mut Dice, shape: &Shape, lasts_ms: u64, fault: &mut Table) {
    set(fault, "starve.nodes", few(dice, shape));
    set(fault, "starve.stall", dice.pick(&["100ms", "1s", "5s"]));
    set(fault, "starve.lasts", ms(lasts_ms));
}

fn weigh(dice: &mut Dice, shape: &Shape, _: u64, fault: &mut Table) {
    let nodes = few(dice, shape);
    // Node 0 stays, and takes at least a little: where nobody takes anything there is no owner.
    let has_first = nodes.as_array().and_then(|nodes| nodes.first()?.as_integer()) == Some(0);
    let weights = if has_first { [1, 1, 30, 400] } else { [0, 1, 30, 400] };
    set(fault, "weigh.nodes", nodes);
    set(fault, "weigh.weight", dice.pick(&weights));
}

/// Never node 0: somebody stays.
fn leave(dice: &mut Dice, shape: &Shape, _: u64, fault: &mut Table) {
    let node = dice.between(1, (shape.present - 1).max(1)) as i64;
    set(fault, "leave.nodes", Value::Array(vec![Value::Integer(node)]));
}

fn join(dice: &mut Dice, shape: &Shape, _: u64, fault: &mut Table) {
    let node = (shape.present + dice.between(0, shape.spare - 1)) as i64;
    set(fault, "join.nodes", Value::Array(vec![Value::Integer(node)]));
    // Through node 0 among others, which never leaves: one who is given nobody but those who are gone stays alone.
    let mut through = dice.some(shape.present, 3);
    if let Value::Array(list) = &mut through
        && list.first() != Some(&Value::Integer(0))
    {
        list.insert(0, Value::Integer(0));
    }
    set(fault, "join.through", through);
}

/// A spare node starts from a copy of another one's disk, and has its name.
fn copy_disk(dice: &mut Dice, shape: &Shape, _: u64, fault: &mut Table) {
    set(fault, "copy_disk.from", dice.between(0, shape.present - 1) as i64);
    set(fault, "copy_disk.to", (shape.present + dice.between(0, shape.spare - 1)) as i64);
}

fn origin_fault(dice: &mut Dice, shape: &Shape, lasts_ms: u64, fault: &mut Table) {
    let kind = dice.pick(&["origin_down", "origin_black_hole", "origin_slow", "origin_flap"]);
    set(fault, &format!("{kind}.origins"), dice.some(shape.origins, shape.origins.min(8)));
    match kind {
        "origin_slow" => set(fault, "origin_slow.latency", dice.pick(&["150ms", "1500ms"])),
        "origin_flap" => {
            set(fault, "origin_flap.down", ms(dice.pick(&[200, 2_000, 6_000])));
            set(fault, "origin_flap.up", ms(dice.pick(&[200, 2_000, 6_000])));
        }
        _ if dice.chance(40) => set(fault, &format!("{kind}.from"), few(dice, shape)),
        _ => {}
    }
    set(fault, &format!("{kind}.lasts"), ms(lasts_ms));
}

fn probe_queue(dice: &mut Dice, shape: &Shape, lasts_ms: u64, fault: &mut Table) {
    set(fault, "probe_queue.nodes", few(dice, shape));
    set(fault, "probe_queue.at_once", dice.pick(&[1, 4]));
    set(fault, "probe_queue.work", dice.pick(&["5ms", "200ms"]));
    set(fault, "probe_queue.lasts", ms(lasts_ms));
}
