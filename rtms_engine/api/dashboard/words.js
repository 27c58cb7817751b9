// How things are said. Pure.

export const KINDS = ["audio", "video", "share", "transcript", "chat"];
const NAMES = { signaling: "Signaling", all: "All media", audio: "Audio", video: "Video", share: "Screen share", transcript: "Transcript", chat: "Chat" };
export const nameOf = (kind) => NAMES[kind] ?? kind;
const UNITS = { audio: "packet", video: "picture", share: "picture", transcript: "sentence", chat: "message" };
export const unitsOf = (kind, n) => many(n, UNITS[kind]);

const clockFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const dayFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
export const clock = (ms) => clockFormat.format(ms);
export const day = (ms) => dayFormat.format(ms);

/** 0:07, 12:30, 1:02:03. */
export function span(ms) {
  const s = Math.max(Math.round(ms / 1000), 0);
  const [hours, minutes, seconds] = [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60];
  const two = (n) => String(n).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

/** "3 s", "4 min", "2 h", "5 d". */
export function age(ms) {
  const s = Math.max(ms / 1000, 0);
  if (s < 60) return `${Math.round(s)} s`;
  if (s < 3600) return `${Math.round(s / 60)} min`;
  return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} d`;
}

export function size(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let n = 0;
  while (bytes >= 1000 && n < units.length - 1) {
    bytes /= 1000;
    n += 1;
  }
  return `${bytes < 10 && n ? bytes.toFixed(1) : Math.round(bytes)} ${units[n]}`;
}

export const many = (n, one, more = `${one}s`) => `${n.toLocaleString()} ${n === 1 ? one : more}`;

export function list(words) {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

const sentence = (text) => (text && !/[.!?]$/.test(text) ? `${text}.` : text);
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export const meetingOf = (stream) =>
  stream.meeting_id ? stream.meeting_id.replace(/^(\d{3})(\d{3,4})(\d{4})$/, "$1 $2 $3") : stream.meeting || stream.id;

/** The connection that carries a kind. */
const legOf = (stream, kind) => stream.legs.find((leg) => leg.name === kind || leg.name === "all");

/** How a kind of media fares: {tone, state}. The API's findings say why. */
export function mediumOf(stream, kind) {
  const count = stream.received[kind] ?? 0;
  const leg = legOf(stream, kind);
  if (kind in stream.refused) return { tone: "bad", state: "does not come" };
  if (!stream.requested.includes(kind)) return { tone: "off", state: "not asked for" };
  if (stream.ended_ms !== null) return { tone: count ? "" : "off", state: count ? "was received" : "nothing came" };
  if (stream.zoom_state === "PAUSED") return { tone: "warn", state: "paused" };
  if (leg && leg.state !== "up") return { tone: "warn", state: leg.attempts > 1 || count ? "reconnecting" : "connecting" };
  return count ? { tone: "good", state: "arriving" } : { tone: "off", state: "nothing yet" };
}

/** The same for a stream in a list: [{kind, tone, state}], of what has a connection or was refused. */
export function mediaOf(summary) {
  const legs = Object.entries(summary.connections).map(([name, state]) => ({ name, state, attempts: 1 }));
  const requested = KINDS.filter((kind) => ["all", kind].some((name) => name in summary.connections));
  return KINDS.filter((kind) => requested.includes(kind) || kind in summary.refused)
    .map((kind) => ({ kind, ...mediumOf({ ...summary, legs, requested }, kind) }));
}

/** The stream in a sentence: {tone, text, remedy}. */
export function verdict(stream) {
  if (stream.ended_ms !== null) {
    const why = capital(sentence(stream.stop_cause || stream.stop_reason));
    return { tone: "", text: `The stream is over. ${why} ${capital(sentence(stream.detail))}`, remedy: stream.stop_remedy.startsWith("Nothing to do") ? "" : stream.stop_remedy };
  }
  const refused = Object.entries(stream.refused);
  if (refused.length) {
    const text = refused.map(([kind, why]) => `${nameOf(kind)} does not come: ${sentence(why)}`).join(" ");
    return { tone: "bad", text, remedy: "" };
  }
  const by = (state) => KINDS.filter((kind) => mediumOf(stream, kind).state === state).map((kind) => nameOf(kind).toLowerCase());
  const lost = by("reconnecting");
  if (lost.length) return { tone: "warn", text: `Reconnecting: ${list(lost)}.`, remedy: "" };
  if (stream.zoom_state === "PAUSED") return { tone: "warn", text: "The stream is paused at Zoom.", remedy: "" };
  const arriving = by("arriving");
  const missing = by("nothing yet");
  const off = by("not asked for");
  if (!arriving.length) return { tone: "", text: "The engine joins the stream; nothing has come yet.", remedy: "" };
  const rest = [missing.length ? `No ${list(missing)} yet.` : "", off.length ? `Not asked for: ${list(off)}.` : ""];
  const text = `${capital(list(arriving))} ${arriving.length === 1 && arriving[0] !== "chat" ? "is" : "are"} arriving. ${rest.join(" ")}`;
  return { tone: "good", text: text.trim(), remedy: "" };
}

/** A stream's state for a pill: {tone, text}. */
export function pill(stream) {
  if (stream.ended_ms !== null && stream.ended_ms !== undefined) return { tone: "", text: "ended" };
  if (stream.zoom_state === "PAUSED") return { tone: "warn", text: "paused" };
  return { tone: stream.state === "live" ? "good" : "warn", text: stream.state };
}

const FILES = {
  audio: "Sound of one participant",
  audio_mix: "Sound, everybody together",
  camera: "Camera",
  share: "Shared screen, video",
  share_picture: "Shared screen, picture",
  camera_picture: "Camera, picture",
  transcript: "Transcript, as a log",
  subtitles: "Subtitles",
  transcript_words: "Transcript in Recall's shape",
  speaker_timeline: "Who was the active speaker",
  chat: "Chat, as a log",
  chat_messages: "Chat, as it stands",
  events: "What happened",
  participants: "Who was there",
  manifest: "Manifest",
};
export const fileOf = (artifact) => FILES[artifact.kind] ?? "File";
