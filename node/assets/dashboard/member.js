// Everything about one member: how it stands, what it owns, and who would take that over.

import { get } from "./api.js";
import { el, icon } from "./dom.js";
import { plural } from "./format.js";
import { remarks, STANDINGS } from "./members.js";

const REFRESH_MS = 10000;
const NAMES = 50;

const REMARKS = {
  "in quarantine": "in quarantine for having come and gone: it owns nothing until it has stayed for a while",
  "other settings": "its settings of ownership are others than this node's: the two disagree about owners",
};

export class MemberDetail {
  constructor(root, { close, member, owned, show }) {
    Object.assign(this, { root, close, member, owned, show });
    this.name = null;
    setInterval(() => this.name && !document.hidden && this.load(), REFRESH_MS);
  }

  open(name) {
    this.name = name;
    this.shown = null;
    this.heirs = el("div", { class: "heirs" }, el("p", { class: "nothing", text: "Asking the node…" }));
    this.facts = el("div");
    this.root.dataset.kind = "member";
    delete this.root.dataset.state;
    this.root.replaceChildren(
      el("header", {}, el("h2", { id: "detail-title", text: name }),
        el("button", { type: "button", class: "button quiet square", "aria-label": "Close the details", title: "Close (Esc)", onclick: this.close }, icon("close"))),
      this.facts,
      el("div", { class: "buttons wrap" }, el("button", { type: "button", class: "button", text: "Show its origins", onclick: () => this.show(this.name) })),
      el("h3", { text: "If it goes, who takes over" }), this.heirs);
    this.update();
    this.load();
  }

  /** Takes in what is known of it by now. */
  update() {
    const member = this.member(this.name);
    const text = JSON.stringify([member, this.owned(this.name)]);
    if (this.shown === text) return;
    // Others inherit other things when it owns others.
    if (this.shown !== null) this.load();
    this.shown = text;
    if (!member) return this.facts.replaceChildren(el("p", { class: "badge", text: "The node knows no such member, or no more." }));
    const fact = (label, value) => [el("dt", { text: label }), el("dd", { text: value })];
    this.facts.replaceChildren(
      el("p", { class: "badge", "data-standing": member.standing }, icon(member.standing), el("b", { text: member.standing }), el("span", { text: `– ${STANDINGS[member.standing] ?? ""}` })),
      ...remarks(member).filter((remark) => REMARKS[remark]).map((remark) => el("p", { class: "remark", text: REMARKS[remark] })),
      el("dl", { class: "facts" }, fact("Owns", plural(this.owned(this.name), "origin")), fact("Gossip at", member.address),
        member.zone === null ? [] : fact("Zone", member.zone), fact("Weight", String(member.weight)),
        fact("May own", member.counted ? "yes" : "no"), fact("Life", `${member.boot}, ${plural(member.incarnation, "doubt")} refuted`)));
  }

  async load() {
    const name = this.name;
    try {
      const told = await get(`/v1/members/${encodeURIComponent(name)}/heirs`);
      if (this.name !== name) return;
      const text = JSON.stringify(told);
      if (this.heirs.dataset.shown === text) return;
      this.heirs.dataset.shown = text;
      this.heirs.replaceChildren(...this.lines(told));
    } catch {
      if (this.name === name && !this.heirs.dataset.shown) this.heirs.replaceChildren(el("p", { class: "nothing", text: "The node does not say." }));
    }
  }

  lines(told) {
    if (told.owned === 0) return [el("p", { class: "nothing", text: "It owns nothing, so nothing moves." })];
    const heirs = told.heirs.sort((a, b) => b.origins.length - a.origins.length);
    const most = Math.max(1, ...heirs.map((heir) => heir.origins.length));
    const lines = heirs.map((heir) => {
      const bar = el("i", { class: "bar" });
      bar.style.width = `${(100 * heir.origins.length) / most}%`;
      const names = heir.origins.slice(0, NAMES).join(", ") + (heir.origins.length > NAMES ? ` and ${plural(heir.origins.length - NAMES, "other")}` : "");
      return el("details", { class: "heir" }, el("summary", {}, el("span", { class: "name", text: heir.name }), el("span", { class: "owned", text: plural(heir.origins.length, "origin") }), bar), el("p", { text: names }));
    });
    if (told.orphans.length > 0) lines.push(el("p", { class: "remark", text: `${plural(told.orphans.length, "origin")} would have no owner.` }));
    return lines;
  }
}
