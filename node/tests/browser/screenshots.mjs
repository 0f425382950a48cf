// Pictures of the dashboard: `node screenshots.mjs FOLDER [small] [large]`. HECK_BINARY names the program.
//
// `small` is five processes and ten origins, `large` fifty nodes of `heck demo` and ten thousand origins.

import { mkdir } from "node:fs/promises";
import { launch, newPage, untilLive } from "./browser.mjs";
import { Demo, fleet, Heck, pause, tcpServer, until, Web } from "./heck.mjs";

const [folder = "../../../results/dashboard", ...wanted] = process.argv.slice(2);
const isWanted = (part) => wanted.length === 0 || wanted.includes(part);
const WIDE = { width: 1440, height: 900 };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true };

await mkdir(folder, { recursive: true });
const [browser, web, quiet] = await Promise.all([launch(), Web.start(), tcpServer()]);

async function shoot(name, url, options, steps = async () => {}) {
  const page = await newPage(browser, { viewport: WIDE, reducedMotion: "reduce", ...options });
  await page.goto(url);
  await untilLive(page);
  await pause(2500);
  await steps(page);
  await pause(700);
  await page.screenshot({ path: `${folder}/${name}.png` });
  await page.context().close();
  console.log(`${name}.png`);
}

async function small() {
  const nodes = [await Heck.start({ name: "fra-1", settings: ["--protocol-heartbeat", "3s"] })];
  for (const name of ["ams-1", "nyc-1", "sfo-1", "sin-1"]) nodes.push(await Heck.start({ name, join: nodes[0], settings: ["--protocol-heartbeat", "3s"] }));
  const origins = [
    ["checkout-eu-1", ["edge", "eu"]], ["checkout-eu-2", ["edge", "eu"]], ["checkout-us-1", ["edge", "us"]], ["search", ["eu"]], ["images", ["static", "cdn"]],
    ["ledger", ["payments"]], ["login", []], ["reports", ["batch"]], ["legacy-mail", []], ["catalog", ["edge", "eu", "us"]],
  ];
  web.delays.set("/reports", 120);
  const document = ([name, tags]) => ({ name, tags, url: `${web.url}/${name}`, interval: "2s", slow: "60ms", fall: 2, rise: 1, timeout: "5s" });
  await nodes[0].import(origins.map(document));
  await until("all have a state", async () => (await nodes[0].json("/v1/health")).health.every((row) => row.state !== "unknown"));
  await nodes[0].ask("POST", "/v1/origins/checkout-eu-2/drain");
  await nodes[0].ask("POST", "/v1/origins/legacy-mail/maintenance");
  web.set("/ledger", 503);
  await until("the ledger is ill", async () => (await nodes[0].json("/v1/health/ledger")).state === "unhealthy");
  await pause(6000);
  const { page } = nodes[0];
  await shoot("small-light", page, { colorScheme: "light" });
  const { owner } = await nodes[0].json("/v1/owner/ledger");
  const at = nodes.find((node) => node.options.name === owner);
  await shoot("small-dark-details", `${at.page}?origin=ledger`, { colorScheme: "dark" });
  await shoot("small-phone-light", page, { ...PHONE, colorScheme: "light" });
  await shoot("small-phone-dark-details", `${at.page}?origin=ledger`, { ...PHONE, colorScheme: "dark" });
  await shoot("error", page, { colorScheme: "light" }, async (shown) => {
    await nodes[0].kill();
    await shown.waitForSelector("#banner:not([hidden])");
    await pause(3000);
  });
  await Promise.all(nodes.map((node) => node.end()));
  const empty = await Heck.start({ name: "fra-1" });
  await shoot("empty", empty.page, { colorScheme: "dark" });
  await empty.end();
}

async function large() {
  const node = await Demo.start(50);
  await node.import(fleet(10000, quiet.url, web, 200));
  for (let at = 0; at < 200; at += 9) web.set(`/${at}`, 503);
  await until("all but a few have a state", async () => (await node.json("/v1/health")).health.filter((row) => row.state === "unknown").length < 20, 240000);
  await pause(5000);
  await shoot("large-light", node.page, { colorScheme: "light", viewport: { width: 1280, height: 720 } });
  await shoot("large-dark-member", `${node.page}?member=node-7`, { colorScheme: "dark" });
  await shoot("large-phone-dark", node.page, { ...PHONE, colorScheme: "dark" });
  await node.end();
}

try {
  if (isWanted("small")) await small();
  if (isWanted("large")) await large();
} finally {
  await browser.close();
  web.end();
  quiet.end();
}
