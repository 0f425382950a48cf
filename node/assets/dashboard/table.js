// The table of origins. Of thousands of rows those that can be seen are elements, and these are used again.

import { el, icon, setIcon, setText } from "./dom.js";
import { age, span } from "./format.js";

/** Rows above and below what can be seen, so that a little scrolling shows no gap. */
const OVERSCAN = 8;
const COLUMNS = [
  ["state", "State"], ["name", "Origin"], ["owner", "Owner"], ["since", "For"], ["age", "Age"], ["reason", "Why"],
];
/** Tags that fit beside a name. */
const TAGS = 3;
/** A row that changed shows it for a moment, in few steps: each is painted anew. */
const FLASH = [{ backgroundColor: ["color-mix(in srgb, var(--tone) 22%, transparent)", "transparent"] }, { duration: 1200, easing: "steps(4)" }];
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

export class Table {
  /** `onOpen(row)` when a row is chosen, `onSort(column)`, `onActive(row)` when the cursor moves. */
  constructor(root, order, ages, clock, { onOpen, onSort, onTag }) {
    Object.assign(this, { root, order, ages, clock, onOpen, onTag });
    this.active = null;
    this.slots = [];
    this.first = 0;
    this.heads = COLUMNS.map(([column, label]) =>
      el("div", { role: "columnheader", class: `cell c-${column}` },
        el("button", { type: "button", tabindex: "-1", text: label, onclick: () => onSort(column) })));
    this.head = el("div", { role: "row", class: "head", "aria-rowindex": "1" }, this.heads);
    this.spacer = el("div", { class: "spacer", role: "presentation" });
    this.rows = el("div", { class: "rows", role: "rowgroup" }, this.spacer);
    root.append(el("div", { role: "rowgroup" }, this.head), this.rows);
    this.rows.addEventListener("scroll", () => this.draw(), { passive: true });
    this.rows.addEventListener("click", (event) => this.clicked(event));
    root.addEventListener("keydown", (event) => this.keyed(event));
    new ResizeObserver(() => this.resized()).observe(this.rows);
  }

  resized() {
    this.rowPx = parseFloat(getComputedStyle(this.root).getPropertyValue("--row"));
    this.viewPx = this.rows.clientHeight;
    // The heads stand above their columns, beside which there may be a scroll bar.
    this.head.style.paddingRight = `${this.rows.offsetWidth - this.rows.clientWidth}px`;
    const wanted = Math.ceil(this.viewPx / this.rowPx) + 2 * OVERSCAN;
    while (this.slots.length < wanted) this.slots.push(this.slot());
    for (const slot of this.slots.splice(wanted)) slot.root.remove();
    for (const slot of this.slots) slot.at = -1;
    this.draw();
  }

  /** An element for a row. */
  slot() {
    const slot = { at: -1, row: null, version: -1 };
    slot.icon = icon("unknown");
    slot.state = el("span");
    slot.name = el("span", { class: "name" });
    slot.tags = el("span", { class: "tags" });
    slot.url = el("span", { class: "url" });
    slot.owner = el("div", { role: "gridcell", class: "cell c-owner" });
    slot.since = el("div", { role: "gridcell", class: "cell c-since" });
    slot.age = el("span");
    slot.stale = el("span", { class: "late", title: "Older than it should be: the checker is late, which says nothing of the origin" }, icon("stale"), "stale");
    slot.reason = el("div", { role: "gridcell", class: "cell c-reason" });
    slot.root = el("div", { role: "row", class: "row" },
      el("div", { role: "gridcell", class: "cell c-state" }, slot.icon, slot.state),
      el("div", { role: "gridcell", class: "cell c-name" }, slot.name, slot.tags, slot.url),
      slot.owner, slot.since,
      el("div", { role: "gridcell", class: "cell c-age" }, slot.age, slot.stale),
      slot.reason);
    this.rows.append(slot.root);
    return slot;
  }

  /** Draws what can be seen. */
  draw() {
    const count = this.order.list.length;
    const height = count * this.rowPx;
    if (this.height !== height) {
      this.height = height;
      this.spacer.style.height = `${height}px`;
      this.root.setAttribute("aria-rowcount", String(count + 1));
    }
    if (this.slots.length === 0) return;
    const first = Math.max(0, Math.floor(this.rows.scrollTop / this.rowPx) - OVERSCAN);
    this.first = first;
    const now = Date.now();
    for (let index = first; index < first + this.slots.length; index++) {
      this.fill(this.slots[index % this.slots.length], index, now);
    }
    const at = this.active ? this.order.indexOf(this.active) : -1;
    if (at >= 0) this.root.setAttribute("aria-activedescendant", `row-${at}`);
    else this.root.removeAttribute("aria-activedescendant");
  }

  fill(slot, index, now) {
    const row = this.order.list[index];
    const isActive = row !== undefined && row === this.active;
    if (slot.at !== index) {
      slot.at = index;
      slot.root.style.transform = `translateY(${index * this.rowPx}px)`;
      slot.root.id = `row-${index}`;
      slot.root.setAttribute("aria-rowindex", String(index + 2));
    }
    if (slot.isActive !== isActive) {
      slot.isActive = isActive;
      slot.root.classList.toggle("active", isActive);
      slot.root.setAttribute("aria-selected", String(isActive));
    }
    if (row === slot.row && row?.version === slot.version) return;
    const isSame = row === slot.row;
    slot.row = row;
    slot.version = row?.version;
    slot.root.hidden = row === undefined;
    if (row === undefined) return;
    slot.root.dataset.state = row.state;
    slot.root.classList.toggle("stale", row.isStale);
    setIcon(slot.icon, row.state);
    setText(slot.state, row.state);
    setText(slot.name, row.name);
    setText(slot.url, row.url);
    this.tags(slot.tags, row);
    setText(slot.owner, row.owner || "nobody");
    slot.stale.hidden = !row.isStale;
    setText(slot.reason, row.status === null ? row.reason : row.reason === "status" ? `status ${row.status}` : `${row.reason} (${row.status})`);
    this.tick(slot, now);
    slot.flash?.cancel();
    slot.flash = isSame && this.isLive && !STILL.matches ? slot.root.animate(...FLASH) : null;
  }

  tags(list, row) {
    const key = row.tags.join(" ");
    if (list.dataset.key === key) return;
    list.dataset.key = key;
    const shown = row.tags.slice(0, TAGS).map((tag) => el("span", { class: "tag", "data-tag": tag, text: tag }));
    const more = row.tags.length - TAGS;
    list.replaceChildren(...shown, ...(more > 0 ? [el("span", { class: "more", text: `+${more}`, title: key })] : []));
  }

  /** What runs on by itself. */
  tick(slot, now) {
    const row = slot.row;
    setText(slot.since, row.since === null ? "–" : span(this.clock() - row.since));
    setText(slot.age, age(this.ages.of(row, now)));
  }

  tickAll() {
    const now = Date.now();
    for (const slot of this.slots) if (slot.row) this.tick(slot, now);
  }

  /** Draws after rows moved, so that what is being read stays where it is. */
  moved(anchor) {
    const offset = anchor ? this.order.indexOf(anchor.row) : -1;
    const count = this.order.list.length;
    this.spacer.style.height = `${count * this.rowPx}px`;
    if (offset >= 0 && this.rows.scrollTop > 0) this.rows.scrollTop = offset * this.rowPx + anchor.px;
    this.draw();
  }

  /** The first row that can be seen, and how far it is above the edge. Nothing at the top: news are to be seen there. */
  anchor() {
    const top = this.rows.scrollTop;
    if (top <= 0) return null;
    const row = this.order.list[Math.floor(top / this.rowPx)];
    return row ? { row, px: top % this.rowPx } : null;
  }

  showSort(filter) {
    COLUMNS.forEach(([column], at) => {
      const isSorted = filter.sort === column;
      this.heads[at].setAttribute("aria-sort", isSorted ? (filter.isDown ? "descending" : "ascending") : "none");
    });
  }

  clicked(event) {
    const slot = this.slots.find((slot) => slot.root.contains(event.target));
    if (!slot?.row) return;
    const tag = event.target.closest("[data-tag]");
    if (tag) return this.onTag(tag.dataset.tag);
    this.activate(slot.row);
    this.onOpen(slot.row);
  }

  /** Moves the cursor to a row, and shows it. */
  activate(row) {
    this.active = row;
    const at = this.order.indexOf(row);
    if (at >= 0) {
      const [top, height] = [at * this.rowPx, this.rows.clientHeight];
      if (top < this.rows.scrollTop) this.rows.scrollTop = top;
      else if (top + this.rowPx > this.rows.scrollTop + height) this.rows.scrollTop = top + this.rowPx - height;
    }
    this.draw();
  }

  step(by) {
    const list = this.order.list;
    if (list.length === 0) return;
    const at = this.order.indexOf(this.active);
    const from = at >= 0 ? at : by > 0 ? -1 : list.length;
    this.activate(list[Math.max(0, Math.min(list.length - 1, from + by))]);
  }

  keyed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.rows.clientHeight / this.rowPx) - 1);
    const by = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity }[event.key];
    if (by !== undefined) this.step(by);
    else if (event.key === "Enter" && this.active && event.target === this.root) this.onOpen(this.active);
    else return;
    event.preventDefault();
  }
}
