// Real processes of `heck` on loopback, each in a folder of its own, and a web server for them to check.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const BINARY = process.env.HECK_BINARY ?? new URL("../../../target/debug/heck", import.meta.url).pathname;
/** How long anything may take before a test fails: far longer than it ever should. */
export const PATIENCE_MS = 30000;

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `ask` gives something true, and hands it over. */
export async function until(what, ask, patience = PATIENCE_MS) {
  const began = Date.now();
  let last;
  for (;;) {
    try {
      last = await ask();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (Date.now() - began > patience) throw new Error(`not in ${patience} ms: ${what}; at last ${last}`);
    await pause(20);
  }
}

/** A process of `heck node`. */
export class Heck {
  /** Starts one. `join` is another one; `settings` are flags. On a port of the system's choice unless `http` says where. */
  static async start({ name = "a", join: peer, settings = [], folder, http = "127.0.0.1:0" } = {}) {
    const heck = new Heck();
    heck.options = { name, settings };
    heck.folder = folder ?? (await mkdtemp(join(tmpdir(), "heck-page-")));
    const args = ["node", "--name", name, "--data-dir", heck.folder, "--bind", "127.0.0.1:0", "--http", http, "--log-level", "error",
      "--leave-grace", "0s", ...(peer ? ["--join", peer.gossip, "--key-file", join(peer.folder, "keyring")] : []), ...settings];
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("HECK_")));
    heck.child = spawn(BINARY, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let [out, err] = ["", ""];
    heck.child.stdout.on("data", (data) => (out += data));
    heck.child.stderr.on("data", (data) => (err += data));
    heck.ended = new Promise((resolve) => heck.child.once("exit", resolve));
    const said = (word) => out.match(new RegExp(`^  ${word} +(\\S+)$`, "m"))?.[1];
    heck.url = await until(`${name} says where it is; ${err}`, () => said("api"));
    heck.gossip = said("gossip");
    heck.token = (await readFile(join(heck.folder, "api-token"), "utf8")).trim();
    await until(`${name} is ready`, async () => (await fetch(`${heck.url}/readyz`)).ok);
    return heck;
  }

  get page() {
    return `${this.url}/ui/`;
  }

  /** Asks its API, with its token. */
  async ask(method, path, body, headers = {}) {
    const response = await fetch(this.url + path, {
      method, body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
      headers: { authorization: `Bearer ${this.token}`, "content-type": "application/json", ...headers },
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === "" ? null : text;
  }

  async json(path) {
    return JSON.parse(await this.ask("GET", path));
  }

  put(name, document) {
    return this.ask("PUT", `/v1/origins/${encodeURIComponent(name)}`, document);
  }

  import(documents) {
    const lines = documents.map((document) => JSON.stringify(document)).join("\n");
    return this.ask("POST", "/v1/origins:import", lines, { "content-type": "application/x-ndjson" });
  }

  /** Ends it at once, as a crash does, and leaves its folder. */
  async kill() {
    this.child.kill("SIGKILL");
    await this.ended;
  }

  async end() {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A cluster of `heck demo`: so many nodes in one process, of which this is the first. */
export class Demo extends Heck {
  static async start(nodes) {
    const demo = new Demo();
    demo.child = spawn(BINARY, ["demo", "--nodes", String(nodes), "--http", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "ignore"] });
    let out = "";
    demo.child.stdout.on("data", (data) => (out += data));
    demo.ended = new Promise((resolve) => demo.child.once("exit", resolve));
    const said = await until("the demo runs", () => out.match(/HECK_ADDR=(\S+) HECK_TOKEN=(\S+)/), 120000);
    [demo.url, demo.token] = said.slice(1);
    return demo;
  }

  /** Ends it as an operator does: it removes its folder. */
  async end() {
    this.child.kill("SIGINT");
    await this.ended;
  }
}

/** A web server: what each path answers is in `statuses`, and 200 otherwise; after how many ms, in `delays`. */
export class Web {
  static async start() {
    const web = new Web();
    web.statuses = new Map();
    web.delays = new Map();
    web.server = createServer(async (request, response) => {
      await pause(web.delays.get(request.url) ?? 0);
      response.writeHead(web.statuses.get(request.url) ?? 200, { connection: "close" }).end("ok");
    });
    await new Promise((resolve) => web.server.listen(0, "127.0.0.1", resolve));
    web.url = `http://127.0.0.1:${web.server.address().port}`;
    return web;
  }

  set(path, status) {
    this.statuses.set(path, status);
  }

  end() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** A server that takes connections and says nothing. */
export async function tcpServer() {
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.resume();
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `tcp://127.0.0.1:${server.address().port}`, end: () => server.close() };
}

/** What stands between a page and its node, and can be cut. */
export class Wire {
  static async to(url) {
    const [wire, to] = [new Wire(), new URL(url)];
    wire.sockets = new Set();
    wire.server = createTcpServer((near) => {
      if (wire.isCut) return near.destroy();
      const far = connect(Number(to.port), to.hostname);
      for (const [socket, other] of [[near, far], [far, near]]) {
        wire.sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => (wire.sockets.delete(socket), other.destroy()));
        socket.pipe(other);
      }
    });
    await new Promise((resolve) => wire.server.listen(0, "127.0.0.1", resolve));
    wire.page = `http://127.0.0.1:${wire.server.address().port}/ui/`;
    return wire;
  }

  cut() {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  mend() {
    this.isCut = false;
  }

  end() {
    this.cut();
    this.server.close();
  }
}

const SERVICES = ["checkout", "search", "images", "login", "ledger", "mail", "catalog", "stock", "prices", "reports"];
const REGIONS = ["eu-west", "us-east", "us-west", "ap-south", "sa-east"];

/** Origins as a large site has them. The first `flipping` of them are checked often, each at a path of its own. */
export function fleet(count, quietUrl, web, flipping = 0) {
  return Array.from({ length: count }, (_, at) => {
    const [service, region] = [SERVICES[at % SERVICES.length], REGIONS[Math.floor(at / SERVICES.length) % REGIONS.length]];
    const name = `${service}-${region}-${Math.floor(at / (SERVICES.length * REGIONS.length)) + 1}`;
    const tags = [service, region];
    if (at < flipping) return { name, tags, url: `${web.url}/${at}`, interval: "2s", fast_interval: "500ms", fall: 1, rise: 1, confirmers: 0 };
    return { name, tags, url: quietUrl, interval: "60s" };
  });
}
