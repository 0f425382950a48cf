// What the page does when its node goes, is silent, wants a token, or says things that are no plain text.

import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { after, before, test } from "node:test";
import { address, launch, names, newPage, stateOf, untilLive } from "./browser.mjs";
import { Heck, until, Web, Wire } from "./heck.mjs";

let [browser, web] = [];
const fast = (path) => ({ url: web.url + path, interval: "500ms", fast_interval: "200ms", timeout: "5s", fall: 1, rise: 1, confirmers: 0 });
const banner = (page) => page.locator("#banner:not([hidden])");

before(async () => {
  [browser, web] = await Promise.all([launch(), Web.start()]);
});

after(async () => {
  await browser?.close();
  web?.end();
});

/** Runs a test with a node of its own. */
const withNode = (what, settings, body) =>
  test(what, async (context) => {
    const node = await Heck.start({ settings });
    try {
      await body(node, context);
    } finally {
      await node.end();
    }
  });

withNode("the page says that its node is gone, and goes on by itself when it is back", [], async (node) => {
  await node.put("web", fast("/"));
  const page = await newPage(browser);
  await page.goto(node.page);
  await untilLive(page);
  await until("web is there", async () => (await stateOf(page, "web")) === "healthy");
  await page.evaluate(() => (window.isTheSame = true));
  await node.kill();
  await banner(page).waitFor();
  assert.match(await banner(page).textContent(), /can’t be reached.*as it was/);
  assert.equal(await page.getAttribute("#banner", "data-level"), "bad");
  assert.equal(await stateOf(page, "web"), "healthy", "what was known stays");
  const again = await Heck.start({ folder: node.folder, http: new URL(node.url).host });
  try {
    await again.put("more", fast("/"));
    await again.ask("DELETE", "/v1/origins/web");
    await until("the page is live", async () => (await banner(page).count()) === 0);
    await until("it has what is new", async () => (await stateOf(page, "more")) === "healthy");
    await until("and not what is gone", async () => (await stateOf(page, "web")) === null);
    assert.equal(await page.evaluate(() => window.isTheSame), true, "it was not loaded anew");
    const own = page.errors.filter((error) => !error.includes("ERR_"));
    assert.deepEqual(own, [], "what the browser says of connections aside");
  } finally {
    await again.kill();
  }
});

withNode("a stream that broke off is taken up where it was", [], async (node) => {
  for (const name of ["one", "two"]) await node.put(name, fast(`/${name}`));
  const wire = await Wire.to(node.url);
  try {
    const page = await newPage(browser);
    const streams = [];
    page.on("request", (request) => request.headers().accept === "text/event-stream" && streams.push(request.headers()["last-event-id"]));
    await page.goto(wire.page);
    await untilLive(page);
    await until("both are there", async () => (await names(page)).length === 2);
    wire.cut();
    await banner(page).waitFor();
    await node.ask("POST", "/v1/origins/one/drain");
    await node.ask("DELETE", "/v1/origins/two");
    wire.mend();
    await until("it is live", async () => (await banner(page).count()) === 0);
    await until("it knows what it missed", async () => (await stateOf(page, "one")) === "draining" && (await names(page)).length === 1);
    assert.equal(streams[0], undefined);
    assert.match(streams.at(-1), /^[0-9a-f]+-\d+-\d+$/, "it said where it was");
  } finally {
    wire.end();
  }
});

withNode("a node that is silent is not believed", [], async (node) => {
  await node.put("web", fast("/"));
  const page = await newPage(browser);
  await page.goto(node.page);
  await untilLive(page);
  node.child.kill("SIGSTOP");
  // Its stream would be given up after 22 s; that nothing is answered shows sooner.
  await banner(page).waitFor({ timeout: 15000 });
  assert.match(await banner(page).textContent(), /does not answer|can’t be reached/);
  assert.equal(await page.evaluate(() => document.body.classList.contains("old")), true, "what is old looks old");
  node.child.kill("SIGCONT");
  await until("it is live", async () => (await banner(page).count()) === 0);
});

withNode("where reading needs a token the page asks for it, and forgets it when it is told to", [], async (node) => {
  await node.put("web", fast("/"));
  const page = await newPage(browser);
  // Under a name of its own a node is not read without a token, as on an API beyond loopback.
  await page.goto(node.page.replace("127.0.0.1", "heck.test"));
  await banner(page).waitFor();
  assert.match(await banner(page).textContent(), /not read without a token/);
  assert.deepEqual(await names(page), []);
  assert.equal(await page.getAttribute("#live", "data-live"), "locked");
  await banner(page).locator("button").click();
  await page.fill("[name=token]", "short");
  await page.click("dialog [type=submit]");
  assert.match(await page.textContent(".complaint"), /16 characters/);
  await page.fill("[name=token]", node.token);
  await page.click("dialog [type=submit]");
  await untilLive(page);
  await until("web is there", async () => (await stateOf(page, "web")) === "healthy");
  assert.equal((await address(page)).includes(node.token), false, "a token stands in no address");
  await page.reload();
  await untilLive(page);
  assert.equal(await page.evaluate(() => localStorage.length), 0, "it is kept for the tab alone");
  await page.click("#token");
  await page.click("text=Forget the token");
  await until("it is locked", async () => (await page.getAttribute("#live", "data-live")) === "locked");
});

withNode("names and tags are text, whatever they look like, and the policy lets nothing else run", [], async (node) => {
  const evil = "<img src=x onerror=window.hacked=1>";
  await node.put(evil, { ...fast("/"), tags: ["<b>bold</b>", "'\"><script>window.hacked=1</script>"] });
  await node.put("a/b c%2F?#&ü", fast("/"));
  const page = await newPage(browser);
  await page.goto(`${node.page}?q=${encodeURIComponent("<i>")}&owner=${encodeURIComponent("<u>x</u>")}&sort=<s>`);
  await untilLive(page);
  await page.click("#clear");
  await until("both are there", async () => (await names(page)).length === 2);
  assert.deepEqual((await names(page)).sort(), [evil, "a/b c%2F?#&ü"].sort());
  for (const name of [evil, "a/b c%2F?#&ü"]) {
    await page.locator(".row .name").getByText(name, { exact: true }).click();
    await page.waitForSelector(".detail .next li");
    assert.equal(await page.textContent("#detail-title"), name);
    await page.waitForSelector(".detail .changes li");
  }
  assert.equal(await page.locator("main img, main b.bold, main script").count(), 0);
  assert.deepEqual(page.errors, [], "nothing of it was even tried");
  // What a flaw in the page could do is stopped by the browser.
  const tried = await page.evaluate(async () => {
    const violations = [];
    document.addEventListener("securitypolicyviolation", (event) => violations.push(event.effectiveDirective));
    const attempts = [];
    try {
      document.createElement("div").innerHTML = "<b>x</b>";
      attempts.push("innerHTML");
    } catch {
      // Trusted types do not let a text become markup.
    }
    try {
      document.createElement("button").setAttribute("onclick", "window.hacked = 1");
      attempts.push("onclick");
    } catch {
      // Nor a script.
    }
    try {
      const script = document.createElement("script");
      script.textContent = "window.hacked = 1";
      document.body.append(script);
    } catch {
      // Nor in an element of its own.
    }
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = "http://heck.test:1/x.css";
    document.body.append(link);
    try {
      await fetch("http://heck.test:1/");
      attempts.push("fetch");
    } catch {
      // Nobody else is to be talked to.
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
    return { attempts, violations, hacked: window.hacked };
  });
  assert.deepEqual(tried.attempts, []);
  assert.equal(tried.hacked, undefined);
  for (const directive of ["require-trusted-types-for", "style-src-elem", "connect-src"]) {
    assert.ok(tried.violations.includes(directive), `${directive}: ${tried.violations}`);
  }
});

withNode("a cluster without origins says what to do", [], async (node) => {
  const page = await newPage(browser);
  await page.goto(node.page);
  await untilLive(page);
  await page.waitForSelector("#empty h2");
  assert.match(await page.textContent("#empty"), /No origins yet/);
  await page.click("#empty button");
  assert.equal(await page.textContent("dialog h2"), "Token");
  assert.deepEqual(page.errors, []);
});

test("a member that dies is told, and its origins move on the page", async () => {
  const a = await Heck.start({ name: "a" });
  const [b, c] = [await Heck.start({ name: "b", join: a }), await Heck.start({ name: "c", join: a })];
  try {
    for (let at = 0; at < 12; at++) await a.put(`o${at}`, fast("/"));
    const page = await newPage(browser);
    await page.goto(a.page);
    await untilLive(page);
    const owners = () => page.locator(".row:not([hidden]) .c-owner").allTextContents();
    await until("each owns some", async () => new Set(await owners()).size === 3);
    await b.kill();
    await until("b is dead", async () => (await page.locator('.member[data-standing="dead"]').count()) === 1);
    await until("b owns nothing", async () => (await owners()).every((owner) => owner !== "b"));
    await until("the history tells", async () => /b.*→ dead/.test(await page.textContent("#history-list")));
    // Half a minute and more would pass until the last one is sure that it is alone: that is told to the page here.
    await page.route("**/v1/members", async (route) => {
      const told = await (await route.fetch({ headers: {} })).json();
      for (const member of told.members) if (member.name !== "a") member.standing = "dead";
      await route.fulfill({ json: told });
    });
    await until("the page says that it is alone", async () => /reaches no other member/.test(await page.textContent("#banner")));
  } finally {
    await Promise.all([a.end(), c.end(), rm(b.folder, { recursive: true, force: true })]);
  }
});

test("an event stream is read whatever its pieces", async () => {
  const node = await Heck.start();
  try {
    const page = await newPage(browser);
    await page.goto(node.page);
    const told = await page.evaluate(async () => {
      const { events } = await import("/ui/sse.js");
      const text = ': hello\n\nevent: set\ndata: {"a":\ndata: "ü"}\nid: 7-1\n\nevent:removed\ndata:x\r\n\r\n\n\ndata: last\n\n: alive\n\nevent: cut\ndata: never';
      const bytes = new TextEncoder().encode(text);
      const all = [];
      for (const size of [1, 2, 7, 1000]) {
        const body = new ReadableStream({
          start(control) {
            for (let at = 0; at < bytes.length; at += size) control.enqueue(bytes.slice(at, at + size));
            control.close();
          },
        });
        const seen = [];
        for await (const batch of events(body)) seen.push(...batch);
        all.push(seen);
      }
      const { span, age } = await import("/ui/format.js");
      return { all, spans: [0, 999, 61000, 3600000, 93784000].map(span), ages: [null, 120, 12345].map(age) };
    });
    const whole = [
      { kind: "set", id: "7-1", data: '{"a":\n"ü"}' }, { kind: "removed", id: null, data: "x" }, { kind: "message", id: null, data: "last" },
    ];
    assert.deepEqual(told.all, [whole, whole, whole, whole]);
    assert.deepEqual(told.spans, ["0s", "0s", "1m 1s", "1h", "1d 2h"]);
    assert.deepEqual(told.ages, ["–", "0.1s", "12s"]);
  } finally {
    await node.end();
  }
});

withNode("the page is not there when it is switched off", ["--api-dashboard=false"], async (node) => {
  assert.equal((await fetch(node.page)).status, 404);
  assert.equal((await fetch(`${node.url}/v1/health`)).status, 200);
});
