// Calls of the server's REST API. The key is kept in this tab alone, and goes into a header: addresses end in logs.
const KEY = "ferrite.turn-key";
const BASE = new URL("../api/", import.meta.url);

/** What is answered instead of what was asked for. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Where a browser keeps nothing, the key lives as long as the page.
let key = null;
const keep = (change) => {
  try {
    change(sessionStorage);
  } catch {
    // It is in `key`.
  }
};
keep((storage) => { key = storage.getItem(KEY); });

export const isSignedIn = () => key !== null;

export function signIn(typed) {
  key = typed;
  keep((storage) => storage.setItem(KEY, typed));
}

export function signOut() {
  key = null;
  keep((storage) => storage.removeItem(KEY));
}

/** Calls, with the secretKey or another. */
export async function call(method, path, body, bearer = key) {
  const headers = { authorization: `Bearer ${bearer}` };
  if (body) headers["content-type"] = "application/json";
  const asked = { method, headers, body: body && JSON.stringify(body), cache: "no-store", credentials: "omit" };
  const answer = await fetch(new URL(path, BASE), asked);
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, said.message ?? said.error ?? answer.statusText);
  return said;
}

export const get = (path) => call("GET", path);
export const post = (path, body) => call("POST", path, body);
export const remove = (path, body) => call("DELETE", path, body);
