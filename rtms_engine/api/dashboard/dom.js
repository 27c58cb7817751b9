// Elements from values. Text is only ever text: nothing here, or anywhere else, makes HTML of a string.

/** An element: `h("a.quiet", {href: "#/", onclick: f}, "text", child, null)`. */
export function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  set(element, attributes);
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

/** Change attributes; functions become listeners, `--x` a custom property, false and null take away. */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) element.style.setProperty(name, value);
    else if (value === false || value === null || value === undefined) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : value);
  }
  return element;
}

/** Give an element other text, if it is another. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const kept = new WeakMap();

/** The rows that `keep` has made in an element, by key. */
export function rowsOf(parent) {
  if (!kept.has(parent)) kept.set(parent, new Map());
  return kept.get(parent);
}

/** One row for each item: rows that stay are kept, so that focus and selection are. */
export function keep(parent, items, keyOf, make, update) {
  const known = rowsOf(parent);
  const wanted = new Set(items.map(keyOf));
  for (const [key, row] of known) {
    if (!wanted.has(key)) {
      row.remove();
      known.delete(key);
    }
  }
  let before = null;
  for (const item of items) {
    const key = keyOf(item);
    if (!known.has(key)) known.set(key, make(item));
    const row = known.get(key);
    update?.(row, item);
    const place = before ? before.nextSibling : parent.firstChild;
    if (place !== row) parent.insertBefore(row, place);
    before = row;
  }
}

/** A section with a heading, which is its name. */
export function panel(title, name, ...children) {
  const id = `panel-${name}`;
  return h(`section.panel.${name}`, { "aria-labelledby": id }, h("h2", { id }, title), ...children);
}
