// How old answers are. A member's heartbeat vouches for all its answers of one interval; what the node checks itself
// has an age by origin. Between two readings ages run by this machine's clock.

export class Ages {
  groups = new Map();
  own = new Map();
  at = 0;

  take(list) {
    this.at = Date.now();
    this.groups = new Map(list.groups.map((group) => [`${group.interval_ms} ${group.said_by}`, group.age_ms]));
    this.own = new Map(Object.entries(list.own));
  }

  /** The age of a row's answer in milliseconds; null when nobody vouches for it. */
  of(row, now = Date.now()) {
    if (row.hold !== "held" || row.isMaintained) return null;
    const told = row.told.age === null ? null : row.told.age + (now - row.told.at);
    if (row.told.at > this.at) return told;
    const read = this.own.get(row.name) ?? this.groups.get(`${row.interval} ${row.saidBy}`);
    return read === undefined ? told : read + (now - this.at);
  }
}
