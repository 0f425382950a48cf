// The members as the node sees them, and how many origins each owns.

import { el, icon, roving, setIcon, setText } from "./dom.js";
import { count, plural } from "./format.js";

const ORDER = { dead: 0, suspect: 1, alive: 2, left: 3 };

export const STANDINGS = {
  alive: "it answers", suspect: "somebody doubts it; it counts as alive", dead: "it did not answer several others", left: "it said goodbye",
};

/** What an operator should know of a member beside its standing. */
export function remarks(member) {
  const remarks = [];
  const isLive = member.standing === "alive" || member.standing === "suspect";
  if (isLive && !member.counted) remarks.push("in quarantine");
  if (isLive && !member.agrees) remarks.push("other settings");
  if (member.weight !== 100) remarks.push(`weight ${member.weight}`);
  return remarks;
}

export class Members {
  list = [];
  items = new Map();

  constructor(root, total, onOpen) {
    Object.assign(this, { root, total, onOpen });
    this.rove = roving(root, "button");
  }

  get(name) {
    return this.list.find((member) => member.name === name);
  }

  take(told) {
    this.node = told.node;
    const byName = (a, b) => a.name.localeCompare(b.name, "en", { numeric: true });
    this.list = told.members.sort((a, b) => ORDER[a.standing] - ORDER[b.standing] || byName(a, b));
    const items = this.list.map((member) => this.item(member));
    const names = new Set(this.list.map((member) => member.name));
    for (const name of [...this.items.keys()]) if (!names.has(name)) this.items.delete(name);
    const isSame = items.length === this.root.children.length && items.every((item, at) => item.root === this.root.children[at]);
    if (!isSame) this.root.replaceChildren(...items.map((item) => item.root));
    this.rove();
    this.summarise();
  }

  summarise() {
    const of = (standing) => this.list.filter((member) => member.standing === standing).length;
    const parts = [`${count(of("alive"))} alive`];
    for (const standing of ["suspect", "dead", "left"]) if (of(standing) > 0) parts.push(`${count(of(standing))} ${standing}`);
    setText(this.total, parts.join(" · "));
  }

  item(member) {
    let item = this.items.get(member.name);
    if (!item) {
      item = { icon: icon("alive"), name: el("span", { class: "name", text: member.name }), note: el("span", { class: "note" }), owned: el("span", { class: "owned" }), bar: el("i", { class: "bar" }) };
      item.button = el("button", { type: "button", class: "member", tabindex: "-1", onclick: () => this.onOpen(member.name) }, item.icon, item.name, item.note, item.owned, item.bar);
      item.root = el("div", { role: "listitem" }, item.button);
      this.items.set(member.name, item);
    }
    const isSelf = member.name === this.node;
    item.button.dataset.standing = member.standing;
    item.button.classList.toggle("self", isSelf);
    setIcon(item.icon, member.standing);
    const notes = [...(member.standing === "alive" ? [] : [member.standing]), ...remarks(member), ...(isSelf ? ["this node"] : [])];
    setText(item.note, notes.join(", "));
    return item;
  }

  /** Shows how many origins each owns. */
  showOwned(owners, chosen) {
    let most = 1;
    for (const [name, owned] of owners) if (name !== "") most = Math.max(most, owned);
    for (const [name, item] of this.items) {
      const owned = owners.get(name) ?? 0;
      if (item.shown !== owned) {
        item.shown = owned;
        setText(item.owned, count(owned));
        item.button.title = `${name} owns ${plural(owned, "origin")}`;
      }
      item.bar.style.width = `${(100 * owned) / most}%`;
      item.button.setAttribute("aria-current", String(name === chosen));
    }
  }
}
