// A stream on an axis of time: each connection and what was missing, each voice and when it was heard.

import { now } from "./api.js";
import { h, keep, say, set } from "./dom.js";
import { KINDS, clock, many, nameOf, span } from "./words.js";

const HEARD_DBFS = -50;
const PAUSE_MS = 900; // a shorter silence does not end what somebody says
const MOST_SPANS = 500; // of one voice; the latest
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800];

export class Axis {
  constructor() {
    this.lanes = h("div.lanes");
    this.ticks = h("div.ticks", { "aria-hidden": "true" });
    this.element = h("div.axis", {},
      this.lanes, this.ticks,
      h("ul.legend", { "aria-label": "Legend" },
        ["up", "lost", "gap", "refused", "voice"].map((what) => h("li", {}, h(`span.mark.${what}`), LEGEND[what]))));
    this.stream = null;
    this.spans = new Map(); // connection → [{from, to, what}]
    this.voices = new Map(); // user_id → [[from, to]]
    this.names = new Map();
  }

  know(stream, names) {
    this.stream = stream;
    this.names = names;
    this.draw(now());
  }

  /** What became of the connections, from the story. */
  fill(entries) {
    this.spans = connectionsOf(entries);
  }

  /** Somebody was heard from when to when. */
  spoke(user_id, from, to) {
    const merged = [];
    for (const [start, end] of [...(this.voices.get(user_id) ?? []), [from, to]].sort((a, b) => a[0] - b[0])) {
      const last = merged.at(-1);
      if (last && start - last[1] <= PAUSE_MS) last[1] = Math.max(last[1], end);
      else merged.push([start, end]);
    }
    this.voices.set(user_id, merged.slice(-MOST_SPANS));
  }

  hear(levels, at_ms) {
    for (const [user_id, dbfs] of Object.entries(levels)) {
      if (dbfs > HEARD_DBFS && user_id !== "0") this.spoke(Number(user_id), at_ms - 250, at_ms);
    }
  }

  draw(at_ms) {
    if (!this.stream) return;
    const from = this.stream.started_ms;
    const until = Math.max(this.stream.ended_ms ?? at_ms, from + 10_000);
    const place = (start, end) => ({
      "--from": `${(100 * (Math.max(start, from) - from)) / (until - from)}%`,
      "--long": `${(100 * (Math.min(end, until) - Math.max(start, from))) / (until - from)}%`,
    });
    keep(this.lanes, this.rows(until), (row) => row.key, makeLane, (lane, row) => {
      say(lane.name, row.name);
      set(lane, { "data-lane": row.lane });
      set(lane.track, { "aria-label": row.said });
      keep(lane.track, row.marks, (mark) => `${mark.what} ${mark.from}`, (mark) => h(`span.mark.${mark.what}`), (mark, { from: start, to, title }) => {
        set(mark, { ...place(start, to), title });
      });
    });
    drawTicks(this.ticks, from, until);
  }

  rows(until) {
    const { legs, missing, refused } = this.stream;
    const isAll = legs.some((leg) => leg.name === "all");
    const names = isAll ? legs.map((leg) => leg.name) : ["signaling", ...KINDS.filter((kind) => legs.some((leg) => leg.name === kind))];
    const connections = names.map((name) => {
      const spans = this.spans.get(name) ?? [];
      const gaps = missing.filter((gap) => gap.kind === name || name === "all");
      const marks = spans.map(({ start, end, what, why }) => ({
        what, from: start, to: end ?? until, title: `${SAID[what]} ${clock(start)}, ${span((end ?? until) - start)}${why ? `. ${why}` : ""}`,
      }));
      for (const gap of gaps) {
        const ms = gap.end_ms - gap.start_ms;
        marks.push({ what: "gap", from: gap.start_ms, to: gap.end_ms, title: `${(ms / 1000).toFixed(1)} s of ${nameOf(gap.kind).toLowerCase()} missing: ${gap.cause}` });
      }
      const lost = spans.filter((one) => one.what === "lost").length;
      const gone = gaps.reduce((ms, gap) => ms + gap.end_ms - gap.start_ms, 0);
      const said = name in refused
        ? `${nameOf(name)}: refused`
        : `${nameOf(name)}: connection lost ${many(lost, "time")}, ${(gone / 1000).toFixed(1)} seconds missing`;
      if (name in refused) marks.push({ what: "refused", from: this.stream.started_ms, to: until, title: refused[name] });
      return { key: `leg ${name}`, lane: "leg", name: nameOf(name), marks, said };
    });
    const voices = [...this.names].map(([user_id, name]) => {
      const heard = this.voices.get(user_id) ?? [];
      const ms = heard.reduce((all, [start, end]) => all + end - start, 0);
      const marks = heard.map(([start, end]) => ({ what: "voice", from: start, to: end, title: `${clock(start)}, ${span(end - start)}` }));
      return { key: `voice ${user_id}`, lane: "voice", name, marks, said: `${name} spoke for ${span(ms)}` };
    });
    return [...connections, ...voices.slice(0, 30)];
  }
}

const LEGEND = { up: "connected", lost: "connection lost", gap: "media missing", refused: "refused", voice: "speaks" };
const SAID = { up: "Connected from", lost: "Lost at", refused: "Refused" };

function makeLane() {
  const name = h("span.lane-name");
  const track = h("div.track", { role: "img" });
  const lane = h("div.lane", {}, name, track);
  lane.name = name;
  lane.track = track;
  return lane;
}

/** From entries of a story: when each connection was up, and when it was lost. */
export function connectionsOf(entries) {
  const spans = new Map();
  for (const { at_ms, event, leg, text } of entries) {
    const what = { ConnectionAccepted: "up", ConnectionRestored: "up", ConnectionLost: "lost", MediaRefused: "over", StreamEnded: "over" }[event];
    if (!what) continue;
    for (const name of event === "StreamEnded" ? spans.keys() : [leg]) {
      const known = spans.get(name) ?? [];
      const last = known.at(-1);
      if (last && last.what === what && last.end === null) continue;
      if (last && last.end === null) last.end = at_ms;
      if (what !== "over") known.push({ what, start: at_ms, end: null, why: what === "lost" ? text : "" });
      spans.set(name, known);
    }
  }
  return spans;
}

function drawTicks(parent, from, until) {
  const step = STEPS_S.find((s) => (until - from) / 1000 / s <= 8) ?? 86400;
  const at = [];
  for (let s = 0; s * 1000 <= until - from; s += step) at.push(s * 1000);
  keep(parent, at, (ms) => `${step} ${ms}`, (ms) => h("span.tick", {}, span(ms)), (tick, ms) => {
    set(tick, { "--from": `${(100 * ms) / (until - from)}%` });
  });
}
