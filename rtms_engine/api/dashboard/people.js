// Who is there, who speaks, and how loud.

import { h, keep, rowsOf, say, set } from "./dom.js";
import { clock } from "./words.js";

const SILENT_DBFS = -60;
const SPEAKING_DBFS = -45;
const FALL_MS = 500; // who was not heard for so long is silent

export class People {
  /** `exclude(user_id, excluded)` asks the engine for it. */
  constructor(exclude) {
    this.exclude = exclude;
    this.names = new Map();
    this.list = h("ul.people-list");
    this.none = h("p.empty", {}, "Nobody is known yet.");
    this.element = h("div", {}, this.none, this.list);
    this.heardAt = new Map();
  }

  know(people, active, isLive) {
    for (const one of people) this.names.set(one.user_id, one.name || `Participant ${one.user_id}`);
    this.none.hidden = people.length > 0;
    const sorted = [...people].sort((a, b) => (a.left_ms !== null) - (b.left_ms !== null));
    keep(this.list, sorted, (one) => String(one.user_id), (one) => makePerson(one.user_id, this.exclude), (row, one) => {
      say(row.name, this.names.get(one.user_id));
      const facts = [];
      if (one.left_ms !== null) facts.push(`left ${clock(one.left_ms)}`);
      else if (one.joined_ms !== null) facts.push(`since ${clock(one.joined_ms)}`);
      if (one.camera) facts.push("camera on");
      if (one.sharing) facts.push("shares the screen");
      if (one.excluded) facts.push(one.excluded === "rule" ? "excluded by rule" : "excluded");
      say(row.facts, facts.join(" · "));
      set(row, { "data-left": one.left_ms !== null, "data-active": isLive && one.user_id === active });
      row.excluded = one.excluded !== "";
      say(row.button, row.excluded ? "Include" : "Exclude");
      set(row.button, { "aria-label": `${row.excluded ? "Include" : "Exclude"} ${this.names.get(one.user_id)}` });
      row.button.hidden = !isLive || one.excluded === "rule" || (one.left_ms !== null && !one.excluded);
    });
    this.fall();
  }

  speaks(participant) {
    for (const [key, row] of rowsOf(this.list)) set(row, { "data-active": key === String(participant.user_id) });
  }

  hear(levels) {
    const now = performance.now();
    for (const [user_id, dbfs] of Object.entries(levels)) {
      const row = rowsOf(this.list).get(user_id);
      if (!row) continue;
      this.heardAt.set(user_id, now);
      show(row, dbfs);
    }
    this.fall();
  }

  fall() {
    const now = performance.now();
    for (const [user_id, row] of rowsOf(this.list)) {
      if (now - (this.heardAt.get(user_id) ?? 0) > FALL_MS) show(row, SILENT_DBFS);
    }
  }
}

function makePerson(user_id, exclude) {
  const name = h("span.person-name");
  const facts = h("span.note");
  const meter = h("span.meter", { role: "meter", "aria-label": "Level", "aria-valuemin": SILENT_DBFS, "aria-valuemax": 0, "aria-valuenow": SILENT_DBFS, "aria-valuetext": "silent" });
  const button = h("button.exclude", { type: "button", hidden: true, title: "From now on, deliver and record nothing of theirs" });
  const row = h("li.person", {}, name, facts, button, meter);
  button.addEventListener("click", () => exclude(user_id, !row.excluded));
  return Object.assign(row, { name, facts, button, meter, excluded: false });
}

function show(row, dbfs) {
  const share = Math.min(Math.max(1 - dbfs / SILENT_DBFS, 0), 1);
  row.meter.style.setProperty("--level", share.toFixed(3));
  const said = dbfs > SPEAKING_DBFS ? "speaking" : "silent";
  if (row.meter.getAttribute("aria-valuetext") !== said) {
    set(row.meter, { "aria-valuetext": said, "aria-valuenow": Math.round(Math.max(dbfs, SILENT_DBFS)) });
  }
}
