// What an origin's row amounts to: one word out of state and what the operator wants, the worst first.

export const STATES = ["unhealthy", "unknown", "degraded", "draining", "maintenance", "healthy"];
/** A row that is stale stands behind those that are ill, and before those that are well. */
const RANKS = { unhealthy: 0, unknown: 1, degraded: 2, draining: 4, maintenance: 5, healthy: 6 };
const STALE_RANK = 3;

export const MEANINGS = {
  healthy: "it answers as it should",
  unhealthy: "it does not answer as it should",
  degraded: "it answers, but slowly or with 429",
  draining: "new traffic should go elsewhere; it is checked on",
  maintenance: "it is neither checked nor used",
  unknown: "nobody has checked it yet",
  stale: "the answer is older than it should be: the checker's fault, never the origin's",
};

/** Digits as numbers and letters without case, so that a plain comparison puts `web-9` before `web-10`. */
const natural = (name) => name.toLowerCase().replace(/\d+/g, (digits) => digits.padStart(9, "0"));

/** Takes what the node says of an origin into its row. */
export function fill(row, item) {
  if (row.name === undefined) {
    row.name = item.name;
    row.natural = natural(item.name);
  }
  row.isMaintained = item.admin === "maintenance";
  row.state = row.isMaintained ? "maintenance" : item.state;
  row.admin = item.admin;
  row.since = item.since === null ? null : Date.parse(item.since);
  row.owner = item.owner ?? "";
  row.saidBy = item.said_by ?? "";
  row.hold = item.hold;
  // In maintenance nobody is to check it.
  row.isStale = item.stale && !row.isMaintained;
  row.reason = item.failure_reason ?? "";
  row.status = item.status_code ?? null;
  row.url = item.url ?? "";
  row.tags = item.tags ?? [];
  row.source = item.source ?? "";
  row.interval = item.interval_ms ?? 0;
  row.told = { age: item.age_ms, at: Date.now() };
  row.rank = row.isStale && row.state === "healthy" ? STALE_RANK : (RANKS[row.state] ?? 1);
  row.text = `${row.name}\n${row.tags.join("\n")}\n${row.url}\n${row.owner}\n${row.source}\n${row.reason}`.toLowerCase();
  return row;
}
