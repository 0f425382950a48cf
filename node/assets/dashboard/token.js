// The token of this tab: asked for when it is needed, forgotten when the tab is closed.

import { hasToken, setToken } from "./api.js";
import { ask, field } from "./dialog.js";
import { el } from "./dom.js";
import { Problem } from "./api.js";

const WHERE = "The node keeps its own in the file api-token of its data folder. It stays in this tab, until that is closed.";

/** Asks for a token. Resolves to whether there is one now. */
export async function askForToken(why, onChange) {
  const input = el("input", { name: "token", type: "password", autocomplete: "off", spellcheck: "false", class: "mono" });
  const forget = hasToken() && el("button", { type: "button", class: "link", text: "Forget the token of this tab",
    onclick: (event) => {
      setToken(null);
      onChange();
      event.target.closest("dialog").close();
    } });
  await ask({
    title: "Token",
    fields: [el("p", { text: why }), field("Token", input, WHERE), forget || null],
    action: "Use it",
    submit: async (form) => {
      const text = String(form.get("token")).trim();
      if (!/^[A-Za-z0-9._~+/=-]{16,}$/.test(text)) {
        throw new Problem(0, "That is no token", "one has at least 16 characters, letters, digits and -._~+/= alone");
      }
      setToken(text);
      onChange();
    },
  });
  return hasToken();
}
