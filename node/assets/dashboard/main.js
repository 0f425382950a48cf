// The page: what the node tells goes into the store, and what can be seen of it is drawn some times a second.

import { Actions } from "./actions.js";
import { Ages } from "./ages.js";
import { follow, get, hasToken, now } from "./api.js";
import { Banner } from "./banner.js";
import { Chooser } from "./chooser.js";
import { Detail } from "./detail.js";
import { complain } from "./dialog.js";
import { byId, el, setText } from "./dom.js";
import { Feed } from "./feed.js";
import { Filter, VIEWS } from "./filter.js";
import { count, plural } from "./format.js";
import { help } from "./help.js";
import { History } from "./history.js";
import { MemberDetail } from "./member.js";
import { Members } from "./members.js";
import { Order } from "./order.js";
import { Shortcuts } from "./shortcuts.js";
import { Store } from "./store.js";
import { offer, Summary } from "./summary.js";
import { Table } from "./table.js";
import { askForToken } from "./token.js";

/** How often members are asked for, ages, and what has changed. */
const MEMBERS_MS = 2000;
/** How long the node may take for that before the page says that it does not answer. */
const PULSE_PATIENCE_MS = 5000;
const AGES_MS = 2000;
/** The same where the node tells of so many origins one by one that reading them costs something. */
const MANY = 2000;
const MANY_AGES_MS = 8000;
const HISTORY_MS = 700;
const TOAST_MS = 6000;
/** Least time between two drawings of what the stream tells: nobody reads faster. */
const DRAW_MS = 120;
/** The same of how many origins each member owns. */
const OWNED_MS = 400;

const store = new Store();
const ages = new Ages();
const filter = new Filter(location.search);
const order = new Order(filter, ages);
const summary = new Summary(byId("proportions"), byId("states"), (state) => change(() => filter.toggleState(state)));
const table = new Table(byId("grid"), order, ages, now, {
  onOpen: (row) => openOrigin(row.name),
  onSort: (column) => change(() => {
    if (filter.sort === column) filter.isDown = !filter.isDown;
    else Object.assign(filter, { sort: column, isDown: false });
  }),
  onTag: (tag) => change(() => (filter.tag = filter.tag === tag ? "" : tag)),
});
const members = new Members(byId("members-list"), byId("members-count"), (name) => openMember(name));
const history_ = new History(byId("history-list"), byId("history-count"), (name, isMember) => (isMember ? openMember(name) : openOrigin(name)));
const actions = new Actions((why) => token(why), tell);
const panel = byId("detail");
const detail = new Detail(panel, { act, close: closePanel, ages, member: (name) => members.get(name) });
const memberDetail = new MemberDetail(panel, {
  close: closePanel, member: (name) => members.get(name), owned: (name) => store.owners.get(name) ?? 0,
  show: (name) => {
    change(() => Object.assign(filter, { owner: name, view: "origins" }));
    if (isNarrow()) closePanel();
  },
});
const feed = new Feed((events) => took(events), (state) => {
  banner.feed = state;
  if (state.state === "live") refreshAll();
  banner.show();
});
const banner = new Banner(byId("banner"), byId("live"), { retry: () => feed.retry(), token: () => token("This node is not read without a token.") });
const chooser = new Chooser(byId("theme"));
const isNarrow = () => matchMedia("(max-width: 999px)").matches;

// --- what the node tells -------------------------------------------------------------------------------------------

let isDue = false;
let drawnAt = 0;

function took(events) {
  store.take(events);
  banner.heardAt = Date.now();
  if (isDue) return;
  isDue = true;
  // A tab that is not seen gets no frames.
  const soon = document.hidden ? draw : () => requestAnimationFrame(draw);
  setTimeout(soon, Math.max(0, drawnAt + DRAW_MS - Date.now()));
}

/** Draws what changed. Nothing is drawn before everything was told once. */
function draw() {
  isDue = false;
  drawnAt = Date.now();
  if (!store.isFilled && store.told !== null) return;
  const changes = store.changes();
  const anchor = table.anchor();
  const isMoved = order.update(changes.keys(), store.rows.values());
  if (isMoved) table.moved(anchor);
  else table.draw();
  speak(changes);
  summarise();
  const row = detail.name === null ? undefined : store.rows.get(detail.name);
  if (detail.name !== null && detail.row?.isGone && !row) closePanel();
  else if (row && changes.has(row)) detail.update(row);
  if (changes.size > 0) soonHistory();
  table.isLive = true;
}

let ownedTimer = null;

function summarise() {
  summary.show(store, filter);
  offer(byId("tag"), store.tags, filter.tag, "All tags");
  offer(byId("owner"), store.owners, filter.owner, "All owners");
  byId("clear").hidden = !filter.isActive;
  const ill = (store.states.get("unhealthy") ?? 0);
  const title = `${ill > 0 ? `(${count(ill)}) ` : ""}heck${members.node ? ` · ${members.node}` : ""}`;
  if (document.title !== title) document.title = title;
  showEmpty();
  ownedTimer ??= setTimeout(showOwned, OWNED_MS);
}

function showOwned() {
  clearTimeout(ownedTimer);
  ownedTimer = null;
  members.showOwned(store.owners, filter.member);
  if (memberDetail.name !== null) memberDetail.update();
}

function showEmpty() {
  const empty = byId("empty");
  empty.hidden = order.list.length > 0;
  byId("grid").classList.toggle("bare", order.list.length === 0);
  if (empty.hidden) return;
  const kind = !store.isFilled ? "waiting" : store.rows.size === 0 ? "none" : "filtered";
  if (empty.dataset.kind === kind) return;
  empty.dataset.kind = kind;
  const says = {
    waiting: [el("p", { text: "Waiting for the node…" })],
    none: [el("h2", { text: "No origins yet" }), el("p", { text: "Every origin that is added on any node appears here, with its state, who checks it, and how old that answer is." }),
      el("button", { type: "button", class: "button primary", text: "Add an origin", onclick: () => add() }), el("p", { class: "hint" }, "or ", el("code", { text: "heck origin add example http://127.0.0.1:8000/" }))],
    filtered: [el("h2", { text: "Nothing fits the filters" }), el("button", { type: "button", class: "button", text: "Clear filters", onclick: () => change(() => filter.clear()) })],
  };
  empty.replaceChildren(...says[kind]);
}

const readMembers = follow("/v1/members", PULSE_PATIENCE_MS);

async function pulse() {
  if (document.hidden || banner.feed.state !== "live") return;
  try {
    const told = await readMembers();
    banner.pulse = null;
    banner.heardAt = Date.now();
    if (told === null) return;
    members.take(told);
    setText(byId("node"), told.node);
    banner.phase = told.phase;
    const others = told.members.filter((member) => member.name !== told.node && member.standing !== "left");
    banner.isAlone = others.length > 0 && others.every((member) => member.standing === "dead");
    showOwned();
    summarise();
    soonHistory();
  } catch (error) {
    // The stream tells what it means that the node is gone, or locked; that it answers late is told here.
    banner.pulse = error.status === 401 || banner.feed.state !== "live" ? null : error;
  }
  banner.show();
}

async function readAges(isDue = true) {
  if (document.hidden || banner.feed.state !== "live") return;
  if (!isDue && ages.own.size > MANY && Date.now() - ages.at < MANY_AGES_MS) return;
  try {
    ages.take(await get("/v1/ages"));
    if (filter.sort === "age") rebuild();
  } catch {
    // What runs on by itself is no younger than it says.
  }
}

let historyTimer = null;

/** Asks what has changed, soon: once for all that changes meanwhile. */
function soonHistory() {
  historyTimer ??= setTimeout(async () => {
    try {
      const after = history_.last === null ? "" : `&after=${encodeURIComponent(history_.last)}`;
      history_.take(await get(`/v1/history?limit=300${after}`));
    } catch {
      // The next change asks again.
    }
    historyTimer = null;
  }, HISTORY_MS);
}

function refreshAll() {
  pulse();
  readAges();
  soonHistory();
}

// --- what is shown --------------------------------------------------------------------------------------------------

function rebuild() {
  order.rebuild(store.rows.values());
  table.draw();
  showEmpty();
}

/** Changes which origins are shown, and the page's address with it. */
function change(how) {
  how();
  filter.prepare();
  address("replaceState");
  shown();
}

/** Writes what is shown into the page's address. */
function address(how) {
  try {
    history[how](null, "", `${location.pathname}${filter}`);
  } catch {
    // A browser takes only so many addresses a minute; the next one has it all.
  }
}

/** Changes what is looked at beside them. `isStep` makes it one that the browser's way back undoes. */
function look(how, isStep = false) {
  how();
  address(isStep ? "pushState" : "replaceState");
  showOwned();
  view();
}

function shown() {
  if (byId("search").value !== filter.text) byId("search").value = filter.text;
  table.showSort(filter);
  table.rows.scrollTop = 0;
  rebuild();
  summarise();
  showOwned();
  view();
}

function view() {
  document.body.dataset.view = filter.view;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const isChosen = tab.dataset.view === filter.view;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
  }
  showPanel();
}

/** Opens or closes the panel as the address says. */
function showPanel() {
  const row = filter.origin === "" ? undefined : store.rows.get(filter.origin);
  const isMember = filter.member !== "";
  const isOpen = row !== undefined || isMember;
  if (isMember && memberDetail.name !== filter.member) {
    detail.name = null;
    memberDetail.open(filter.member);
  } else if (row) {
    memberDetail.name = null;
    table.activate(row);
    detail.open(row);
  }
  if (!isOpen) detail.name = memberDetail.name = null;
  panel.hidden = !isOpen;
  document.body.classList.toggle("open", isOpen);
}

function openOrigin(name) {
  if (!store.rows.has(name)) return tell(null, { title: "That origin is gone", detail: `${name} was removed`, next: "" });
  look(() => Object.assign(filter, { origin: name, member: "" }), true);
  if (isNarrow()) panel.focus();
}

function openMember(name) {
  look(() => Object.assign(filter, { origin: "", member: name }), true);
  if (isNarrow()) panel.focus();
}

function closePanel() {
  const [origin, member] = [filter.origin, filter.member];
  look(() => Object.assign(filter, { origin: "", member: "" }));
  // The focus goes back to where it came from.
  if (origin !== "" && filter.view !== "history") byId("grid").focus();
  else if (member !== "") members.items.get(member)?.button.focus();
}

// --- what is done ---------------------------------------------------------------------------------------------------

/** The origin that a key is for: the one that is open, or the one that the cursor is at. */
const current = () => store.rows.get(filter.origin) ?? (table.active?.isGone ? undefined : table.active) ?? undefined;

async function act(verb, name) {
  if (verb === "remove") await actions.remove(name);
  else await actions.act(verb, name);
}

async function add() {
  const name = await actions.add();
  if (name) table.active = store.rows.get(name) ?? table.active;
}

async function token(why) {
  return askForToken(why, () => {
    showToken();
    feed.restart();
  });
}

function showToken() {
  byId("token").classList.toggle("set", hasToken());
  byId("token").title = hasToken() ? "This tab has a token (t)" : "This tab has no token (t)";
}

/** Tells what came of something, for a while; what went wrong stays until it is closed. */
function tell(text, error) {
  const toast = el("div", { class: `toast ${error ? "bad" : ""}` });
  const words = el("span", { text: text ?? "" });
  if (error) complain(words, error);
  toast.append(words, el("button", { type: "button", class: "button quiet square", "aria-label": "Close", text: "×", onclick: () => toast.remove() }));
  byId("toasts").append(toast);
  while (byId("toasts").childElementCount > 4) byId("toasts").firstChild.remove();
  if (!error) setTimeout(() => toast.remove(), TOAST_MS);
}

let spokenAt = 0;

/** Says aloud what became ill or well, now and then. */
function speak(changes) {
  if (!table.isLive || Date.now() - spokenAt < 3000) return;
  const turned = [...changes].filter(([row, before]) => before !== undefined && !row.isGone && before !== row.state);
  if (turned.length === 0) return;
  spokenAt = Date.now();
  const [row] = turned[0];
  setText(byId("spoken"), `${row.name} is ${row.state}${turned.length > 1 ? `, and ${plural(turned.length - 1, "other")} changed` : ""}`);
}

function toggle(verb, state) {
  const row = current();
  if (row) act(row.admin === state ? "enable" : verb, row.name);
}

const shortcuts = new Shortcuts({
  "/": () => byId("search").focus(),
  j: () => table.step(1),
  k: () => table.step(-1),
  a: () => add(),
  d: () => toggle("drain", "draining"),
  m: () => toggle("maintenance", "maintenance"),
  c: () => current() && act("check", current().name),
  Delete: () => current() && act("remove", current().name),
  t: () => token("Changes need a token that allows writing; reading needs one where the node says so."),
  l: () => chooser.turn(),
  "?": () => openHelp(),
  1: () => go("origins", byId("grid")),
  2: () => go("members", byId("members-list").querySelector("[tabindex='0']")),
  3: () => go("history", byId("history-list").querySelector("[tabindex='0']")),
  Escape: (event) => {
    if (event.target === byId("search")) {
      if (filter.text !== "") change(() => (filter.text = ""));
      else byId("grid").focus();
    } else if (!panel.hidden) closePanel();
    else if (filter.isActive) change(() => filter.clear());
    else return false;
    return true;
  },
});

const openHelp = () => help(shortcuts.isOn, (isOn) => shortcuts.turn(isOn));

function go(view, target) {
  look(() => Object.assign(filter, { view, ...(isNarrow() ? { origin: "", member: "" } : {}) }));
  target?.focus();
}

// --- the beginning --------------------------------------------------------------------------------------------------

byId("search").addEventListener("input", (event) => change(() => (filter.text = event.target.value)));
byId("search").addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" || event.key === "Enter") {
    event.preventDefault();
    byId("grid").focus();
    table.step(1);
  }
});
byId("tag").addEventListener("change", (event) => change(() => (filter.tag = event.target.value)));
byId("owner").addEventListener("change", (event) => change(() => (filter.owner = event.target.value)));
byId("clear").addEventListener("click", () => change(() => filter.clear()));
byId("add").addEventListener("click", () => add());
byId("help").addEventListener("click", () => openHelp());
byId("token").addEventListener("click", () => token("Changes need a token that allows writing; reading needs one where the node says so."));
document.querySelector(".tabs").addEventListener("click", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (tab) go(tab.dataset.view);
});
document.querySelector(".tabs").addEventListener("keydown", (event) => {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  go(VIEWS[(VIEWS.indexOf(filter.view) + by + VIEWS.length) % VIEWS.length]);
  document.querySelector(`[role=tab][data-view=${filter.view}]`).focus();
});
addEventListener("popstate", () => {
  filter.read(location.search);
  shown();
});
document.addEventListener("visibilitychange", () => !document.hidden && refreshAll());

setInterval(() => !document.hidden && (table.tickAll(), detail.tick(), banner.show()), 500);
setInterval(pulse, MEMBERS_MS);
setInterval(() => readAges(false), AGES_MS);

// An address may name an origin that the node has not told of yet.
const whenFilled = setInterval(() => {
  if (!store.isFilled) return;
  clearInterval(whenFilled);
  showPanel();
}, 100);

showToken();
shown();
feed.run();
