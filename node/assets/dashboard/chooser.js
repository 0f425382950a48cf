// Light, dark, or as the system says: the button that goes round.

const KEY = "heck-theme";
const NEXT = { system: "light", light: "dark", dark: "system" };

export class Chooser {
  constructor(button) {
    this.button = button;
    this.theme = document.documentElement.dataset.theme ?? "system";
    button.addEventListener("click", () => this.turn());
    this.label();
  }

  turn() {
    this.theme = NEXT[this.theme];
    if (this.theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = this.theme;
    try {
      localStorage.setItem(KEY, this.theme);
    } catch {
      // Without storage it holds for as long as the page.
    }
    this.label();
    return this.theme;
  }

  label() {
    this.button.setAttribute("aria-label", `Theme: ${this.theme}`);
    this.button.title = `Theme: ${this.theme} (l)`;
  }
}
