// Ten thousand origins, of which some change all the time, at a cost that is measured and bounded.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, names, newPage, untilLive } from "./browser.mjs";
import { fleet, Heck, pause, tcpServer, until, Web } from "./heck.mjs";

const ORIGINS = 10000;
const FLIPPING = 200;
/** Origins that turn over each second. */
const TURNS = 20;

let [browser, web, quiet, node, page, devtools] = [];

before(async () => {
  [browser, web, quiet, node] = await Promise.all([launch(), Web.start(), tcpServer(), Heck.start({ name: "a" })]);
  await node.import(fleet(ORIGINS, quiet.url, web, FLIPPING));
  page = await newPage(browser);
  devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable");
});

after(async () => {
  await browser?.close();
  web?.end();
  quiet?.end();
  await node?.end();
});

async function spent() {
  const { metrics } = await devtools.send("Performance.getMetrics");
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
}

test("ten thousand origins are loaded and drawn", async (context) => {
  const began = Date.now();
  await page.goto(node.page);
  await untilLive(page);
  await page.waitForFunction((rows) => document.querySelector("#grid").getAttribute("aria-rowcount") === String(rows), ORIGINS + 1, { timeout: 30000 });
  const took = Date.now() - began;
  const after = await spent();
  context.diagnostic(`loaded after ${took} ms, of which the page's thread worked ${Math.round(after.TaskDuration * 1000)} ms; ${after.Nodes} nodes, ${(after.JSHeapUsedSize / 1e6).toFixed(1)} MB of objects`);
  assert.ok(took < 15000, `${took} ms`);
  assert.ok(after.TaskDuration < 5, `${after.TaskDuration} s`);
  assert.ok((await page.locator(".row").count()) < 100, "what cannot be seen is no element");
});

test("steady changes leave the page's thread idle for the most part", async (context) => {
  let at = 0;
  const turning = setInterval(() => {
    for (let turn = 0; turn < TURNS; turn++, at++) web.set(`/${at % FLIPPING}`, Math.floor(at / FLIPPING) % 2 === 0 ? 503 : 200);
  }, 1000);
  try {
    await until("some are ill", async () => Number((await page.textContent(".state[data-state=unhealthy] b")).replace(",", "")) > 20);
    await page.evaluate(() => {
      window.longest = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
      }).observe({ type: "longtask" });
    });
    const [before, began] = [await spent(), Date.now()];
    await pause(8000);
    const [after, seconds] = [await spent(), (Date.now() - began) / 1000];
    const share = (key) => (after[key] - before[key]) / seconds;
    const longest = await page.evaluate(() => window.longest);
    context.diagnostic(`a second: scripts ${Math.round(share("ScriptDuration") * 1000)} ms, all work of the page's thread ${Math.round(share("TaskDuration") * 1000)} ms, longest task ${Math.round(longest)} ms`);
    assert.ok(share("ScriptDuration") < 0.25, `${share("ScriptDuration")} s of scripts a second`);
    assert.ok(share("TaskDuration") < 0.8, `${share("TaskDuration")} s of work a second`);
    assert.ok(longest < 700, `${longest} ms in one task`);
  } finally {
    clearInterval(turning);
  }
});

test("searching and going to the end take no time that one would notice", async (context) => {
  const timed = async (how) =>
    page.evaluate(async (how) => {
      const began = performance.now();
      const grid = document.querySelector("#grid");
      if (how === "search") {
        const input = document.querySelector("#search");
        input.value = "ledger eu-west";
        input.dispatchEvent(new Event("input"));
      } else if (how === "sort") grid.querySelector(".head .c-name button").click();
      else grid.dispatchEvent(new KeyboardEvent("keydown", { key: "End" }));
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      return performance.now() - began;
    }, how);
  const took = { sort: await timed("sort"), end: await timed("end"), search: await timed("search") };
  context.diagnostic(Object.entries(took).map(([how, ms]) => `${how} ${Math.round(ms)} ms`).join(", "));
  for (const [how, ms] of Object.entries(took)) assert.ok(ms < 1000, `${how}: ${ms} ms`);
  const found = await names(page);
  assert.ok(found.length > 10 && found.every((name) => name.startsWith("ledger-eu-west-")), `${found}`);
  assert.equal(await page.getAttribute("#grid", "aria-rowcount"), String(ORIGINS / 50 + 1));
  await page.fill("#search", "");
  await page.focus("#grid");
  await page.keyboard.press("End");
  assert.match((await names(page)).at(-1), /^stock-us-west-200$/);
  assert.deepEqual(page.errors, []);
});
