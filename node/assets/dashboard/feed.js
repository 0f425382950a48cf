// Follows the health of all origins: one event stream, taken up again where it broke off.

import { Problem, send } from "./api.js";
import { events } from "./sse.js";

const STREAM = "/v1/health?describe=true";
/** The node gives a sign of life every 15 s: after this a stream is dead, whatever the browser thinks. */
const SILENCE_MS = 22000;
const RETRY_MS = [500, 1000, 2000, 4000, 8000];
/** A tab that nobody sees for so long lets its stream go: a browser has few connections to one address. */
const HIDDEN_MS = 60000;

const pause = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });

export class Feed {
  /** `onEvents` gets events as they come, `onState` how the connection is: `{ state, problem, at, retryAt }`. */
  constructor(onEvents, onState) {
    Object.assign(this, { onEvents, onState, last: null, isWhole: false, heardAt: 0, wake: new AbortController() });
    this.connection = null;
    this.isPaused = false;
    this.watchVisibility();
    setInterval(() => {
      if (this.connection && Date.now() - this.heardAt > SILENCE_MS) this.connection.abort();
    }, 1000);
  }

  watchVisibility() {
    let timer = null;
    document.addEventListener("visibilitychange", () => {
      clearTimeout(timer);
      if (document.hidden) {
        timer = setTimeout(() => {
          this.isPaused = true;
          this.connection?.abort();
        }, HIDDEN_MS);
      } else if (this.isPaused) {
        this.isPaused = false;
        this.retry();
      }
    });
    addEventListener("online", () => this.retry());
  }

  /** Tries again at once. */
  retry() {
    this.wake.abort();
  }

  /** Begins the stream anew, as with another token. */
  restart() {
    this.isRestarting = this.connection !== null;
    this.connection?.abort();
    this.retry();
  }

  /** Follows for as long as the page is open. */
  async run() {
    for (let failures = 0; ; ) {
      const began = Date.now();
      const problem = await this.once();
      if (this.isRestarting) {
        this.isRestarting = false;
        continue;
      }
      if (problem === null || Date.now() - began > 5000) failures = 0;
      const wait = this.isPaused || problem?.status === 401 ? Infinity : RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)];
      const state = this.isPaused ? "paused" : problem?.status === 401 || problem?.status === 403 ? "locked" : "broken";
      this.onState({ state, problem, retryAt: Date.now() + wait });
      this.wake = new AbortController();
      await (wait === Infinity ? new Promise((resolve) => this.wake.signal.addEventListener("abort", resolve)) : pause(wait, this.wake.signal));
      this.onState({ state: "connecting", problem, retryAt: 0 });
    }
  }

  /** Follows one stream to its end, and tells why it did not begin. */
  async once() {
    this.connection = new AbortController();
    this.heardAt = Date.now();
    try {
      const headers = { accept: "text/event-stream" };
      if (this.last !== null && this.isWhole) headers["last-event-id"] = this.last;
      const response = await send("GET", STREAM, { headers, signal: this.connection.signal });
      this.onState({ state: "live" });
      for await (const batch of events(response.body)) {
        this.heardAt = Date.now();
        if (batch.length > 0) this.take(batch);
      }
      return null;
    } catch (error) {
      return error instanceof Problem ? error : new Problem(0, "The connection broke off");
    } finally {
      this.connection.abort();
      this.connection = null;
    }
  }

  take(batch) {
    for (const event of batch) {
      // Whoever breaks off before everything was told has to be told everything again.
      if (event.kind === "reset") this.isWhole = false;
      if (event.kind === "ready") this.isWhole = true;
      if (event.id !== null) this.last = event.id;
    }
    this.onEvents(batch);
  }
}
