// The public API of the engine, and nothing else.

export class Problem extends Error {
  constructor(status, problem) {
    super(problem.detail || `The engine answered ${status}.`);
    this.status = status;
    this.remedy = problem.remedy || "";
  }
}

async function ask(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body ? { "Content-Type": "application/json" } : {},
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new Problem(0, { detail: "The engine does not answer.", remedy: "Is it running?" });
  }
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Problem(response.status, problem);
}

export const url = (...parts) => `/api/v1/${parts.map(encodeURIComponent).join("/")}`;

export async function get(path, query = {}) {
  const wanted = Object.entries(query).filter(([, value]) => value !== "" && value !== undefined);
  const text = wanted.length ? `?${new URLSearchParams(wanted)}` : "";
  return (await ask("GET", path + text)).json();
}

let ahead_ms = 0;

/** Unix milliseconds of the engine's clock, which is not that of whoever looks. */
export const now = () => Date.now() + ahead_ms;

/** Find out how the engine's clock stands. */
export async function setClock() {
  const { started_ms, uptime_s } = await get(url("engine"));
  ahead_ms = started_ms + uptime_s * 1000 - Date.now();
}

/** The lines of a growing file of JSON lines, its end if it is long; none if there is no such file. */
export async function lines(path) {
  let response;
  try {
    response = await ask("GET", path);
  } catch (problem) {
    if (problem.status === 404 || problem.status === 403) return [];
    throw problem;
  }
  return (await response.text()).split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line)];
    } catch {
      return []; // the last one is being written
    }
  });
}

/** A picture as {at_ms, blob}; a Problem says why there is none. */
export async function picture(path) {
  const response = await ask("GET", path);
  return { at_ms: Number(response.headers.get("Picture-Time-Ms")), blob: await response.blob() };
}

export const exclude = (id, user_id, excluded) => ask("POST", url("streams", id, excluded ? "exclude" : "include"), { user_id });

export const signIn = async (token) => (await ask("POST", url("session"), { token })).json();
export const signOut = () => ask("DELETE", url("session"));

/** Call `work` now and again, `every_ms` after it is done; not while nobody looks. Returns what ends it. */
export function repeat(work, every_ms) {
  let timer = 0;
  let over = false;
  async function turn() {
    if (!document.hidden) await work();
    if (!over) timer = setTimeout(turn, every_ms);
  }
  turn();
  return () => {
    over = true;
    clearTimeout(timer);
  };
}
