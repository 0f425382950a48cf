// A dialog with a form. The browser keeps the focus in it, and gives it back to where it came from.

import { el } from "./dom.js";

/**
 * Asks with these fields. `submit` is called with the form's data, and an error of it is shown in the dialog, which
 * stays; otherwise it closes. Resolves to whether it was submitted.
 */
export function ask({ title, fields, action, submit, isDangerous = false, cancel = "Cancel" }) {
  return new Promise((resolve) => {
    let isDone = false;
    const complaint = el("p", { class: "complaint", role: "alert", hidden: true });
    const go = action && el("button", { type: "submit", class: `button ${isDangerous ? "danger" : "primary"}`, text: action });
    const close = el("button", { type: "button", class: "button quiet", text: cancel, onclick: () => dialog.close() });
    const form = el("form", { novalidate: true }, el("h2", { id: "dialog-title", text: title }), fields, complaint,
      el("div", { class: "buttons" }, close, go));
    const dialog = el("dialog", { class: "dialog", "aria-labelledby": "dialog-title" }, form);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (go.disabled) return;
      go.disabled = true;
      complaint.hidden = true;
      try {
        await submit(new FormData(form));
        isDone = true;
        dialog.close();
      } catch (error) {
        complain(complaint, error);
      } finally {
        go.disabled = false;
      }
    });
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(isDone);
    });
    document.body.append(dialog);
    dialog.showModal();
    // What cannot be undone is not what the enter key does first.
    (isDangerous ? close : (form.querySelector("input, textarea") ?? close)).focus();
  });
}

/** Shows what went wrong, in the node's words, and what to do. */
export function complain(node, error) {
  node.replaceChildren(el("strong", { text: error.title ?? "That did not work" }),
    ` ${sentence(error.detail ?? error.message)}`, error.next ? el("span", { text: ` ${error.next}` }) : "");
  node.hidden = false;
}

const sentence = (text) => (text === "" || /[.!?]$/.test(text) ? text : `${text}.`);

/** A field with its label, and what to know about it. */
export function field(label, input, hint) {
  return el("label", { class: "field" }, el("span", { text: label }), input, hint ? el("small", { text: hint }) : null);
}
