// The node's API: requests with the token of this tab, and its problems in words.

const KEY = "heck-token";
/** How long an answer may take before the node counts as out of reach. */
const PATIENCE_MS = 10000;

let token = null;
/** How far the node's clock is ahead of this one, in milliseconds. */
let ahead = 0;

try {
  token = sessionStorage.getItem(KEY);
} catch {
  // Without storage the token lasts as long as the page.
}

export const hasToken = () => token !== null;

/** Keeps the token until the tab is closed; null forgets it. */
export function setToken(text) {
  token = text;
  try {
    if (text === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, text);
  } catch {
    // See above.
  }
}

/** What the node refused, or why it was not reached. `status` is 0 when there was no answer. */
export class Problem extends Error {
  constructor(status, title, detail, next) {
    super(detail ? `${title}: ${detail}` : title);
    Object.assign(this, { status, title, detail: detail ?? "", next: next ?? "" });
  }
}

async function problem(response) {
  try {
    const said = await response.json();
    return new Problem(response.status, String(said.title), said.detail && String(said.detail), said.next && String(said.next));
  } catch {
    return new Problem(response.status, `The node answered with status ${response.status}`);
  }
}

/** By the node's clock. Its answers tell it to the second, so less than two is no difference. */
export const now = () => Date.now() + (Math.abs(ahead) < 2000 ? 0 : ahead);

/** Sends a request. An answer other than 2xx and 304 is a `Problem`. */
export async function send(method, path, { headers = {}, body, signal, patience = PATIENCE_MS } = {}) {
  const bounded = new AbortController();
  const timer = setTimeout(() => bounded.abort(), patience);
  signal?.addEventListener("abort", () => bounded.abort());
  if (signal?.aborted) bounded.abort();
  const auth = token === null ? {} : { authorization: `Bearer ${token}` };
  let response;
  try {
    response = await fetch(path, {
      method, body, headers: { ...auth, ...headers }, signal: bounded.signal, cache: "no-store", credentials: "omit",
    });
  } catch {
    throw new Problem(0, "The node cannot be reached", signal?.aborted ? "" : "there is no answer from where this page came from");
  } finally {
    clearTimeout(timer);
  }
  const date = Date.parse(response.headers.get("date") ?? "");
  if (!Number.isNaN(date)) ahead = date - Date.now();
  if (response.ok || response.status === 304) return response;
  throw await problem(response);
}

/** Reads JSON. */
export const get = async (path) => (await send("GET", path)).json();

/** Reads JSON again and again; null while it is the same as before. */
export function follow(path, patience) {
  let tag = null;
  return async () => {
    const response = await send("GET", path, { patience, headers: tag ? { "if-none-match": tag } : {} });
    if (response.status === 304) return null;
    tag = response.headers.get("etag");
    return response.json();
  };
}

export const forOrigin = (name, verb) => `/v1/origins/${encodeURIComponent(name)}${verb ? `/${verb}` : ""}`;
