// What is shown and in which order. It stands in the page's address, so that it can be linked.

const SORTS = ["state", "name", "owner", "since", "age", "reason"];
export const VIEWS = ["origins", "members", "history"];

export class Filter {
  constructor(search) {
    this.read(search);
  }

  read(search) {
    const query = new URLSearchParams(search);
    this.text = query.get("q") ?? "";
    this.states = new Set((query.get("state") ?? "").split(",").filter(Boolean));
    this.tag = query.get("tag") ?? "";
    this.owner = query.get("owner") ?? "";
    const sort = query.get("sort") ?? "state";
    this.isDown = sort.startsWith("-");
    this.sort = SORTS.includes(sort.replace("-", "")) ? sort.replace("-", "") : "state";
    this.origin = query.get("origin") ?? "";
    this.member = query.get("member") ?? "";
    this.view = VIEWS.includes(query.get("view")) ? query.get("view") : "origins";
    this.prepare();
  }

  /** Has to be called after a change. */
  prepare() {
    this.words = this.text.toLowerCase().split(/\s+/).filter(Boolean);
  }

  get isActive() {
    return this.words.length > 0 || this.states.size > 0 || this.tag !== "" || this.owner !== "";
  }

  clear() {
    Object.assign(this, { text: "", states: new Set(), tag: "", owner: "" });
    this.prepare();
  }

  /** Shows rows of this state alone, or no more; `stale` is one of them. */
  toggleState(state) {
    if (!this.states.delete(state)) this.states.add(state);
  }

  wants(row) {
    if (this.states.size > 0 && !this.states.has(row.state) && !(row.isStale && this.states.has("stale"))) return false;
    if (this.owner !== "" && row.owner !== this.owner) return false;
    if (this.tag !== "" && !row.tags.includes(this.tag)) return false;
    return this.words.every((word) => row.text.includes(word));
  }

  /** What rows are ordered by, before their names. */
  key(row, ages) {
    switch (this.sort) {
      case "name": return 0;
      case "owner": return row.owner;
      case "since": return -(row.since ?? 0);
      case "age": return ages.of(row) ?? Infinity;
      case "reason": return row.reason === "" ? "~" : row.reason;
      default: return row.rank;
    }
  }

  /** The query of the page's address. */
  toString() {
    const query = new URLSearchParams();
    if (this.text !== "") query.set("q", this.text);
    if (this.states.size > 0) query.set("state", [...this.states].join(","));
    if (this.tag !== "") query.set("tag", this.tag);
    if (this.owner !== "") query.set("owner", this.owner);
    if (this.sort !== "state" || this.isDown) query.set("sort", (this.isDown ? "-" : "") + this.sort);
    if (this.origin !== "") query.set("origin", this.origin);
    if (this.member !== "") query.set("member", this.member);
    if (this.view !== "origins") query.set("view", this.view);
    const text = query.toString();
    return text === "" ? "" : `?${text.replaceAll("%2C", ",")}`;
  }
}
