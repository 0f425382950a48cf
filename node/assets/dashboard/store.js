// All origins as the node tells of them, with counts that are kept up to date row by row.

import { fill } from "./state.js";

/** How many there are of each value. `version` tells another set of values from the one before. */
class Counts extends Map {
  version = 0;

  bump(value, by) {
    const before = this.get(value) ?? 0;
    if (before + by > 0) this.set(value, before + by);
    else this.delete(value);
    if (before === 0 || before + by === 0) this.version += 1;
  }
}

export class Store {
  rows = new Map();
  states = new Counts();
  owners = new Counts();
  tags = new Counts();
  stale = 0;
  /** Whether everything was told once. */
  isFilled = false;
  /** While everything is told anew: the names that were. */
  told = null;
  /** What changed since `changes` was asked last. */
  touched = new Map();

  tally(row, by) {
    this.states.bump(row.state, by);
    this.owners.bump(row.owner, by);
    for (const tag of row.tags) this.tags.bump(tag, by);
    if (row.isStale) this.stale += by;
  }

  /** Takes events of the stream. */
  take(events) {
    for (const event of events) {
      if (event.kind === "set") this.set(JSON.parse(event.data));
      else if (event.kind === "removed") this.remove(JSON.parse(event.data).name);
      else if (event.kind === "reset") this.told = new Set();
      else if (event.kind === "ready") this.ready();
    }
  }

  set(item) {
    this.told?.add(item.name);
    let row = this.rows.get(item.name);
    if (row) this.tally(row, -1);
    else this.rows.set(item.name, (row = { version: 0, slot: null }));
    const before = row.state;
    fill(row, item);
    row.version += 1;
    this.tally(row, 1);
    if (!this.touched.has(row)) this.touched.set(row, before);
  }

  remove(name) {
    const row = this.rows.get(name);
    if (!row) return;
    this.tally(row, -1);
    this.rows.delete(name);
    row.isGone = true;
    this.touched.set(row, row.state);
  }

  /** Everything was told: what was not is gone. */
  ready() {
    this.isFilled = true;
    if (this.told === null) return;
    for (const name of [...this.rows.keys()]) {
      if (!this.told.has(name)) this.remove(name);
    }
    this.told = null;
  }

  /** The rows that changed since this was asked last, with the state that each had before. */
  changes() {
    const touched = this.touched;
    this.touched = new Map();
    return touched;
  }
}
