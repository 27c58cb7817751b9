// A recording: sound of one or all, camera and screen beside it, what was said, and the files.

import { get, lines, url } from "./api.js";
import { h, keep, panel, rowsOf, say, set } from "./dom.js";
import { day, fileOf, many, size, span } from "./words.js";

const DRIFT_S = 0.3;
const RETRIES = 20;
const RETRY_MS = 500;
const SOUNDS = ["audio", "audio_mix"];

export function recordingView(main, guarded, id, part) {
  let player = null;
  guarded(async () => {
    const [manifest, { artifacts, state }] = await Promise.all([
      get(url("recordings", id), { part }),
      get(url("streams", id, "artifacts"), { part }),
    ]);
    const facts = [`Meeting ${manifest.meeting_id || manifest.entity_id || id}`, state];
    if (manifest.ended_ms) facts.push(span(manifest.ended_ms - manifest.started_ms));
    main.append(h("div.title", {}, h("h1", {}, day(manifest.started_ms)), h("p.note", {}, facts.join(" · "))));
    if (state === "deleted") {
      main.append(h("p.verdict", { "data-tone": "bad" }, `This recording was deleted (${manifest.cause}). Nothing of it is left.`));
      return;
    }
    if (manifest.failure) main.append(h("p.verdict", { "data-tone": "bad" }, `Something is missing: ${manifest.failure}`));
    const refused = Object.entries(manifest.media.refused);
    if (refused.length) main.append(h("p.verdict", { "data-tone": "warn" }, refused.map(([kind, why]) => `There is no ${kind}: ${why}`).join(" ")));
    player = new Player(artifacts, manifest.t0_ms);
    const wholes = h("div.columns", {}, h("div.column", {}, player.element), h("div.column", {}, panel("What was said", "said", player.sentences)));
    main.append(wholes, panel("Files", "files", files(artifacts)));
    player.know(await lines(`${url("streams", id, "artifacts", "transcript.jsonl")}?part=${part}`));
  })();
  return () => player?.stop();
}

class Player {
  constructor(artifacts, t0_ms) {
    this.t0_ms = t0_ms;
    this.films = artifacts.filter((one) => one.kind === "camera").sort(byStart);
    this.screens = artifacts.filter((one) => one.kind.startsWith("share")).sort(byStart);
    const sounds = artifacts.filter((one) => SOUNDS.includes(one.kind)).sort((a, b) => SOUNDS.indexOf(b.kind) - SOUNDS.indexOf(a.kind));
    const subtitles = artifacts.find((one) => one.path === "transcript.vtt");
    this.audio = h("audio", { controls: true, preload: "metadata", "aria-label": "Sound of the recording" });
    this.video = h("video", { muted: true, playsinline: true, preload: "metadata", "aria-label": "Camera" });
    this.video.muted = true;
    this.subtitles = subtitles?.url;
    this.off = h("p.why");
    this.screen = h("img", { alt: "Shared screen", hidden: true });
    this.screenFilm = h("video", { muted: true, playsinline: true, hidden: true, "aria-label": "Shared screen" });
    this.screenFilm.muted = true;
    const camera = h("figure.picture", {}, h("div.frame", {}, this.video, this.off), h("figcaption", {}, h("span.medium-name", {}, "Camera")));
    const share = h("figure.picture", {}, h("div.frame", {}, this.screen, this.screenFilm), h("figcaption", {}, h("span.medium-name", {}, "Screen share")));
    camera.hidden = !this.films.length;
    share.hidden = !this.screens.length;
    const choice = h("fieldset.voices", {}, h("legend", {}, "Sound of"), sounds.map((one, n) => {
      const input = h("input", { type: "radio", name: "voice", id: `voice-${n}`, checked: n === 0, onchange: () => this.hear(one) });
      return h("span", {}, input, h("label", { for: input.id }, one.kind === "audio_mix" ? "everybody" : one.name || `participant ${one.user_id}`));
    }));
    const silent = h("p.empty", { hidden: sounds.length > 0 }, "No sound was recorded.");
    this.element = panel("Player", "player", h("div.stage", {}, camera, share), sounds.length ? this.audio : null, silent, sounds.length > 1 ? choice : null);
    this.sentences = h("ol.log.said", { tabindex: "0", "aria-label": "What was said" });
    this.offset_ms = 0;
    this.rows = [];
    if (sounds.length) this.hear(sounds[0]);
    else if (this.films.length) {
      this.video.controls = true;
      this.begin(this.video, this.films[0]);
    }
    this.master = sounds.length ? this.audio : this.video;
    for (const what of ["timeupdate", "play", "pause", "seeked", "ratechange", "loadedmetadata"]) this.master.addEventListener(what, () => this.follow());
    this.again = RETRIES;
    for (const medium of [this.audio, this.video, this.screenFilm]) medium.addEventListener("error", () => this.retry(medium));
    for (const film of [this.video, this.screenFilm]) film.addEventListener("loadedmetadata", () => this.follow());
    this.follow();
  }

  /** Milliseconds since the recording's time 0. */
  get at_ms() {
    return this.master.currentTime * 1000 + this.offset_ms;
  }

  hear(sound) {
    const at_ms = this.master ? this.at_ms : 0;
    const isOn = this.master && !this.audio.paused;
    this.audio.src = sound.url;
    this.offset_ms = sound.offset_ms;
    this.audio.currentTime = Math.max(at_ms - this.offset_ms, 0) / 1000;
    if (isOn) this.audio.play();
  }

  /** Let the pictures go with the sound. */
  follow() {
    const at_ms = this.at_ms;
    this.film(this.video, this.films, at_ms);
    say(this.off, this.video.hidden && this.films.length ? "There is no picture of the camera at this time." : "");
    const screen = current(this.screens, this.t0_ms + at_ms);
    const isStill = screen?.kind === "share_picture";
    this.screen.hidden = !isStill;
    if (isStill && this.screen.getAttribute("src") !== screen.url) this.screen.src = screen.url;
    this.film(this.screenFilm, isStill ? [] : this.screens.filter((one) => one.kind === "share"), at_ms);
    const now_ms = this.t0_ms + at_ms;
    for (const { row, sentence } of this.rows) {
      set(row, { "aria-current": sentence.start_ms <= now_ms && now_ms < (sentence.end_ms ?? sentence.start_ms + 4000) ? "true" : null });
    }
  }

  film(video, films, at_ms) {
    if (video === this.master) return;
    const film = current(films, this.t0_ms + at_ms);
    video.hidden = !film;
    if (!film) {
      video.pause();
      return;
    }
    if (video.getAttribute("src") !== film.url) this.begin(video, film);
    const wanted_s = Math.max(at_ms - film.offset_ms, 0) / 1000;
    if (Math.abs(video.currentTime - wanted_s) > DRIFT_S) video.currentTime = wanted_s;
    video.playbackRate = this.master.playbackRate;
    if (this.master.paused) video.pause();
    else if (video.paused) video.play().catch(() => {});
  }

  /** A file that grows becomes another one while it is read: begin again where it was. */
  retry(medium) {
    if (!medium.hasAttribute("src") || this.again-- <= 0) return;
    const at_s = medium.currentTime;
    setTimeout(() => {
      medium.load();
      medium.currentTime = at_s;
    }, RETRY_MS);
  }

  /** Another film; its captions are new too, else those of the one before would stay on. */
  begin(video, film) {
    video.src = film.url;
    if (video !== this.video || !this.subtitles) return;
    const captions = h("track", { kind: "captions", label: "What was said", src: this.subtitles, default: true });
    video.replaceChildren(captions);
    captions.track.mode = "showing";
  }

  know(sentences) {
    const latest = new Map();
    for (const one of sentences) {
      if (one.operation === "delete") latest.delete(one.id);
      else latest.set(one.id, one);
    }
    const said = [...latest.values()].sort((a, b) => a.start_ms - b.start_ms);
    keep(this.sentences, said, (one) => one.id, (one) => this.sentence(one));
    this.rows = said.map((sentence) => ({ sentence, row: rowsOf(this.sentences).get(sentence.id) }));
    if (!said.length) this.sentences.replaceWith(h("p.empty", {}, "There is no transcript."));
    this.follow();
  }

  sentence(one) {
    const at_ms = Math.max(one.start_ms - this.t0_ms, 0);
    const jump = h("button.jump", { type: "button", "aria-label": `Play from ${span(at_ms)}`, onclick: () => {
      this.master.currentTime = Math.max(at_ms - this.offset_ms, 0) / 1000;
      this.master.play();
    } }, span(at_ms));
    return h("li", {}, jump, h("b", {}, one.speaker.name || "Somebody"), h("span.what", {}, one.text));
  }

  stop() {
    for (const medium of [this.audio, this.video, this.screenFilm]) {
      medium.pause();
      medium.removeAttribute("src");
      medium.load();
    }
  }
}

const byStart = (a, b) => (a.start_ms ?? 0) - (b.start_ms ?? 0);

/** The file that shows what is to be seen at a time; a single picture stands until the next. */
function current(files, at_ms) {
  const begun = files.filter((one) => (one.start_ms ?? 0) <= at_ms);
  const last = begun.at(-1) ?? null;
  const isOver = last && last.end_ms !== null && !last.kind.endsWith("_picture") && at_ms > last.end_ms;
  return isOver ? null : last;
}

function files(artifacts) {
  const stills = artifacts.filter((one) => one.kind.endsWith("_picture"));
  const others = artifacts.filter((one) => !one.kind.endsWith("_picture"));
  const row = (one) => h("tr", {},
    h("th", { scope: "row" }, h("a", { href: one.url, download: "" }, one.path)),
    h("td", {}, [fileOf(one), one.name].filter(Boolean).join(": ")),
    h("td.number", {}, size(one.bytes)));
  const table = (rows) => h("div.wide", {}, h("table", {}, h("thead", {}, h("tr", {}, ["File", "What it is", "Size"].map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows)));
  return [
    table(others.map(row)),
    stills.length ? h("details", {}, h("summary", {}, `${many(stills.length, "picture")}, ${size(stills.reduce((all, one) => all + one.bytes, 0))}`), table(stills.map(row))) : null,
  ];
}
