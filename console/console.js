// The console page: one WebSocket, what it receives, and a box to send from.
/* global document, location, performance, setTimeout, WebSocket */

/** Entries that the log keeps; older ones leave. */
const MAX_ENTRIES = 500;
/** Round trips of which the median is shown. */
const MAX_ROUND_TRIPS = 100;
/** Own messages whose return is waited for; only what comes back is timed. */
const MAX_PENDING = 100;
/** How near to the end, in pixels, the log must be scrolled to follow new entries. */
const FOLLOW_DISTANCE = 40;

/** What the server's close codes mean for people; PROTOCOL.md has the whole list. */
const CLOSE_REASONS = {
  1000: "closed",
  1001: "the server goes away; connect again",
  1005: "closed without a reason",
  1006: "the connection was lost, or refused",
  1008: "the server refused what was sent",
  1009: "the message was too big",
  1011: "the server failed",
  1012: "the server restarts; connect again",
  1013: "the server is busy, or this page read too slowly; try again later",
};

const byId = (id) => document.getElementById(id);
const state = byId("state");
const url = byId("url");
const connectButton = byId("connect");
const log = byId("log");
const message = byId("message");
const send = byId("send");
const hint = byId("hint");

/** Told in the message that the box starts with, so that the messages of two tabs differ. */
const tabName = `tab ${Math.random().toString(36).slice(2, 6)}`;

let socket;
let received = 0;
let roundTrips = [];
/** Own messages on their way, oldest first: what the server makes of each, and when it left. */
let pending = [];
/** Entries of this frame, added together: a burst costs one layout. */
let arrived = [];

url.value = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/wss`;
message.value = JSON.stringify({ from: tabName, text: "Hello" });

function connect() {
  try {
    socket = new WebSocket(url.value);
  } catch (error) {
    // The address is malformed, or insecure on a secure page.
    add("error", error.message);
    return;
  }
  pending = [];
  show("connecting");

  const current = socket;
  let opened = false;
  const whenCurrent = (listener) => (event) => {
    if (socket === current) listener(event);
  };
  socket.addEventListener(
    "open",
    whenCurrent(() => {
      opened = true;
      show("open");
      add("event", `Connected to ${current.url}`);
      message.focus();
    }),
  );
  socket.addEventListener(
    "message",
    whenCurrent(({ data }) => receive(String(data))),
  );
  socket.addEventListener(
    "close",
    whenCurrent(({ code, reason }) => {
      socket = undefined;
      show("closed");
      const meaning = CLOSE_REASONS[code] ?? "closed";
      const what = opened ? "Disconnected" : `Could not connect to ${current.url}`;
      add("event", `${what}: ${reason || meaning}`, `code ${code}`);
    }),
  );
}

function receive(text) {
  received += 1;
  const frame = objectOf(text);
  if (typeof frame.error?.message === "string") {
    add("error", frame.error.message, frame.error.code);
  } else if ("message" in frame) {
    const body = JSON.stringify(frame.message);
    const roundTrip = takeRoundTrip(body);
    if (roundTrip === undefined) add("message", body);
    else add("own", body, `as you sent, ${milliseconds(roundTrip)}`);
  } else {
    // Another server may say anything.
    add("message", text, "connection" in frame ? "greeting" : "");
  }
}

/** The object that a text is the JSON of; an empty one where it is of none. */
function objectOf(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

/**
 * The time that an own message took to come back, or undefined where this page waits for none of that text. A
 * message does not carry its sender: where two send the same, the first to arrive counts.
 */
function takeRoundTrip(body) {
  const index = pending.findIndex((sent) => sent.body === body);
  if (index < 0) return undefined;
  const [sent] = pending.splice(index, 1);
  const elapsed = performance.now() - sent.at;
  roundTrips = [...roundTrips, elapsed].slice(-MAX_ROUND_TRIPS);
  return elapsed;
}

function sendMessage() {
  if (socket?.readyState !== WebSocket.OPEN) return;
  const body = canonical(message.value);
  // What is not JSON is sent all the same: the server's answer is worth seeing.
  if (body !== undefined) pending = [...pending, { body, at: performance.now() }].slice(-MAX_PENDING);
  socket.send(message.value);
  message.select();
}

function canonical(text) {
  try {
    return JSON.stringify(JSON.parse(text));
  } catch {
    return undefined;
  }
}

const STATES = {
  closed: { words: "Disconnected", action: "connect", label: "Connect" },
  connecting: { words: "Connecting …", action: "disconnect", label: "Cancel" },
  open: { words: "Connected", action: "disconnect", label: "Disconnect" },
  closing: { words: "Disconnecting …", action: "disconnect", label: "Disconnect" },
};

function show(name) {
  const { words, action, label } = STATES[name];
  state.dataset.state = name;
  state.textContent = words;
  connectButton.dataset.action = action;
  connectButton.textContent = label;
  connectButton.disabled = name === "closing";
  url.readOnly = name !== "closed";
  send.disabled = name !== "open";
}

/** @param kind message, own, event or error. */
function add(kind, body, note = "") {
  const now = new Date();
  const time = element(
    "time",
    now.toTimeString().slice(0, 8) + "." + String(now.getMilliseconds()).padStart(3, "0"),
  );
  time.dateTime = now.toISOString();

  const entry = document.createElement("li");
  entry.dataset.kind = kind;
  entry.append(time, element("span", body, "body"), element("span", note, "note"));
  arrived.push(entry);
  // Not by animation frame, which a page in the background does not get.
  if (arrived.length === 1) setTimeout(flush);
}

function flush() {
  const follows = log.scrollHeight - log.scrollTop - log.clientHeight < FOLLOW_DISTANCE;
  log.append(...arrived.slice(-MAX_ENTRIES));
  arrived = [];
  while (log.childElementCount > MAX_ENTRIES) log.firstElementChild.remove();
  if (follows) log.scrollTop = log.scrollHeight;
  showFigures();
}

function showFigures() {
  byId("received").textContent = received.toLocaleString();
  byId("latency").textContent = milliseconds(roundTrips.at(-1));
  byId("median").textContent = milliseconds(
    [...roundTrips].sort((a, b) => a - b)[Math.floor(roundTrips.length / 2)],
  );
}

function showHint() {
  const valid = canonical(message.value) !== undefined;
  hint.toggleAttribute("data-invalid", !valid);
  hint.textContent = valid
    ? "Enter sends, Shift+Enter starts a new line."
    : "This is not JSON: the server will answer with an error, to you alone.";
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function milliseconds(value) {
  return value === undefined ? "–" : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

byId("connection").addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket === undefined) {
    connect();
  } else {
    show("closing");
    socket.close();
  }
});

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  sendMessage();
});

message.addEventListener("keydown", (event) => {
  // While an input method composes, Enter belongs to it.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  sendMessage();
});
message.addEventListener("input", showHint);

byId("clear").addEventListener("click", () => {
  log.replaceChildren();
  received = 0;
  roundTrips = [];
  showFigures();
});

show("closed");
showHint();
