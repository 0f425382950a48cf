// Single keys that do something, unless somebody types or has switched them off.

const KEY = "heck-keys";

export class Shortcuts {
  /** `keys` has what each key does. */
  constructor(keys) {
    this.isOn = true;
    try {
      this.isOn = localStorage.getItem(KEY) !== "off";
    } catch {
      // Without storage they are on.
    }
    addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (document.querySelector("dialog[open]")) return;
      const isTyping = event.target.closest?.("input, textarea, select");
      const isSingle = event.key.length === 1 || event.key === "Delete";
      if (event.key !== "Escape" && (isTyping || !isSingle || !this.isOn)) return;
      const action = keys[event.key];
      if (!action) return;
      if (action(event) !== false) event.preventDefault();
    });
  }

  turn(isOn) {
    this.isOn = isOn;
    try {
      localStorage.setItem(KEY, isOn ? "on" : "off");
    } catch {
      // See above.
    }
  }
}
