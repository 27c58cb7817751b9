// The camera or the shared screen, as a picture once a second; or why there is none.

import { now, picture, url } from "./api.js";
import { h, say } from "./dom.js";
import { age, clock, nameOf } from "./words.js";

const OLD_MS = 5000;
const PATIENCE = 3; // turns between looks where there was nothing

export class PictureBox {
  constructor(id, kind) {
    this.path = `${url("streams", id, "picture")}?kind=${kind}`;
    this.label = kind === "video" ? "Camera" : nameOf(kind);
    this.isLive = true;
    this.isDone = false;
    this.wait = 0;
    this.shown = "";
    this.image = h("img", { hidden: true, alt: "", width: 640, height: 360 });
    this.why = h("p.why");
    this.when = h("span");
    this.element = h("figure.picture", {}, h("div.frame", {}, this.image, this.why), h("figcaption", {}, h("span.medium-name", {}, this.label), this.when));
  }

  async look() {
    if (this.isDone || this.wait-- > 0) return;
    try {
      const { at_ms, blob } = await picture(this.path);
      this.show(at_ms, blob);
      this.isDone = !this.isLive;
    } catch (problem) {
      this.wait = PATIENCE;
      this.forget();
      say(this.why, problem.message);
      this.why.title = problem.remedy;
      this.isDone = !this.isLive;
    }
  }

  show(at_ms, blob) {
    const before = this.shown;
    this.shown = URL.createObjectURL(blob);
    this.image.src = this.shown;
    this.image.alt = `${this.label}, as of ${clock(at_ms)}`;
    this.image.hidden = false;
    say(this.why, "");
    const old_ms = now() - at_ms;
    say(this.when, old_ms > OLD_MS ? `last one ${this.isLive ? `${age(old_ms)} ago` : clock(at_ms)}` : clock(at_ms));
    if (before) URL.revokeObjectURL(before);
  }

  forget() {
    this.image.hidden = true;
    this.image.removeAttribute("src");
    say(this.when, "");
    if (this.shown) URL.revokeObjectURL(this.shown);
    this.shown = "";
  }
}
