// Making elements. Text only ever becomes text: nothing that a server says is read as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes; `text` and `on…` are what they say, null leaves an attribute out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** One of the symbols of the page. */
export function icon(name, extra = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon ${extra}`.trim());
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "use"));
  setIcon(svg, name);
  return svg;
}

/** Makes an icon another one. */
export function setIcon(svg, name) {
  svg.firstChild.setAttribute("href", `#i-${name}`);
}

/** Sets the text of a node, if it is another. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const byId = (id) => document.getElementById(id);

/** Lets the arrow keys move the focus among the buttons of a list, of which the tab key reaches one. */
export function roving(list, selector) {
  const all = () => [...list.querySelectorAll(selector)];
  const mark = (chosen) => {
    for (const item of all()) item.tabIndex = item === chosen ? 0 : -1;
  };
  list.addEventListener("focusin", (event) => {
    const item = event.target.closest(selector);
    if (item) mark(item);
  });
  list.addEventListener("keydown", (event) => {
    const items = all();
    const at = items.indexOf(document.activeElement);
    if (at < 0) return;
    const to = {
      ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: items.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    items[Math.max(0, Math.min(items.length - 1, to))].focus();
  });
  return () => {
    const items = all();
    if (!items.some((item) => item.tabIndex === 0)) mark(items[0]);
  };
}
