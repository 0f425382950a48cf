// Searching, filtering, sorting, and working without a mouse or on a phone.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { address, launch, names, newPage, otherThanGone, stateOf, untilLive } from "./browser.mjs";
import { Heck, tcpServer, until, Web } from "./heck.mjs";

let [browser, web, quiet, node] = [];

before(async () => {
  [browser, web, quiet, node] = await Promise.all([launch(), Web.start(), tcpServer(), Heck.start({ name: "a" })]);
  web.set("/ill", 500);
  const fast = { interval: "500ms", fast_interval: "200ms", timeout: "5s", fall: 1, rise: 1 };
  const origins = [["web-2", "/", ["eu", "edge"]], ["web-10", "/", ["us", "edge"]], ["mail", "/ill", ["eu"]], ["ledger", "/", []]];
  await node.import(origins.map(([name, path, tags]) => ({ name, url: web.url + path, tags, ...fast })));
  await until("all have a state", async () => (await node.json("/v1/health")).health.every((row) => row.state !== "unknown"));
});

after(async () => {
  await browser?.close();
  web?.end();
  quiet?.end();
  await node?.end();
});

async function open(search = "", options = {}, isEmpty = false) {
  const page = await newPage(browser, options);
  await page.goto(node.page + search);
  await untilLive(page);
  await page.waitForSelector(isEmpty ? "#empty button" : ".row:not([hidden])");
  return page;
}

test("the worst comes first, and names are sorted as people do", async () => {
  const page = await open();
  assert.deepEqual(await names(page), ["mail", "ledger", "web-2", "web-10"]);
  await page.click(".c-name button");
  assert.deepEqual(await names(page), ["ledger", "mail", "web-2", "web-10"]);
  assert.match(await address(page), /sort=name/);
  await page.click(".c-name button");
  assert.deepEqual(await names(page), ["web-10", "web-2", "mail", "ledger"]);
  assert.equal(await page.getAttribute(".head .c-name", "aria-sort"), "descending");
  for (const column of ["owner", "since", "age", "reason", "state"]) {
    await page.click(`.c-${column} button`);
    assert.equal((await names(page)).length, 4, column);
  }
  assert.deepEqual(page.errors, []);
});

test("search and filters stand in the address, and the address brings them back", async () => {
  const page = await open();
  await page.fill("#search", "WEB eu");
  assert.deepEqual(await names(page), ["web-2"]);
  await page.fill("#search", "");
  await page.click(".state[data-state=unhealthy]");
  assert.deepEqual(await names(page), ["mail"]);
  assert.equal(await page.getAttribute(".state[data-state=unhealthy]", "aria-pressed"), "true");
  await page.click(".state[data-state=unhealthy]");
  await page.selectOption("#tag", "edge");
  assert.deepEqual(await names(page), ["web-2", "web-10"]);
  await page.fill("#search", "10");
  const linked = await address(page);
  assert.match(linked, /q=10/);
  assert.match(linked, /tag=edge/);
  const other = await open(new URL(linked).search);
  assert.deepEqual(await names(other), ["web-10"]);
  assert.equal(await other.inputValue("#search"), "10");
  await other.fill("#search", "nothing at all");
  await other.waitForSelector("#empty:not([hidden])");
  await other.click("#empty button");
  assert.deepEqual((await names(other)).length, 4);
  const owned = await open("?owner=nobody-here", {}, true);
  assert.deepEqual(await names(owned), []);
});

test("a row that no longer fits the filter goes, and comes back", async () => {
  const page = await open("?state=healthy");
  assert.equal((await names(page)).includes("ledger"), true);
  web.set("/", 500);
  await until("none is healthy", async () => (await names(page)).length === 0);
  web.set("/", 200);
  await until("all but mail are", async () => (await names(page)).length === 3);
});

test("everything can be done with the keyboard alone", async () => {
  await node.put("spare", { url: `${web.url}/`, interval: "500ms", fast_interval: "200ms", timeout: "5s", rise: 1 });
  const page = await open();
  const press = (key) => page.keyboard.press(key);
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
  await press("Tab");
  assert.equal(await focused(), "Skip to the origins");
  await press("Enter");
  await press("/");
  assert.equal(await focused(), "search");
  await page.keyboard.type("spare");
  await press("Enter");
  assert.equal(await focused(), "grid");
  const active = await page.getAttribute("#grid", "aria-activedescendant");
  assert.match(await page.textContent(`#${active}`), /spare/);
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, "none", "the focus can be seen");
  await press("Enter");
  await page.waitForSelector("#detail:not([hidden]) h2");
  await press("d");
  await page.waitForSelector("dialog");
  await page.keyboard.type(node.token);
  await press("Enter");
  await until("it is draining", async () => (await stateOf(page, "spare")) === "draining");
  await press("d");
  await until("it is not any more", async () => (await stateOf(page, "spare")) === "healthy");
  await press("m");
  await until("it is in maintenance", async () => (await stateOf(page, "spare")) === "maintenance");
  await press("Delete");
  await page.waitForSelector("dialog .danger");
  await press("Tab");
  assert.equal(await focused(), "Remove it");
  await press("Enter");
  await until("it is gone", async () => (await names(page)).length === 0);
  // With an open panel the key closes that.
  await until("its panel is closed", () => page.locator("#detail").isHidden());
  await press("Escape");
  await until("the filter is cleared", async () => (await names(page)).length === 4);
  await press("a");
  await page.waitForSelector("dialog [name=name]");
  assert.equal(await page.evaluate(() => document.activeElement.name), "name");
  await press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  await press("2");
  assert.match(await focused(), /^a/, "the members");
  await press("?");
  await page.waitForSelector("dialog .shortcuts");
  await page.click("dialog [type=checkbox]");
  await press("Escape");
  await press("a");
  assert.equal(await page.locator("dialog").count(), 0, "single keys are switched off");
  assert.deepEqual(otherThanGone(page.errors, "spare"), []);
});

test("the table can be walked through to its end", async () => {
  const page = await open("?sort=name");
  await page.focus("#grid");
  for (const [key, name] of [["End", "web-10"], ["Home", "ledger"], ["ArrowDown", "mail"], ["j", "web-2"], ["k", "mail"], ["PageDown", "web-10"]]) {
    await page.keyboard.press(key);
    const row = await page.getAttribute("#grid", "aria-activedescendant");
    assert.match(await page.textContent(`#${row}`), new RegExp(name), key);
  }
  assert.equal(await page.getAttribute("#grid", "aria-rowcount"), "5");
});

test("a phone shows one view at a time and nothing beyond its edge", async () => {
  const page = await open("", { viewport: { width: 390, height: 844 }, hasTouch: true });
  const fits = async (what) => {
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390, `${what}: ${width} px`);
  };
  await fits("origins");
  assert.ok(await page.locator("#members").isHidden());
  await page.click("#tab-members");
  assert.ok(await page.locator("#members").isVisible() && (await page.locator("#origins").isHidden()));
  await fits("members");
  await page.click("#tab-history");
  await fits("history");
  await page.click("#tab-origins");
  await page.click("text=mail");
  assert.ok(await page.locator("#detail").isVisible());
  await fits("details");
  await page.goBack();
  assert.ok(await page.locator("#detail").isHidden(), "the way back closes the details");
  assert.deepEqual(page.errors, []);
});

test("text can be read in both themes, and every control has a name", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const page = await open("?origin=mail", { colorScheme, reducedMotion: "reduce" });
    await page.waitForSelector(".detail .next li");
    const { faint, nameless } = await page.evaluate(() => {
      const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
      const rgb = (color, under) => {
        canvas.fillStyle = under;
        canvas.fillRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
      };
      const light = (parts) => parts.map((part) => part / 255).map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)).reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
      const ground = (node) => {
        const chain = [];
        for (let at = node; at; at = at.parentElement) chain.unshift(getComputedStyle(at).backgroundColor);
        return chain.reduce((under, color) => `rgb(${rgb(color, under).join(",")})`, "rgb(255,255,255)");
      };
      const faint = [];
      for (const node of document.querySelectorAll("body *")) {
        const isText = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim() !== "");
        const style = getComputedStyle(node);
        if (!isText || node.closest(".spoken, .skip, noscript") || node.getClientRects().length === 0 || style.visibility === "hidden") continue;
        const under = ground(node);
        const [a, b] = [light(rgb(style.color, under)), light(rgb(under, under))].sort((x, y) => y - x);
        const contrast = (a + 0.05) / (b + 0.05);
        if (contrast < 4.5) faint.push(`${node.className || node.tagName} "${node.textContent.slice(0, 20)}" ${contrast.toFixed(2)}`);
      }
      const nameless = [...document.querySelectorAll("button, input, select, a")].filter((node) => {
        const label = node.getAttribute("aria-label") || node.textContent.trim() || node.labels?.[0]?.textContent;
        return !label && !node.closest("[hidden]");
      });
      return { faint, nameless: nameless.map((node) => node.outerHTML) };
    });
    assert.deepEqual(faint, [], colorScheme);
    assert.deepEqual(nameless, [], colorScheme);
    await page.keyboard.press("l");
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "light");
    await page.reload();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "light", "the choice is kept");
  }
});
