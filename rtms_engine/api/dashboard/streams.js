// The list of streams: what runs, how it fares, and what has ended.

import { get, now, repeat, url } from "./api.js";
import { h, keep, panel, say, set } from "./dom.js";
import { age, many, mediaOf, meetingOf, nameOf, pill } from "./words.js";

export function streamsView(main, guarded) {
  const live = h("ul.cards");
  const ended = h("ul.cards");
  const none = h("p.empty", { hidden: true }, "No stream runs. When Zoom announces one by a webhook, it appears here by itself; ",
    h("code", {}, "rtms-engine demo --stay"), " shows one without an account.");
  const counts = h("p.note", { role: "status" });
  const past = panel("Ended", "ended", ended);
  main.append(h("div.title", {}, h("h1", {}, "Streams"), counts), panel("Live", "live", none, live), past);
  return repeat(guarded(async () => {
    const { streams } = await get(url("streams"), { limit: 200 });
    const running = streams.filter((stream) => stream.ended_ms === null);
    const over = streams.filter((stream) => stream.ended_ms !== null);
    say(counts, running.length ? `${many(running.length, "stream")} live` : "None is live");
    none.hidden = running.length > 0;
    past.hidden = over.length === 0;
    keep(live, running, (stream) => stream.id, card, update);
    keep(ended, over, (stream) => stream.id, card, update);
  }), 2000);
}

function card(stream) {
  const parts = { pill: h("span.pill"), media: h("ul.chips", { "aria-label": "Media" }), facts: h("p.note") };
  const row = h("li.card", {},
    h("div.card-head", {}, h("a.stretched", { href: `#/streams/${encodeURIComponent(stream.id)}` }, `Meeting ${meetingOf(stream)}`), parts.pill),
    parts.facts, parts.media);
  row.parts = parts;
  return row;
}

function update(row, stream) {
  const { tone, text } = pill(stream);
  say(row.parts.pill, text);
  set(row.parts.pill, { "data-tone": tone });
  const until = stream.ended_ms ?? now();
  const facts = [stream.product, stream.app, many(stream.participants, "participant"), `${age(until - stream.started_ms)} long`];
  if (stream.losses) facts.push(many(stream.losses, "lost connection"));
  if (stream.gaps) facts.push(many(stream.gaps, "gap"));
  if (stream.stop_reason) facts.push(stream.stop_reason.toLowerCase().replaceAll("_", " "));
  say(row.parts.facts, facts.join(" · "));
  const signaling = stream.connections.signaling ?? "up";
  const media = mediaOf(stream);
  if (stream.ended_ms === null && signaling !== "up") media.unshift({ kind: "signaling", tone: "warn", state: signaling });
  keep(row.parts.media, media, ({ kind }) => kind, () => h("li"), (chip, { kind, tone: chipTone, state }) => {
    say(chip, `${nameOf(kind)} ${state}`);
    set(chip, { "data-tone": chipTone });
  });
}
