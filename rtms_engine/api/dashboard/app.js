// Which view is shown, and to whom.

import { get, setClock, signIn, signOut, url } from "./api.js";
import { h, set } from "./dom.js";
import { engineView } from "./engine.js";
import { recordingView } from "./player.js";
import { recordingsView } from "./recordings.js";
import { streamView } from "./stream.js";
import { streamsView } from "./streams.js";

const main = document.querySelector("#main");
const trouble = document.querySelector("#trouble");
const out = document.querySelector("#sign-out");

// A view fills `main`, and returns what ends it.
const VIEWS = [
  [/^\/$/, "Streams", streamsView],
  [/^\/streams\/([^/]+)$/, "Stream", streamView],
  [/^\/recordings$/, "Recordings", recordingsView],
  [/^\/recordings\/([^/]+)\/(\d+)$/, "Recording", recordingView],
  [/^\/engine$/, "Engine", engineView],
];

let leave = () => {};

/** A view's troubles: shown until something works again. */
function guarded(work) {
  return async (...given) => {
    try {
      await work(...given);
      trouble.hidden = true;
    } catch (problem) {
      if (problem.status === 401) return signInView(problem);
      trouble.textContent = [problem.message, problem.remedy].filter(Boolean).join(" ");
      trouble.hidden = false;
      if (problem.status === undefined) throw problem;
    }
  };
}

function show(isNew) {
  leave();
  const path = location.hash.replace(/^#/, "") || "/";
  const found = VIEWS.map(([pattern, title, view]) => [path.match(pattern), title, view]).find(([match]) => match);
  for (const link of document.querySelectorAll("nav a")) {
    const target = link.getAttribute("href").slice(1);
    const isHere = target === "/" ? path === "/" || path.startsWith("/streams") : path.startsWith(target);
    set(link, { "aria-current": isHere ? "page" : null });
  }
  trouble.hidden = true;
  if (!found) {
    main.replaceChildren(h("p.empty", {}, "There is no such page. ", h("a", { href: "#/" }, "To the streams")));
    leave = () => {};
    return;
  }
  const [match, title, view] = found;
  document.title = `${title} · rtms_engine`;
  main.replaceChildren();
  leave = view(main, guarded, ...match.slice(1).map(decodeURIComponent)) ?? (() => {});
  if (isNew) {
    main.focus();
    scrollTo(0, 0);
  }
}

function signInView(problem) {
  leave();
  const why = h("p.trouble", { role: "alert" }, problem.message);
  const field = h("input", { id: "token", type: "password", autocomplete: "current-password", required: true, spellcheck: "false" });
  async function send(event) {
    event.preventDefault();
    try {
      await signIn(field.value.trim());
      await begin();
    } catch (refused) {
      why.textContent = refused.message;
      field.select();
    }
  }
  document.title = "Sign in · rtms_engine";
  main.replaceChildren(
    h("form.sign-in", { onsubmit: send },
      h("h1", {}, "Sign in"),
      why,
      h("label", { for: "token" }, "Token"),
      field,
      h("button", { type: "submit" }, "Sign in"),
      h("p.note", {}, "A token is made on the engine's machine: ", h("code", {}, "rtms-engine token new NAME --scope read --scope media"))),
  );
  field.focus();
  leave = () => {};
}

async function session() {
  try {
    return await get(url("session"));
  } catch (problem) {
    if (problem.status !== 401) throw problem;
    await signOut(); // a token that is not accepted any more must not stand in the way
    return get(url("session"));
  }
}

const begin = guarded(async () => {
  const who = await session();
  out.hidden = !who.is_signed_in;
  out.title = who.is_signed_in ? `Signed in with the token ${who.name}` : "";
  await setClock().catch(() => {}); // whoever may not read it sees by their own
  show(false);
});

out.addEventListener("click", guarded(async () => {
  await signOut();
  out.hidden = true;
  await begin();
}));
addEventListener("hashchange", () => {
  if (location.hash !== "#main") show(true);
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
begin();
