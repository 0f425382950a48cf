// The rows that a filter wants, in order, kept so while rows change: a change of a few costs a few searches.

/** Above so many rows to move at once, ordering all of them anew is cheaper. */
const FEW = 100;

export class Order {
  list = [];

  constructor(filter, ages) {
    Object.assign(this, { filter, ages });
  }

  compare(a, b) {
    const way = this.filter.isDown ? -1 : 1;
    if (a.key !== b.key) return a.key < b.key ? -way : way;
    if (a.natural !== b.natural) return a.natural < b.natural ? (this.filter.sort === "name" ? -way : -1) : this.filter.sort === "name" ? way : 1;
    return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
  }

  /** Filters and orders all rows. */
  rebuild(rows) {
    this.list = [];
    for (const row of rows) {
      row.isListed = this.filter.wants(row);
      if (!row.isListed) continue;
      row.key = this.filter.key(row, this.ages);
      this.list.push(row);
    }
    this.list.sort((a, b) => this.compare(a, b));
  }

  /** Where a row stands or would stand. */
  place(row) {
    let [from, to] = [0, this.list.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.compare(this.list[middle], row) < 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  indexOf(row) {
    if (!row?.isListed) return -1;
    const at = this.place(row);
    return this.list[at] === row ? at : this.list.indexOf(row);
  }

  /** Takes in rows that changed, out of `all`. Tells whether any moved, came or went. */
  update(changed, all) {
    const moves = [];
    for (const row of changed) {
      const isWanted = !row.isGone && this.filter.wants(row);
      if (!isWanted && !row.isListed) continue;
      // An age runs on by itself: its order is looked at when ages are read.
      const key = this.filter.sort === "age" && row.isListed ? row.key : this.filter.key(row, this.ages);
      if (isWanted && row.isListed && key === row.key) continue;
      moves.push([row, isWanted, key]);
    }
    if (moves.length === 0) return false;
    if (moves.length > FEW) {
      this.rebuild(all);
      return true;
    }
    for (const [row, isWanted, key] of moves) {
      if (row.isListed) this.list.splice(this.indexOf(row), 1);
      row.isListed = isWanted;
      row.key = key;
      if (isWanted) this.list.splice(this.place(row), 0, row);
    }
    return true;
  }
}
