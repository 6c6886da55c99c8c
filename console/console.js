// The console page: one channel through the client, what it receives, and a box to publish from.
/* global URL, document, location, performance, setTimeout, setInterval, clearInterval */
import { connect as openChannel } from "./client.js";

/** Entries that the log keeps; older ones leave. */
const MAX_ENTRIES = 500;
/** Round trips of which the median is shown. */
const MAX_ROUND_TRIPS = 100;
/** How near to the end, in pixels, the log must be scrolled to follow new entries. */
const FOLLOW_DISTANCE = 40;
/** How often the time until the next attempt is shown anew, in milliseconds. */
const COUNTDOWN_INTERVAL = 200;

/** What the server's close codes mean for people; PROTOCOL.md has the whole list. */
const CLOSE_REASONS = {
  1000: "closed",
  1001: "the server goes away",
  1005: "closed without a reason",
  1006: "the connection was lost, or refused",
  1008: "the server refused what was sent, or the token has expired",
  1009: "the message was too big",
  1011: "the server failed",
  1012: "another server has more room",
  1013: "the server is busy, or this page read too slowly",
};

/** What the client connects to. */
const SCHEMES = ["ws", "wss", "http", "https"];

/** The addresses of channels, as PROTOCOL.md has them. */
const CHANNEL_PATH = /^\/wss(?:\/|\/(?!\.{1,2}$)[A-Za-z0-9._~-]{1,64})?$/;

const byId = (id) => document.getElementById(id);
const state = byId("state");
const words = byId("words");
const countdown = byId("countdown");
const url = byId("url");
const connectButton = byId("connect");
const log = byId("log");
const message = byId("message");
const send = byId("send");
const hint = byId("hint");

/** Told in the message that the box starts with, so that the messages of two tabs differ. */
const tabName = `tab ${Math.random().toString(36).slice(2, 6)}`;

let channel;
/** Whether this channel was open before. */
let opened = false;
let stopCountdown = () => undefined;
let figures = noFigures();
let roundTrips = [];
/** Entries of messages by their place, and round trips of own ones whose message is still to come. */
let entries = new Map();
let acknowledged = new Map();
/** Entries of this frame, added together: a burst costs one layout. */
let arrived = [];

url.value = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/wss`;
message.value = JSON.stringify({ from: tabName, text: "Hello" });

function connect() {
  const problem = addressProblem(url.value.trim());
  if (problem !== undefined) {
    add("error", problem, "invalid_url");
    return;
  }
  try {
    channel = openChannel(url.value);
  } catch (error) {
    add("error", error.message, error.code);
    return;
  }
  opened = false;
  entries = new Map();
  acknowledged = new Map();
  channel.on("state", showState);
  channel.on("message", receive);
  channel.on("gap", ({ from, to }) => {
    figures.gaps += 1;
    add("error", `Missed ${to === undefined ? `what came after #${from - 1}` : `#${from} to #${to}`}`, "gap");
  });
  showState(channel.state);
}

/** What is wrong with the address of a channel; a server refuses it, and a browser does not report why. */
function addressProblem(text) {
  const [, scheme = "", address = text] = /^([^:/]*):\/\/(.*)$/.exec(text) ?? [];
  if (!SCHEMES.includes(scheme.toLowerCase())) {
    return `${text} is not the address of a WebSocket; did you mean wss://${address}?`;
  }
  let path;
  try {
    path = new URL(text).pathname;
  } catch {
    return `${text} is not a URL.`;
  }
  if (CHANNEL_PATH.test(path)) return undefined;
  return `The path is ${path}, and must be /wss, or /wss/NAME with a name of 1 to 64 letters, digits, ".", "_", "~" and "-".`;
}

function showState(next) {
  stopCountdown();
  show(next.name);
  switch (next.name) {
    case "open":
      figures.offset = next.offset;
      add("event", `${opened ? "Connected again" : "Connected"} to ${url.value}`, `after #${next.offset}`);
      if (!opened) message.focus();
      opened = true;
      break;
    case "waiting": {
      const why = next.reason || (CLOSE_REASONS[next.code] ?? "closed");
      add(
        "event",
        `${opened ? "Disconnected" : `Could not connect to ${url.value}`}: ${why}`,
        next.code === undefined ? "" : `code ${next.code}`,
      );
      countDown(performance.now() + next.delay);
      break;
    }
    case "closed":
      channel = undefined;
      if (next.error === undefined) add("event", "Disconnected");
      else add("error", next.error.message, next.error.code);
      break;
  }
}

function countDown(until) {
  const showRest = () => {
    countdown.textContent = `in ${Math.max(0, Math.ceil((until - performance.now()) / 1000))} s`;
  };
  showRest();
  const timer = setInterval(showRest, COUNTDOWN_INTERVAL);
  stopCountdown = () => {
    clearInterval(timer);
    countdown.textContent = "";
  };
}

function receive({ message: value, epoch, offset }) {
  figures.received += 1;
  figures.offset = offset;
  const place = `${epoch} ${offset}`;
  const entry = add("message", JSON.stringify(value), `#${offset}`);
  remember(entries, place, entry);
  const roundTrip = acknowledged.get(place);
  if (roundTrip !== undefined) markOwn(entry, offset, roundTrip);
}

function sendMessage() {
  if (channel === undefined) return;
  const value = parse(message.value);
  if (value === undefined) {
    add("error", "This is not JSON, and was not sent.", "invalid_json");
    return;
  }
  message.select();
  const start = performance.now();
  const published = channel.publish(value);
  showFigures();
  published.then(
    ({ epoch, offset }) => {
      const roundTrip = performance.now() - start;
      roundTrips = [...roundTrips, roundTrip].slice(-MAX_ROUND_TRIPS);
      figures.acknowledged += 1;
      const place = `${epoch} ${offset}`;
      remember(acknowledged, place, roundTrip);
      const entry = entries.get(place);
      if (entry !== undefined) markOwn(entry, offset, roundTrip);
      showFigures();
    },
    (error) => add("error", error.message, error.code),
  );
}

/** An own message is known by the place that its acknowledgement tells. */
function markOwn(entry, offset, roundTrip) {
  entry.dataset.kind = "own";
  entry.querySelector(".note").textContent = `yours, #${offset}, ${milliseconds(roundTrip)}`;
}

/** Keeps the newest ones. */
function remember(map, key, value) {
  map.set(key, value);
  if (map.size > MAX_ENTRIES) map.delete(map.keys().next().value);
}

/** The value that a text is the JSON of; undefined where it is of none. */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const STATES = {
  closed: { text: "Disconnected", action: "connect", label: "Connect" },
  connecting: { text: "Connecting …", action: "disconnect", label: "Cancel" },
  open: { text: "Connected", action: "disconnect", label: "Disconnect" },
  waiting: { text: "Reconnecting", action: "disconnect", label: "Disconnect" },
  closing: { text: "Disconnecting …", action: "disconnect", label: "Disconnect" },
};

function show(name) {
  const { text, action, label } = STATES[name];
  state.dataset.state = name;
  words.textContent = text;
  connectButton.dataset.action = action;
  connectButton.textContent = label;
  connectButton.disabled = name === "closing";
  url.readOnly = name !== "closed";
  // The client keeps what is published while there is no connection.
  send.disabled = name === "closed" || name === "closing";
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
  return entry;
}

function flush() {
  const follows = log.scrollHeight - log.scrollTop - log.clientHeight < FOLLOW_DISTANCE;
  log.append(...arrived.slice(-MAX_ENTRIES));
  arrived = [];
  while (log.childElementCount > MAX_ENTRIES) log.firstElementChild.remove();
  if (follows) log.scrollTop = log.scrollHeight;
  showFigures();
}

function noFigures() {
  return { received: 0, gaps: 0, acknowledged: 0, offset: undefined };
}

function showFigures() {
  byId("received").textContent = figures.received.toLocaleString();
  byId("offset").textContent = figures.offset?.toLocaleString() ?? "–";
  byId("gaps").textContent = figures.gaps.toLocaleString();
  const pending = channel?.pending ?? 0;
  byId("acknowledged").textContent =
    figures.acknowledged.toLocaleString() + (pending === 0 ? "" : `, ${pending.toLocaleString()} pending`);
  byId("latency").textContent = milliseconds(roundTrips.at(-1));
  byId("median").textContent = milliseconds(median(roundTrips));
}

function showHint() {
  const valid = parse(message.value) !== undefined;
  hint.toggleAttribute("data-invalid", !valid);
  hint.textContent = valid
    ? "Enter sends, Shift+Enter starts a new line."
    : "This is not JSON: it cannot be sent.";
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

/** The middle one; of an even number, the mean of the two there. */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1);
  return middle.length === 0 ? undefined : middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

function milliseconds(value) {
  return value === undefined ? "–" : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

byId("connection").addEventListener("submit", (event) => {
  event.preventDefault();
  if (channel === undefined) {
    connect();
    return;
  }
  stopCountdown();
  show("closing");
  void channel.close();
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
  figures = { ...noFigures(), offset: figures.offset };
  roundTrips = [];
  showFigures();
});

show("closed");
showHint();
