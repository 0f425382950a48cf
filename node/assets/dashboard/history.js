// What changed of late, the newest first. Many alike at once are one line: a node that goes changes thousands.

import { el, icon, roving, setText } from "./dom.js";
import { clock, plural } from "./format.js";

const LINES = 300;
/** Changes alike within so long are one line. */
const TOGETHER_MS = 1500;
/** Names that a line tells when it is opened. */
const NAMES = 100;

const ADMIN = { enabled: "enabled", draining: "draining", maintenance: "in maintenance" };

/** A change in words, and the icon that goes with it. */
export function words(change) {
  switch (change.kind) {
    case "health": {
      const why = [change.failure_reason, change.status_code].filter((part) => part !== null && part !== undefined && part !== "status").join(" ");
      return { icon: change.to, text: change.to, was: change.from, why: [why, change.by && `by ${change.by}`].filter(Boolean).join(" · ") };
    }
    case "admin": return { icon: change.to === "enabled" ? "edited" : change.to, text: ADMIN[change.to], was: null, why: "by an operator" };
    case "member": {
      const text = change.to === null ? "forgotten" : change.from === null ? `new, ${change.to}` : change.to;
      return { icon: change.to ?? "removed", text, was: change.from, why: "member" };
    }
    case "restarted": return { icon: "restarted", text: "restarted", was: null, why: "member" };
    default: return { icon: change.kind, text: change.kind, was: null, why: "" };
  }
}

export class History {
  groups = [];
  seen = new Set();
  last = null;

  constructor(root, total, onOpen) {
    Object.assign(this, { root, total, onOpen });
    this.rove = roving(root, "button:not([hidden])");
  }

  /** Takes what the node tells behind `last`. */
  take(told) {
    this.last = told.last;
    const fresh = told.history.filter((change) => !this.seen.has(change.id)).reverse();
    for (const change of fresh) {
      this.seen.add(change.id);
      this.put(change);
    }
    for (const group of this.groups.splice(LINES)) {
      group.root.remove();
      for (const id of group.ids) this.seen.delete(id);
    }
    if (this.groups.length === 0) this.root.replaceChildren(el("li", { class: "nothing", text: "Nothing has changed since the node started." }));
    else this.rove();
    return fresh;
  }

  put(change) {
    const at = Date.parse(change.at);
    const key = `${change.kind} ${change.from} ${change.to}`;
    const newest = this.groups[0];
    if (newest?.key === key && at - newest.at <= TOGETHER_MS) {
      newest.at = at;
      newest.ids.push(change.id);
      if (newest.names.length < NAMES) newest.names.push(change.name);
      newest.count += 1;
      this.count(newest);
      return;
    }
    if (this.groups.length === 0) this.root.replaceChildren();
    const group = { key, at, count: 1, ids: [change.id], names: [change.name], change };
    this.line(group);
    this.groups.unshift(group);
    this.root.prepend(group.root);
  }

  line(group) {
    const { change } = group;
    const said = words(change);
    const isMember = change.kind === "member" || change.kind === "restarted";
    const name = el("button", { type: "button", class: "link name", tabindex: "-1", text: change.name, onclick: () => this.onOpen(change.name, isMember) });
    group.more = el("button", { type: "button", class: "link more", tabindex: "-1", hidden: true, "aria-expanded": "false", onclick: () => this.unfold(group) });
    group.rest = el("div", { class: "rest", hidden: true });
    group.root = el("li", { class: "change", "data-to": change.to ?? change.kind, "data-kind": change.kind },
      el("time", { datetime: change.at, text: clock(group.at), title: new Date(group.at).toString() }),
      icon(said.icon, "said"),
      el("div", { class: "what" }, name, group.more,
        el("span", { class: "turn" }, said.was ? el("span", { class: "was", text: said.was }) : null, said.was ? el("span", { class: "to", text: " → " }) : null, el("b", { text: said.text })),
        said.why ? el("span", { class: "why", text: said.why }) : null, group.rest));
  }

  count(group) {
    group.more.hidden = false;
    setText(group.more, `and ${plural(group.count - 1, "other")}`);
  }

  unfold(group) {
    group.rest.hidden = !group.rest.hidden;
    group.more.setAttribute("aria-expanded", String(!group.rest.hidden));
    const left = group.count - group.names.length;
    setText(group.rest, group.names.slice(1).join(", ") + (left > 0 ? ` and ${plural(left, "other")}` : ""));
  }
}
