// What happened to a stream, in words; what needs somebody stands out.

import { h, keep, say, set } from "./dom.js";
import { clock, many } from "./words.js";

const TONES = { error: "bad", warning: "warn" };
const LEVELS = { error: "Error", warning: "Warning", info: "" };

export class Story {
  constructor() {
    this.entries = [];
    this.list = h("ol.entries", { tabindex: "0", "aria-label": "What happened, the latest first" });
    this.only = h("input", { type: "checkbox", id: "only-trouble", onchange: () => this.draw() });
    this.counts = h("span.note");
    this.element = h("div", {}, h("p.filter", {}, this.only, h("label", { for: "only-trouble" }, "Warnings and errors only"), this.counts), this.list);
  }

  fill(entries) {
    this.entries = [...entries];
    this.draw();
  }

  add(entry) {
    this.entries.push(entry);
    this.draw();
  }

  draw() {
    const counts = { error: 0, warning: 0 };
    for (const { level } of this.entries) if (level in counts) counts[level] += 1;
    say(this.counts, `${many(counts.error, "error")}, ${many(counts.warning, "warning")}`);
    const shown = this.entries
      .map((entry, n) => ({ ...entry, key: `${n} ${entry.at_ms}` }))
      .filter((entry) => !this.only.checked || entry.level !== "info")
      .reverse();
    keep(this.list, shown, (entry) => entry.key, makeEntry, (row, entry) => {
      say(row.when, clock(entry.at_ms));
      say(row.level, LEVELS[entry.level] ?? "");
      say(row.what, entry.text);
      set(row, { "data-tone": TONES[entry.level] ?? null });
    });
  }
}

function makeEntry() {
  const parts = { when: h("time"), level: h("b.level"), what: h("span") };
  return Object.assign(h("li", {}, parts.when, h("span.what", {}, parts.level, parts.what)), parts);
}
