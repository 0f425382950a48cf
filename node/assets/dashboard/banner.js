// What an operator has to know before trusting anything else on the page.

import { el } from "./dom.js";
import { clock, span } from "./format.js";

export class Banner {
  constructor(root, live, { retry, token }) {
    Object.assign(this, { root, live, retry, token });
    this.feed = { state: "connecting" };
    /** When the node was heard last. */
    this.heardAt = null;
    this.phase = null;
    this.isAlone = false;
    this.pulse = null;
  }

  /** What to tell: how bad it is, and in which words; nothing when all is well. */
  words() {
    const { state, problem, retryAt } = this.feed;
    const then = this.heardAt === null ? "" : ` What is shown is as it was ${span(Date.now() - this.heardAt)} ago (${clock(this.heardAt)}).`;
    if (state === "locked") {
      return { level: "warn", key: "locked", text: `${problem?.title ?? "Locked"}: ${problem?.detail ?? "this node is not read without a token"}.`, action: ["Enter a token", this.token] };
    }
    if (state === "broken" || (state === "connecting" && problem)) {
      const wait = retryAt > Date.now() ? ` Next attempt in ${Math.ceil((retryAt - Date.now()) / 1000)} s.` : " Trying…";
      const what = problem === null || problem.status === 0 ? "The node can’t be reached." : `${problem.message}.`;
      return { level: "bad", key: "broken", text: what + then + wait, action: ["Try now", this.retry] };
    }
    if (this.pulse !== null) return { level: "bad", key: "pulse", text: `The node does not answer: ${this.pulse.message}.${then}`, action: null };
    if (this.phase === "joining" || this.phase === "synced") return { level: "warn", key: this.phase, text: "The node is joining its cluster: what it tells may not be all there is.", action: null };
    if (this.phase === "leaving") return { level: "warn", key: "leaving", text: "The node leaves its cluster. Ask another one.", action: null };
    if (this.isAlone) return { level: "warn", key: "alone", text: "The node reaches no other member: what others know since then is missing here.", action: null };
    return null;
  }

  show() {
    const words = this.words();
    const { state } = this.feed;
    const isLive = state === "live" && this.pulse === null;
    const shown = isLive ? "live" : state === "live" ? "unsure" : state;
    if (this.live.dataset.live !== shown) {
      this.live.dataset.live = shown;
      this.live.lastElementChild.textContent = { live: "live", unsure: "no answer", connecting: "connecting", broken: "not reached", locked: "locked", paused: "paused" }[shown];
    }
    document.body.classList.toggle("old", words?.level === "bad");
    if (words === null) {
      this.root.hidden = true;
      this.key = null;
      return;
    }
    if (this.key !== words.key) {
      this.key = words.key;
      this.root.dataset.level = words.level;
      this.text = el("span");
      this.root.replaceChildren(this.text, ...(words.action ? [el("button", { type: "button", class: "button", text: words.action[0], onclick: words.action[1] })] : []));
      this.root.hidden = false;
    }
    // Seconds that run are not to be read aloud each time.
    if (this.text.textContent !== words.text) this.text.textContent = words.text;
  }
}
