// The engine itself: load, lag, queues, disks, webhooks.

import { get, repeat, url } from "./api.js";
import { h, keep, panel, say, set } from "./dom.js";
import { cells, fill, table } from "./stream.js";
import { age, many, size } from "./words.js";

const KEPT = 120;
const FEWEST = 30; // intervals that a curve spans at least
const SVG = "http://www.w3.org/2000/svg";
const LOW_DISK = 2e9;
const LONG_LAG_S = 0.2;

export function engineView(main, guarded) {
  const facts = h("p.note", { role: "status" });
  const gauges = h("ul.gauges");
  const [processes, sinks, disks, webhooks, ended] = Array.from({ length: 5 }, () => h("tbody"));
  const noSinks = h("p.empty", {}, "No stream runs, so nothing waits.");
  main.append(
    h("div.title", {}, h("h1", {}, "Engine"), facts),
    gauges,
    h("div.columns", {},
      panel("Processes", "processes", table(["Process", "Streams", "Load", "Loop lag"], processes)),
      panel("What waits for sinks", "queues", noSinks, table(["Sink", "Streams", "Items", "In memory", "On disk", "Dropped"], sinks))),
    h("div.columns", {},
      panel("Disks", "disks", table(["Where sinks write", "Free"], disks)),
      panel("Webhooks", "webhooks", table(["Result", "Count"], webhooks)),
      panel("Streams that ended", "reasons", table(["Reason", "Count"], ended))),
  );
  const series = new Map();
  return repeat(guarded(async () => {
    const status = await get(url("engine"));
    say(facts, `Version ${status.version} · up for ${age(status.uptime_s * 1000)}${status.draining ? " · draining: takes no more streams" : ""}`);
    const load = status.processes.reduce((all, one) => all + one.load, 0);
    const lag_s = Math.max(...status.processes.map((one) => one.lag_s));
    const queued = status.sinks.reduce((all, one) => all + one.queued, 0);
    const free = status.disks.length ? Math.min(...status.disks.map((disk) => disk.free_bytes)) : null;
    const rows = [
      ["Streams", status.streams, String(status.streams)],
      ["Load, of one core", load, `${Math.round(load * 100)} %`],
      ["Loop lag", lag_s, `${Math.round(lag_s * 1000)} ms`, lag_s > LONG_LAG_S && "warn"],
      ["Waiting items", queued, queued.toLocaleString()],
      ["Memory", status.memory_mb, `${Math.round(status.memory_mb)} MB`],
      ["Disk free", free ?? 0, free === null ? "no sink writes" : size(free), free !== null && free < LOW_DISK && "bad"],
    ];
    for (const [name, value] of rows) series.set(name, [...(series.get(name) ?? []), value].slice(-KEPT));
    keep(gauges, rows, ([name]) => name, gauge, (row, [name, , text, tone]) => {
      say(row.text, text);
      set(row, { "data-tone": tone || null });
      row.draw(series.get(name));
    });
    keep(processes, status.processes, (one) => one.name, () => cells(4), (row, one) => fill(row, [
      one.name, one.streams, `${Math.round(one.load * 100)} %`, `${Math.round(one.lag_s * 1000)} ms`,
    ], one.lag_s > LONG_LAG_S ? "warn" : ""));
    noSinks.hidden = status.sinks.length > 0;
    keep(sinks, status.sinks, (one) => one.name, () => cells(6), (row, one) => fill(row, [
      one.name, one.streams, one.queued, size(one.queued_bytes), size(one.spilled_bytes), one.dropped,
    ], one.dropped ? "bad" : ""));
    keep(disks, status.disks, (one) => one.directory, () => cells(2), (row, one) => fill(row, [one.directory, size(one.free_bytes)], one.free_bytes < LOW_DISK ? "bad" : ""));
    keep(webhooks, Object.entries(status.webhooks), ([name]) => name, () => cells(2), (row, pair) => fill(row, pair));
    const reasons = Object.entries(status.ended);
    keep(ended, reasons.length ? reasons : [["none yet", 0]], ([name]) => name, () => cells(2), (row, [name, n]) => fill(row, [name.toLowerCase().replaceAll("_", " "), many(n, "stream")]));
  }), 2000);
}

function gauge([name]) {
  const text = h("span.gauge-text");
  const line = document.createElementNS(SVG, "polyline");
  const picture = document.createElementNS(SVG, "svg");
  set(picture, { viewBox: "0 0 120 30", preserveAspectRatio: "none", "aria-hidden": "true", class: "spark" });
  picture.append(line);
  const row = h("li.gauge", {}, h("span.note", {}, name), text, picture);
  row.text = text;
  row.draw = (values) => {
    const most = Math.max(...values, 1e-9) * 1.15;
    const points = values.map((value, n) => `${(120 * n) / Math.max(values.length - 1, FEWEST)},${29 - (28 * value) / most}`);
    line.setAttribute("points", points.join(" "));
  };
  return row;
}
