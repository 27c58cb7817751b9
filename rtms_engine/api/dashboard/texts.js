// What is said and what is written: logs that grow, and of which lines may change or go.

import { h, keep, say } from "./dom.js";
import { clock } from "./words.js";

const MOST = 300;
const NEAR_PX = 60;

class Log {
  constructor(label, empty) {
    this.lines = new Map();
    this.none = h("p.empty", {}, empty);
    this.list = h("ol.log", { role: "log", "aria-live": "polite", "aria-label": label, tabindex: "0" });
    this.element = h("div", {}, this.none, this.list);
  }

  put(key, line) {
    this.lines.set(key, line);
    while (this.lines.size > MOST) this.lines.delete(this.lines.keys().next().value);
    this.draw();
  }

  draw() {
    const isAtEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < NEAR_PX;
    this.none.hidden = this.lines.size > 0;
    this.list.hidden = this.lines.size === 0;
    keep(this.list, [...this.lines], ([key]) => key, makeLine, (row, [, line]) => {
      say(row.when, clock(line.at_ms));
      say(row.who, line.who);
      say(row.what, line.text);
      say(row.more, line.more ?? "");
    });
    if (isAtEnd) this.list.scrollTop = this.list.scrollHeight;
  }
}

function makeLine() {
  const parts = { when: h("time"), who: h("b"), what: h("span.what"), more: h("span.more") };
  return Object.assign(h("li", {}, parts.when, parts.who, parts.what, parts.more), parts);
}

export class Captions extends Log {
  constructor() {
    super("Captions", "Nothing was said yet.");
    this.unnamed = 0;
  }

  hear(segment) {
    const key = segment.sentence_id || `${segment.timestamp_ms} ${segment.speaker.user_id} ${segment.text}`;
    if (segment.operation === "delete") {
      this.lines.delete(key);
      this.draw();
      return;
    }
    const at_ms = segment.start_ms ?? segment.timestamp_ms;
    this.put(key, { at_ms, who: segment.speaker.name || "Somebody", text: segment.text });
  }
}

export class Chat extends Log {
  constructor() {
    super("Chat", "Nothing was written yet.");
  }

  hear(message) {
    const key = message.message_id || `${message.timestamp_ms} ${message.text}`;
    const known = this.lines.get(key);
    switch (message.operation) {
      case "delete":
        this.lines.delete(key);
        this.draw();
        break;
      case "update":
        if (known) this.put(key, { ...known, text: message.text, more: "edited" });
        break;
      case "add_reaction":
        if (known) this.put(key, { ...known, more: [known.more, message.text].filter(Boolean).join(" ") });
        break;
      case "new": {
        const files = message.files.map((file) => String(file.file_name ?? "a file")).join(", ");
        const to = message.session_type && message.session_type !== "everyone" ? `to ${message.receiver?.name || message.session_type}` : "";
        const more = [to, files && `files: ${files}`].filter(Boolean).join("; ");
        this.put(key, { at_ms: message.timestamp_ms, who: message.speaker.name || "Somebody", text: message.text, more });
        break;
      }
    }
  }
}
