// The recordings there are, and a search among them.

import { get, repeat, url } from "./api.js";
import { h, keep, say, set } from "./dom.js";
import { day, list, many, size, span } from "./words.js";

const TONES = { failed: "bad", recording: "good", processing: "warn" };
const FIELDS = [
  ["meeting", "Meeting number or UUID", "text"],
  ["participant", "Participant", "text"],
  ["from", "From (UTC)", "date"],
  ["to", "To (UTC)", "date"],
];

export function recordingsView(main, guarded) {
  const found = h("ul.cards");
  const counts = h("p.note", { role: "status" });
  const none = h("p.empty", { hidden: true }, "No recording is like that.");
  const more = h("button.quiet", { type: "button", hidden: true, onclick: guarded(() => look(true)) }, "Show more");
  const inputs = FIELDS.map(([name, , type]) => h("input", { id: `search-${name}`, name, type, autocomplete: "off" }));
  const form = h("form.search", { role: "search", onsubmit: guarded(async (event) => {
    event.preventDefault();
    shown = [];
    await look();
  }) }, FIELDS.map(([, label], n) => h("div", {}, h("label", { for: inputs[n].id }, label), inputs[n])), h("button", { type: "submit" }, "Search"));
  main.append(h("div.title", {}, h("h1", {}, "Recordings"), counts), form, none, found, more);

  let shown = [];
  let after = "";
  async function look(isMore = false) {
    const query = Object.fromEntries(inputs.map((input) => [input.name, input.value.trim()]));
    const page = await get(url("recordings"), { ...query, after: isMore ? after : "", limit: 50 });
    if (isMore || shown.length <= page.recordings.length) after = page.next;
    const key = (one) => `${one.id} ${one.part}`;
    const fresh = new Map([...(isMore ? shown : []), ...page.recordings].map((one) => [key(one), one]));
    const rest = isMore ? [] : shown.slice(page.recordings.length).filter((one) => !fresh.has(key(one)));
    shown = [...fresh.values(), ...rest];
    more.hidden = !after;
    none.hidden = shown.length > 0;
    say(counts, many(shown.length, "recording") + (after ? ", and older ones" : ""));
    keep(found, shown, key, card, update);
  }
  return repeat(guarded(() => look()), 5000);
}

function card(one) {
  const parts = { pill: h("span.pill"), facts: h("p.note"), who: h("p.media-line"), failure: h("p.failure") };
  const link = h("a.stretched", { href: `#/recordings/${encodeURIComponent(one.id)}/${one.part}` }, day(one.started_ms));
  const row = h("li.card", {}, h("div.card-head", {}, link, parts.pill), parts.facts, parts.who, parts.failure);
  row.parts = parts;
  return row;
}

function update(row, one) {
  say(row.parts.pill, one.state);
  set(row.parts.pill, { "data-tone": TONES[one.state] ?? "" });
  const facts = [`Meeting ${one.meeting_id || one.meeting || "unknown"}`];
  if (one.ended_ms) facts.push(span(one.ended_ms - one.started_ms));
  if (one.bytes) facts.push(size(one.bytes));
  if (one.part > 1) facts.push(`part ${one.part}`);
  say(row.parts.facts, facts.join(" · "));
  const names = one.participants.map((who) => who.name || `Participant ${who.user_id}`);
  say(row.parts.who, names.length > 6 ? `${names.slice(0, 6).join(", ")} and ${names.length - 6} more` : list(names));
  say(row.parts.failure, one.failure);
}
