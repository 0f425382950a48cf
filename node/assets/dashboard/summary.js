// How many origins are in which state, as buttons that filter, and as a bar.

import { el, icon, setText } from "./dom.js";
import { count } from "./format.js";
import { MEANINGS, STATES } from "./state.js";

const SHOWN = ["unhealthy", "degraded", "stale", "unknown", "draining", "maintenance", "healthy"];

export class Summary {
  constructor(bar, group, onToggle) {
    this.parts = new Map();
    this.buttons = new Map();
    for (const state of STATES) {
      const part = el("i", { "data-state": state });
      this.parts.set(state, part);
      bar.append(part);
    }
    for (const state of SHOWN) {
      const number = el("b", { text: "0" });
      const button = el("button", { type: "button", class: "state", "data-state": state, "aria-pressed": "false", title: MEANINGS[state], onclick: () => onToggle(state) },
        icon(state), number, el("span", { text: state }));
      this.buttons.set(state, { button, number });
      group.append(button);
    }
  }

  show(store, filter) {
    const total = Math.max(1, store.rows.size);
    for (const [state, part] of this.parts) {
      const here = store.states.get(state) ?? 0;
      // One of ten thousand is to be seen too.
      part.style.flexGrow = String(here / total);
      part.style.minWidth = here > 0 ? "4px" : "0";
    }
    for (const [state, { button, number }] of this.buttons) {
      const here = state === "stale" ? store.stale : (store.states.get(state) ?? 0);
      setText(number, count(here));
      button.classList.toggle("none", here === 0);
      const isPressed = String(filter.states.has(state));
      if (button.getAttribute("aria-pressed") !== isPressed) button.setAttribute("aria-pressed", isPressed);
    }
  }
}

/** Keeps the options of a select those of counted values, the usual one first. */
export function offer(select, counts, chosen, all) {
  const key = `${counts.version} ${counts.has(chosen) ? "" : chosen}`;
  if (select.dataset.key !== key) {
    select.dataset.key = key;
    const values = [...counts.keys()].filter((value) => value !== "");
    if (chosen !== "" && !counts.has(chosen)) values.push(chosen);
    const { compare } = new Intl.Collator("en", { numeric: true });
    values.sort(compare);
    select.replaceChildren(el("option", { value: "", text: all }), ...values.map((value) => el("option", { value, text: value })));
    select.hidden = values.length === 0;
  }
  if (select.value !== chosen) select.value = chosen;
  select.classList.toggle("set", chosen !== "");
}
