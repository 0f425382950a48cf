// The keys, and what the page's words mean.

import { ask } from "./dialog.js";
import { el, icon } from "./dom.js";
import { MEANINGS } from "./state.js";

export const SHORTCUTS = [
  ["/", "search"], ["↑ ↓ or j k", "move among the origins; Page up, Page down, Home and End too"], ["Enter", "details of the origin"],
  ["Esc", "close, leave the search, or clear the filters"], ["a", "add an origin"], ["d", "drain the origin, or undrain it"],
  ["m", "maintenance, or end it"], ["c", "check it now"], ["Delete", "remove it, after a question"], ["1 2 3", "origins, members, history"],
  ["t", "token"], ["l", "light, dark, or as the system"], ["?", "this help"],
];

export function help(isOn, onSwitch) {
  const keys = el("input", { type: "checkbox", onchange: (event) => onSwitch(event.target.checked) });
  keys.checked = isOn;
  return ask({
    title: "Help",
    cancel: "Close",
    fields: [
      el("h3", { text: "Keys" }),
      el("dl", { class: "shortcuts" }, SHORTCUTS.flatMap(([key, what]) => [el("dt", {}, key.split(" ").map((part) => (part === "or" ? " or " : el("kbd", { text: part })))), el("dd", { text: what })])),
      el("label", { class: "check" }, keys, " Single keys do something"),
      el("h3", { text: "States" }),
      el("dl", { class: "meanings" }, Object.entries(MEANINGS).flatMap(([state, meaning]) => [el("dt", { "data-state": state }, icon(state), state), el("dd", { text: meaning })])),
      el("p", { text: "Age is how old the answer is that this node holds. Any node answers for every origin from its own memory: what is shown here is what this node knows." }),
    ],
  });
}
