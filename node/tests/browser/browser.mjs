// A real Chromium without a window, and pages that tell of every error they meet.

import { chromium } from "playwright-core";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
  // A name that leads to loopback, as the node reads it another way than an address.
  "--host-resolver-rules=MAP heck.test 127.0.0.1",
];

/** Starts the browser of the system, or the one that `HECK_CHROMIUM` names. */
export const launch = () =>
  chromium.launch({ executablePath: process.env.HECK_CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });

/** A page with a storage of its own. What its console complains of, and its policy forbids, is in `page.errors`. */
export async function newPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.errors = [];
  page.on("console", (message) => message.type() === "error" && page.errors.push(`${message.text()} ${message.location().url}`));
  page.on("pageerror", (error) => page.errors.push(String(error)));
  return page;
}

/** Without what the browser notes when the panel asks for an origin in the moment in which it is removed. */
export const otherThanGone = (errors, name) =>
  errors.filter((error) => !(error.includes("404") && new RegExp(`/v1/[a-z]+/${name}([?]|$)`).test(error)));

/** Waits until the page has what its node tells. */
export const untilLive = (page) => page.waitForSelector('#live[data-live="live"]');

/** The row of an origin, as far as it can be seen. */
export const rowOf = (page, name) =>
  page.locator(".row:not([hidden])").filter({ has: page.locator(".name", { hasText: new RegExp(`^${escape(name)}$`) }) });

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** The state that the page shows for an origin; none when it is not there. */
export const stateOf = (page, name) =>
  page.evaluate((name) => {
    const row = [...document.querySelectorAll(".row:not([hidden])")].find((row) => row.querySelector(".name").textContent === name);
    return row?.querySelector(".c-state").textContent ?? null;
  }, name);

/** The names of the rows in their order on the page. */
export const names = (page) =>
  page.evaluate(() => {
    const rows = [...document.querySelectorAll(".row:not([hidden])")];
    rows.sort((a, b) => Number(a.getAttribute("aria-rowindex")) - Number(b.getAttribute("aria-rowindex")));
    return rows.map((row) => row.querySelector(".name").textContent);
  });

/** Gives the page a token, as an operator does. */
export async function useToken(page, token) {
  await page.click("#token");
  await page.fill("[name=token]", token);
  await page.click("dialog [type=submit]");
  await page.waitForSelector("dialog", { state: "detached" });
  await untilLive(page);
}

/** The page's address as the page knows it. */
export const address = (page) => page.evaluate(() => location.href);
