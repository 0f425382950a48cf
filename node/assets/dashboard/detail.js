// Everything about one origin: what is said of it, by whom, who comes next, and what can be done.

import { forOrigin, get, now as nodeNow } from "./api.js";
import { el, icon, setIcon, setText } from "./dom.js";
import { age, clock, ms, span } from "./format.js";
import { words } from "./history.js";
import { MEANINGS } from "./state.js";

const REFRESH_MS = 5000;
const NEXT = 6;
/** Keys of the document that stand elsewhere in the panel. */
const TOLD = new Set(["name", "url", "tags", "source", "etag", "admin", "interval"]);

/** What can be done, and at which wishes of the operator. */
const BUTTONS = [
  { verb: "drain", label: "Drain", key: "d", when: ["enabled"] },
  { verb: "enable", label: "Undrain", key: "d", when: ["draining"] },
  { verb: "maintenance", label: "Maintenance", key: "m", when: ["enabled", "draining"] },
  { verb: "enable", label: "End maintenance", key: "m", when: ["maintenance"] },
  { verb: "check", label: "Check now", key: "c", when: ["enabled", "draining"] },
  { verb: "remove", label: "Remove…", key: "Del", kind: "danger quiet", when: ["enabled", "draining", "maintenance"] },
];

const fact = (label, ...value) => [el("dt", { text: label }), el("dd", {}, ...value)];
const moment = (text) => (text === null ? "–" : `${clock(Date.parse(text))} (${span(nodeNow() - Date.parse(text))} ago)`);

export class Detail {
  /** `act(verb, name)` does what a button says; `members(name)` is what is known of a member. */
  constructor(root, { act, close, ages, member, show }) {
    Object.assign(this, { root, act, close, ages, member, show });
    this.name = null;
    setInterval(() => this.name && !document.hidden && this.load(), REFRESH_MS);
  }

  open(row) {
    if (this.name === row.name) return;
    this.name = row.name;
    this.row = row;
    this.parts = {
      icon: icon(row.state), state: el("b"), meaning: el("span"), age: el("dd", { class: "mono" }), since: el("dd"),
      facts: el("dl", { class: "facts" }), next: el("ol", { class: "next" }), rest: el("div"), changes: el("ol", { class: "changes" }),
      buttons: el("div", { class: "buttons wrap" }),
    };
    const { parts } = this;
    parts.badge = el("p", { class: "badge" }, parts.icon, parts.state, parts.meaning);
    this.root.replaceChildren(
      el("header", {}, el("h2", { id: "detail-title", text: row.name }),
        el("button", { type: "button", class: "button quiet square", "aria-label": "Close the details", title: "Close (Esc)", onclick: this.close }, icon("close"))),
      parts.badge, parts.buttons,
      el("dl", { class: "facts" }, el("dt", { text: "Age" }), parts.age, el("dt", { text: "So for" }), parts.since),
      parts.facts, el("h3", { text: "Who checks it, and who would next" }), parts.next, parts.rest, el("h3", { text: "Its changes" }), parts.changes);
    this.root.dataset.kind = "origin";
    this.update(row);
    this.load();
  }

  /** Takes in what the stream told of the row. */
  update(row) {
    this.row = row;
    const { parts } = this;
    this.root.dataset.state = row.state;
    setIcon(parts.icon, row.state);
    setText(parts.state, row.state);
    setText(parts.meaning, row.isStale ? `– stale: ${MEANINGS.stale}` : `– ${MEANINGS[row.state] ?? ""}`);
    if (this.admin !== row.admin || parts.buttons.childElementCount === 0) this.buttons(row);
    this.tick();
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.load(), 150);
  }

  /** They stay the same elements: a click on one that is replaced between press and release would be lost. */
  buttons(row) {
    this.admin = row.admin;
    const { buttons } = this.parts;
    if (buttons.childElementCount === 0) {
      buttons.append(...BUTTONS.map(({ verb, label, key, kind = "" }) =>
        el("button", { type: "button", class: `button ${kind}`, "data-verb": verb, title: `${label} (${key})`, onclick: () => this.act(verb, this.name), text: label })));
    }
    const focused = document.activeElement;
    [...buttons.children].forEach((button, number) => (button.hidden = !BUTTONS[number].when.includes(row.admin)));
    if (focused?.parentNode === buttons && focused.hidden) buttons.querySelector("button:not([hidden])").focus();
  }

  tick() {
    if (this.name === null || !this.row) return;
    setText(this.parts.age, age(this.ages.of(this.row)));
    setText(this.parts.since, this.row.since === null ? "–" : `${span(nodeNow() - this.row.since)} (since ${clock(this.row.since)})`);
  }

  async load() {
    const name = this.name;
    if (name === null || this.row.isGone) return;
    const path = encodeURIComponent(name);
    try {
      const [health, owner, origin, history] = await Promise.all([
        get(`/v1/health/${path}`), get(`/v1/owner/${path}?limit=${NEXT}`), get(forOrigin(name)), get(`/v1/history?name=${path}&limit=20`)]);
      if (this.name !== name) return;
      this.row.told = { age: health.age_ms, at: Date.now() };
      this.facts(health, origin);
      this.order(owner);
      this.document(origin);
      this.history(history.history);
    } catch {
      // The banner tells that the node is out of reach, and an origin that is gone is told by the stream.
    }
  }

  /** Puts children in place of others, if they say something else. */
  put(node, key, children) {
    const text = JSON.stringify(key);
    if (node.dataset.shown === text) return;
    node.dataset.shown = text;
    node.replaceChildren(...children());
  }

  facts(health, origin) {
    const confirmed = health.confirmation;
    this.put(this.parts.facts, [health.owner, health.said_by, health.hold, health.failure_reason, health.status_code, health.last_failure,
      health.hindrance, health.last_check, health.consecutive, health.latency_ms, health.cert_not_after, confirmed, origin.url, origin.tags, origin.source, origin.interval], () => {
      const isKnownHere = health.last_check !== null;
      return [
        fact("Checked at", el("span", { class: "mono", text: origin.url })),
        fact("Owner", health.owner ?? "nobody", ...(health.said_by !== null && health.said_by !== health.owner ? [` – ${health.said_by} says so until it has taken over`] : [])),
        health.hold === "held" ? [] : fact("Vouched for", health.hold === "late" ? "no: its checker is behind" : "no: its checker has stopped"),
        health.failure_reason === null ? [] : fact("Why", [health.failure_reason === "status" ? "" : health.failure_reason, health.status_code === null ? "" : `status ${health.status_code}`].filter(Boolean).join(", ")),
        health.last_failure === null ? [] : fact("Last failure", health.last_failure),
        health.hindrance === null ? [] : fact("Not checked", health.hindrance),
        confirmed === null ? [] : fact("Confirmed", `${confirmed.agreed} of ${confirmed.asked} asked agree, ${confirmed.answered} answered`),
        isKnownHere ? fact("Last check", moment(health.last_check)) : [],
        isKnownHere ? fact("In a row", `${health.consecutive} alike`) : [],
        health.latency_ms === null ? [] : fact("It took", latency(health.latency_ms)),
        health.cert_not_after === null ? [] : fact("Certificate until", clock(Date.parse(health.cert_not_after))),
        fact("Every", origin.interval ?? "5s"),
        (origin.tags ?? []).length === 0 ? [] : fact("Tags", (origin.tags ?? []).join(" ")),
        fact("From", origin.source),
        isKnownHere || health.owner === null ? [] : [el("dt"), el("dd", { class: "hint", text: `Latencies and the last check are known to ${health.owner} alone.` })],
      ].flat(2);
    });
  }

  order(owner) {
    const known = owner.priority.map((name) => [name, this.member(name)?.standing ?? "alive"]);
    this.put(this.parts.next, known, () => (known.length === 0 ? [el("li", { text: "There is nobody." })] : known.map(([name, standing], at) =>
      el("li", {}, icon(standing), el("span", { class: "name", text: name }), el("span", { class: "note", text: at === 0 ? "owns it" : at === 1 ? "takes over if that goes" : "" })))));
  }

  document(origin) {
    const rest = Object.entries(origin).filter(([key]) => !TOLD.has(key));
    this.put(this.parts.rest, rest, () => (rest.length === 0 ? [] : [el("h3", { text: "Further settings" }),
      el("dl", { class: "facts" }, rest.flatMap(([key, value]) => fact(key, el("span", { class: "mono", text: typeof value === "string" ? value : JSON.stringify(value) }))))]));
  }

  history(changes) {
    this.put(this.parts.changes, changes.map((change) => change.id), () => (changes.length === 0 ? [el("li", { class: "nothing", text: "None since the node started." })] : changes.map((change) => {
      const said = words(change);
      return el("li", { "data-to": change.to ?? change.kind }, el("time", { datetime: change.at, text: clock(Date.parse(change.at)) }), icon(said.icon), el("span", {}, el("b", { text: said.text }), said.why ? ` ${said.why}` : ""));
    })));
  }
}

const PHASES = ["resolve", "connect", "answer", "body"];

/** The parts of a check, as a bar and in words. */
function latency(took) {
  const parts = PHASES.filter((phase) => took[phase] !== null);
  const bar = el("span", { class: "latency", "aria-hidden": "true" }, parts.map((phase) => {
    const part = el("i", { "data-phase": phase });
    part.style.flexGrow = String(Math.max(took[phase], took.total / 50));
    return part;
  }));
  return el("span", {}, `${ms(took.total)} `, bar, el("small", { text: parts.map((phase) => `${phase} ${ms(took[phase])}`).join(" · ") }));
}
