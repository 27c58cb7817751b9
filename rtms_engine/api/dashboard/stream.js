// One stream while it runs, or after it: what comes, who is there, what is said, what happened.

import { exclude, get, lines, now as engineNow, repeat, url } from "./api.js";
import { Axis } from "./axis.js";
import { h, keep, panel, say, set } from "./dom.js";
import { People } from "./people.js";
import { PictureBox } from "./picture.js";
import { Story } from "./story.js";
import { Captions, Chat } from "./texts.js";
import { KINDS, age, many, mediumOf, meetingOf, nameOf, pill, size, unitsOf, verdict } from "./words.js";

const SOON_MS = 250; // so many things that happen at once are one look
const EVENTS = [
  "transcript", "chat", "levels", "entry", "ending", "active_speaker_changed",
  "participant_joined", "participant_left", "sharing_started", "sharing_stopped",
  "participant_excluded", "participant_included",
];

export function streamView(main, guarded, id) {
  const head = { title: h("h1"), pill: h("span.pill"), facts: h("p.note") };
  const said = h("p.verdict", { role: "status" });
  const media = h("ul.media", { "aria-label": "Media" });
  const found = h("ul.findings", { "aria-label": "Findings" });
  const axis = new Axis();
  const people = new People(guarded(async (user_id, excluded) => {
    await exclude(id, user_id, excluded);
    await look();
  }));
  const pictures = [new PictureBox(id, "video"), new PictureBox(id, "share")];
  const captions = new Captions();
  const chat = new Chat();
  const story = new Story();
  const legs = h("tbody");
  const sinks = h("tbody");
  const living = [
    said, media,
    panel("Timeline", "axis", axis.element),
    h("div.columns", {},
      h("div.column", {},
        panel("Pictures", "pictures", pictures.map((box) => box.element)),
        panel("Participants", "people", people.element)),
      h("div.column", {},
        panel("Captions", "captions", captions.element),
        panel("Chat", "chat", chat.element))),
    h("div.columns", {},
      panel("Connections", "legs", table(["Connection", "State", "Attempts", "Received", "Last heard"], legs)),
      panel("Sinks", "sinks", table(["Sink", "State", "Written", "Waiting", "Dropped"], sinks))),
  ];
  const [, , axisPanel, content, tables] = living;
  main.append(
    h("div.title", {}, head.title, head.pill, head.facts),
    said, media, found, axisPanel, content, panel("What happened", "story", story.element), tables,
  );

  let events = null;
  let earlier = null; // what was counted at the last look, for rates
  let isFilled = false;
  let soon = 0;

  async function look() {
    const { stream, findings, entries } = await get(url("why"), { stream: id });
    story.fill(entries);
    axis.fill(entries);
    keep(found, findings.filter(isWorthSaying), ({ about, text }) => `${about} ${text}`, (one) => finding(one));
    for (const part of living) part.hidden = !stream;
    if (!stream) {
      say(head.title, "A stream of earlier");
      say(head.facts, `stream ${id}`);
      return false;
    }
    const isLive = stream.ended_ms === null;
    const now = stream.ended_ms ?? engineNow();
    document.title = `${meetingOf(stream)} · rtms_engine`;
    say(head.title, `Meeting ${meetingOf(stream)}`);
    const state = pill(stream);
    say(head.pill, state.text);
    set(head.pill, { "data-tone": state.tone });
    say(head.facts, [stream.product, stream.app, `${age(now - stream.started_ms)} long`, `stream ${stream.id}`].join(" · "));
    const { tone, text, remedy } = verdict(stream);
    say(said, [text, remedy].filter(Boolean).join(" "));
    set(said, { "data-tone": tone });
    keep(media, KINDS, (kind) => kind, (kind) => medium(kind), (row, kind) => row.show(stream, kind, rateOf(kind), findings));
    people.know(stream.people, stream.active_speaker, isLive);
    axis.know(stream, people.names);
    keep(legs, stream.legs, (leg) => leg.name, () => cells(5), (row, leg) => fill(row, [
      nameOf(leg.name), isLive ? leg.state : "closed", leg.attempts, size(leg.bytes),
      leg.silent_s === null ? "–" : `${age(leg.silent_s * 1000)} ago`,
    ], leg.state === "up" || !isLive ? "" : "warn"));
    keep(sinks, stream.sinks, (sink) => sink.name, () => cells(5), (row, sink) => fill(row, [
      sink.name, sink.state, many(sum(sink.written), "item"),
      sink.spilled_bytes ? `${sink.queued} and ${size(sink.spilled_bytes)} on disk` : sink.queued, sink.dropped,
    ], sink.dropped || sink.state === "detached" ? "bad" : ""));
    for (const box of pictures) box.isLive = isLive;

    function rateOf(kind) {
      const passed_s = earlier && (now - earlier.now) / 1000;
      return isLive && passed_s > 0 ? Math.max(stream.received[kind] - earlier.received[kind], 0) / passed_s : 0;
    }
    earlier = { now, received: stream.received };

    if (!isFilled) {
      isFilled = true;
      await fillTexts();
      axis.draw(engineNow());
      if (isLive) follow();
    }
    return isLive;
  }

  /** What was said before anybody looked, if it is recorded. */
  async function fillTexts() {
    const [sentences, messages] = await Promise.all(
      ["transcript.jsonl", "chat.jsonl"].map((name) => lines(url("streams", id, "artifacts", name))),
    );
    for (const line of sentences) {
      const speaker = { user_id: line.speaker.id, name: line.speaker.name };
      captions.hear({ ...line, speaker, sentence_id: line.id, timestamp_ms: line.start_ms });
      if (line.operation !== "delete" && line.end_ms) axis.spoke(speaker.user_id, line.start_ms, line.end_ms);
    }
    messages.forEach((message) => chat.hear(message));
  }

  function follow() {
    events = new EventSource(`${url("streams", id, "events")}?levels=true`);
    const hear = {
      transcript(line) {
        captions.hear(line);
        if (line.start_ms && line.end_ms) axis.spoke(line.speaker.user_id, line.start_ms, line.end_ms);
      },
      chat: (message) => chat.hear(message),
      levels(levels) {
        people.hear(levels);
        axis.hear(levels, engineNow());
      },
      entry(entry) {
        story.add(entry);
        axis.fill(story.entries);
        lookSoon();
      },
      active_speaker_changed: ({ participant }) => people.speaks(participant),
      ending() {
        events.close();
        look();
      },
    };
    const lookSoon = () => {
      clearTimeout(soon);
      soon = setTimeout(() => look().catch(() => {}), SOON_MS);
    };
    for (const name of EVENTS) {
      events.addEventListener(name, (event) => (hear[name] ?? lookSoon)(JSON.parse(event.data)));
    }
  }

  const stops = [
    repeat(guarded(async () => {
      if (!(await look())) events?.close();
    }), 2000),
    repeat(async () => {
      axis.draw(engineNow());
    }, 1000),
    ...pictures.map((box) => repeat(() => box.look(), 1000)),
    () => events?.close(),
    () => clearTimeout(soon),
    ...pictures.map((box) => () => box.forget()),
  ];
  return () => stops.forEach((stop) => stop());
}

/** What the media and the sentence on top do not say yet. */
const isWorthSaying = ({ level, about }) => ["warning", "error"].includes(level) && about !== "end" && !KINDS.includes(about);

function finding({ level, about, text }) {
  const isError = level === "error";
  const of = about.startsWith("sink") ? `${about.replace("sink", "Sink")}: ` : "";
  return h("li", { "data-tone": isError ? "bad" : "warn" }, h("b", {}, isError ? "Error" : "Warning"), of, text);
}

const sum = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);

function medium() {
  const parts = { name: h("span.medium-name"), state: h("span.medium-state"), why: h("span.note") };
  const row = h("li.medium", {}, parts.name, parts.state, parts.why);
  row.show = (stream, kind, rate, findings) => {
    const { tone, state } = mediumOf(stream, kind);
    const why = findings.filter(({ about, level }) => about === kind && ["info", "warning"].includes(level)).map(({ text }) => text);
    set(row, { "data-tone": tone });
    say(parts.name, nameOf(kind));
    say(parts.state, state);
    const count = stream.received[kind] ?? 0;
    const frames = count ? unitsOf(kind, count) : "";
    const pace = rate >= 1 ? `${frames}, ${Math.round(rate)}/s` : frames;
    say(parts.why, [pace && `${pace}.`, ...why].filter(Boolean).join(" "));
  };
  return row;
}

export function table(names, body) {
  return h("div.wide", {}, h("table", {}, h("thead", {}, h("tr", {}, names.map((name) => h("th", { scope: "col" }, name)))), body));
}

export const cells = (n) => h("tr", {}, h("th", { scope: "row" }), Array.from({ length: n - 1 }, () => h("td")));

export function fill(row, texts, tone = "") {
  set(row, { "data-tone": tone || null });
  texts.forEach((text, n) => say(row.children[n], String(text)));
}
