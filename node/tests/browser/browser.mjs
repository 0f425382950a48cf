// A real Chromium without a window, and pages that tell of every error they meet.

import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/** Starts the browser of the system, or the one that `HECK_CHROMIUM` names. */
export const launch = () =>
  chromium.launch({ executablePath: process.env.HECK_CHROMIUM ?? "/usr/bin/chromium", args: FLAGS });

/**
 * A page of its own storage. What its console complains of, and what the policy of the page forbids, is in
 * `page.errors`. With `assets`, its files come from that folder instead of the node, which helps while writing them.
 */
export async function newPage(browser, { assets = process.env.HECK_ASSETS, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.errors = [];
  page.on("console", (message) => message.type() === "error" && page.errors.push(message.text()));
  page.on("pageerror", (error) => page.errors.push(String(error)));
  if (assets) {
    await page.route("**/ui/**", async (route) => {
      const file = new URL(route.request().url()).pathname.slice(4) || "index.html";
      const response = await route.fetch();
      await route.fulfill({ response, body: await readFile(`${assets}/${file}`) });
    });
  }
  return page;
}

/** Waits until the page has what its node tells. */
export const untilLive = (page) => page.waitForSelector('#live[data-live="live"]');
