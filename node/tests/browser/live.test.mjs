// What the page shows is what its node knows, at once; what is done on it is done in the cluster.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { address, launch, newPage, otherThanGone, rowOf, stateOf, untilLive, useToken } from "./browser.mjs";
import { Heck, pause, until, Web } from "./heck.mjs";

let [browser, web, a, b] = [];
const fast = (path) => ({ url: web.url + path, interval: "500ms", fast_interval: "200ms", timeout: "5s", fall: 1, rise: 1, confirmers: 0, tags: ["edge"] });

before(async () => {
  [browser, web, a] = await Promise.all([launch(), Web.start(), Heck.start({ name: "a" })]);
  b = await Heck.start({ name: "b", join: a });
  await a.put("web", fast("/web"));
  for (const node of [a, b]) await until("web is healthy", async () => (await node.json("/v1/health/web")).state === "healthy");
});

after(async () => {
  await browser?.close();
  web?.end();
  await Promise.all([a?.end(), b?.end()]);
});

test("a flip is on the page within a second of the API", async () => {
  const page = await newPage(browser);
  await page.goto(b.page);
  await untilLive(page);
  await until("the page has web", async () => (await stateOf(page, "web")) === "healthy");
  for (const [status, state] of [[503, "unhealthy"], [200, "healthy"]]) {
    web.set("/web", status);
    const seen = until("the page shows it", async () => (await stateOf(page, "web")) === state && Date.now());
    const told = await until("the API tells it", async () => (await b.json("/v1/health/web")).state === state && Date.now());
    const late = (await seen) - told;
    assert.ok(late < 1000, `${state}: ${late} ms after the API`);
  }
  await until("the history has both", async () => {
    const lines = await page.locator("#history-list li").allTextContents();
    return lines.some((line) => /web.*healthy → unhealthy/.test(line)) && lines[0].includes("unhealthy → healthy") && lines[0].includes("web");
  });
  assert.deepEqual(page.errors, []);
});

test("an origin that is added on the page of one node appears on that of another", async () => {
  const [first, second] = [await newPage(browser), await newPage(browser)];
  await Promise.all([first.goto(a.page), second.goto(b.page)]);
  await Promise.all([untilLive(first), untilLive(second)]);
  await useToken(first, a.token);
  await first.click("#add");
  await first.fill("[name=name]", "shop");
  await first.fill("[name=url]", `${web.url}/shop`);
  await first.fill("[name=interval]", "1s");
  await first.fill("[name=tags]", "eu static");
  await first.click("dialog [type=submit]");
  await first.waitForSelector("dialog", { state: "detached" });
  await until("the other page shows it", async () => (await stateOf(second, "shop")) === "healthy");
  assert.deepEqual(await rowOf(second, "shop").locator(".tag").allTextContents(), ["eu", "static"]);
  assert.equal((await b.json("/v1/origins/shop")).interval, "1s");
  await second.click("text=shop");
  await second.waitForSelector(".detail .next li");
  const order = (await b.json("/v1/owner/shop")).priority;
  assert.deepEqual(await second.locator(".detail .next .name").allTextContents(), order, "who would own it next");
  assert.deepEqual([...first.errors, ...second.errors], []);
});

test("an origin is drained, undrained, put in maintenance and removed with a token, after a question", async () => {
  await a.put("old", fast("/old"));
  const page = await newPage(browser);
  await page.goto(`${a.page}?origin=old`);
  await untilLive(page);
  await page.click("[data-verb=drain]");
  assert.equal(await page.textContent("dialog h2"), "Token", "a change asks for a token first");
  await page.fill("[name=token]", "0123456789abcdef0123");
  await page.click("dialog [type=submit]");
  const wrong = page.locator(".toast.bad");
  await wrong.waitFor();
  assert.match(await wrong.textContent(), /does not know the token/);
  await page.fill("[name=token]", a.token);
  await page.click("dialog [type=submit]");
  await page.waitForSelector("dialog", { state: "detached" });
  await page.click("[data-verb=drain]");
  await until("it is draining", async () => (await stateOf(page, "old")) === "draining");
  assert.equal((await b.json("/v1/origins/old")).admin, "draining");
  await page.click("text=Undrain");
  await until("it is healthy again", async () => (await stateOf(page, "old")) === "healthy");
  await page.click("[data-verb=maintenance]");
  await until("it is in maintenance", async () => (await stateOf(page, "old")) === "maintenance");
  await page.click("text=End maintenance");
  await until("that has ended", async () => (await stateOf(page, "old")) === "healthy");
  await page.click("[data-verb=remove]");
  assert.equal(await page.textContent("dialog h2"), "Remove old?");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Cancel", "the enter key removes nothing");
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog", { state: "detached" });
  assert.equal((await a.json("/v1/origins/old")).name, "old", "it is still there");
  await page.click("[data-verb=remove]");
  await page.click("dialog .danger");
  await until("it is gone", async () => (await rowOf(page, "old").count()) === 0);
  await until("its panel is closed", () => page.locator("#detail").isHidden());
  await until("and everywhere", async () => (await b.json("/v1/health")).health.every((row) => row.name !== "old"));
  // The browser itself notes the answer to the wrong token.
  assert.deepEqual(otherThanGone(page.errors, "old").filter((error) => !error.includes("401")), []);
});

test("what the node refuses is told in its words", async () => {
  const page = await newPage(browser);
  await page.goto(a.page);
  await untilLive(page);
  await useToken(page, a.token);
  await page.click("#add");
  const complaint = async (name, url, more) => {
    await page.fill("[name=name]", name);
    await page.fill("[name=url]", url);
    if (more !== undefined) await page.evaluate((text) => (document.querySelector("[name=more]").value = text), more);
    await page.click("dialog [type=submit]");
    return until("a complaint", async () => (await page.locator(".complaint").isVisible()) && page.textContent(".complaint"));
  };
  assert.match(await complaint("web", web.url), /one of that name/);
  assert.match(await complaint("new", "ftp://nowhere"), /ftp/);
  assert.match(await complaint("", web.url), /name is missing/);
  assert.match(await complaint("new", web.url, "{"), /no JSON/);
  assert.match(await complaint("new", web.url, '{"fail": 3}'), /fail/);
  await page.keyboard.press("Escape");
  assert.equal((await a.json("/v1/health")).health.some((row) => row.name === "new"), false);
});

test("ages run on their own and come down when the node hears again", async () => {
  const page = await newPage(browser);
  await page.goto(a.page);
  await untilLive(page);
  const seconds = async () => {
    const text = await rowOf(page, "web").locator(".c-age > span").first().textContent();
    return /^\d+(\.\d)?s$/.test(text) ? Number.parseFloat(text) : null;
  };
  await until("web has an age", async () => (await seconds()) !== null);
  const seen = [];
  for (let at = 0; at < 30; at++) {
    seen.push(await seconds());
    await pause(200);
  }
  const steps = seen.slice(1).map((age, at) => age - seen[at]);
  assert.ok(steps.some((step) => step > 0), `it runs: ${seen}`);
  const told = (await a.json("/v1/health/web")).age_ms / 1000;
  assert.ok(Math.abs((await seconds()) - told) < 3.5, `${await seconds()} s and ${told} s`);
});

test("members tell what they own, and who takes over", async () => {
  const page = await newPage(browser);
  await page.goto(a.page);
  await untilLive(page);
  await until("both are there", async () => (await page.locator(".member").count()) === 2);
  assert.equal(await page.textContent("#members-count"), "2 alive");
  const owner = (await a.json("/v1/owner/web")).owner;
  await page.click(`.member:has-text("${owner}")`);
  await page.waitForSelector(".heir");
  assert.equal(await page.textContent(".heir .name"), owner === "a" ? "b" : "a");
  assert.match(await address(page), new RegExp(`member=${owner}`));
  const owned = async () => (await a.json(`/v1/health?owner=${owner}`)).health.length;
  const isToldRight = async () => (await page.textContent(".detail .facts")).includes(`Owns${await owned()} origin`);
  await until("how many it owns", isToldRight);
  for (let at = 0; at < 8; at++) await a.put(`more-${at}`, fast("/more"));
  await until("how many it owns by now", isToldRight);
  await until("and who takes these over", async () => (await page.textContent(".heir .owned")) === `${await owned()} origins`);
  await page.click("text=Show its origins");
  assert.equal(await page.inputValue("#owner"), owner);
  assert.ok((await page.locator(".row:not([hidden]) .c-owner").allTextContents()).every((name) => name === owner));
  assert.deepEqual(page.errors, []);
});
