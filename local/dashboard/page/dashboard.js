// The dashboard page: reads snapshots of the stack, draws them, and applies faults.
/* global addEventListener, fetch, history, location, sessionStorage, setTimeout, TextDecoderStream */
import { addEvents, render, showNotice, showState } from "./view.js";

const TOKEN_KEY = "token";
const RETRY_MS = 2000;
/** A line that is longer than this is no snapshot. */
const MAX_LINE_LENGTH = 1_000_000;

/** The part of the address after "#" does not stay in it, so that a copied address or a screenshot does not contain the token. */
function takeToken() {
  if (location.hash.length > 1) {
    sessionStorage.setItem(TOKEN_KEY, location.hash.slice(1));
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(TOKEN_KEY) ?? "";
}

let token = takeToken();

addEventListener("hashchange", () => {
  token = takeToken();
  location.reload();
});

function request(path, options = {}) {
  return fetch(path, { ...options, headers: { Authorization: `Bearer ${token}` } });
}

/** Applies a fault, or ends it. */
async function changeFault(fault, task, isActive) {
  const query = task === undefined ? "" : `?task=${encodeURIComponent(task)}`;
  try {
    const response = await request(`faults/${fault}${query}`, { method: isActive ? "DELETE" : "POST" });
    showNotice(response.ok ? "" : await response.text());
  } catch {
    showNotice("npm start does not answer.");
  }
}

async function* linesOf(response) {
  let rest = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop();
    if (rest.length > MAX_LINE_LENGTH) throw new Error("The answer is too long.");
    yield* lines;
  }
}

/** @returns whether another attempt can succeed. */
async function show() {
  const response = await request("snapshots");
  if (!response.ok) {
    showState(response.status === 503 ? "Waiting" : "No access", "bad");
    showNotice(await response.text());
    return response.status === 503;
  }
  showNotice("");
  for await (const line of linesOf(response)) {
    const snapshot = JSON.parse(line);
    render(snapshot, changeFault);
    addEvents(snapshot.events);
  }
  return showEnd();
}

function showEnd() {
  showState("npm start has ended", "bad");
  return true;
}

async function run() {
  const isRetried = await show().catch(showEnd);
  if (isRetried) setTimeout(run, RETRY_MS);
}

void run();
