// The console page: connects to one channel, shows its messages, and publishes.
/* global document, location, performance, setTimeout, setInterval, clearInterval */
import { findUrlProblem } from "./channelUrl.js";
import { connect } from "./client.js";

/** Maximum entries of the log. The oldest ones are removed. */
const MAX_ENTRIES = 500;
/** Round trips that the median includes. */
const MAX_ROUND_TRIPS = 100;
/** The log follows new entries if it is scrolled to within this many pixels of its end. */
const MAX_FOLLOW_PIXELS = 40;
const COUNTDOWN_INTERVAL_MS = 200;

/** Explanations of the server's close codes. @see PROTOCOL.md */
const CLOSE_REASONS = {
  1000: "the connection was closed",
  1001: "the server shuts down",
  1005: "the connection was closed without a reason",
  1006: "the connection was lost or refused",
  1008: "the server rejected a message, or the token has expired",
  1009: "the message was too large",
  1011: "the server failed",
  1012: "another task has more capacity",
  1013: "the server is busy, or this page read too slowly",
};

const STATES = {
  closed: { text: "Disconnected", action: "connect", label: "Connect" },
  connecting: { text: "Connecting …", action: "disconnect", label: "Cancel" },
  open: { text: "Connected", action: "disconnect", label: "Disconnect" },
  waiting: { text: "Reconnecting", action: "disconnect", label: "Disconnect" },
  closing: { text: "Disconnecting …", action: "disconnect", label: "Disconnect" },
};

const byId = (id) => document.getElementById(id);
const stateLine = byId("state");
const stateText = byId("state-text");
const countdown = byId("countdown");
const urlInput = byId("url");
const connectButton = byId("connect");
const log = byId("log");
const messageInput = byId("message");
const sendButton = byId("send");
const hint = byId("hint");

let channel;
/** Whether the present channel was open before. */
let wasOpen = false;
let stopCountdown = () => undefined;
let counts = emptyCounts();
let roundTrips = [];
/** Position to the log entry of each message. */
let entries = new Map();
/** Position to the round trip of each own message. Its acknowledgement may arrive before the message. */
let acknowledged = new Map();
/** Entries that are not in the document yet. They are added together, so that a burst costs one layout. */
let newEntries = [];

function openChannel() {
  const problem = findUrlProblem(urlInput.value.trim());
  if (problem !== undefined) {
    addEntry("error", problem, "invalid_url");
    return;
  }
  try {
    channel = connect(urlInput.value);
  } catch (error) {
    addEntry("error", error.message, error.code);
    return;
  }
  wasOpen = false;
  entries = new Map();
  acknowledged = new Map();
  channel.on("state", onState);
  channel.on("message", onMessage);
  channel.on("gap", ({ from, to }) => {
    counts.gaps += 1;
    const range = to === undefined ? `after #${from - 1}` : `from #${from} to #${to}`;
    addEntry("error", `Messages ${range} are unrecoverable`, "gap");
  });
  onState(channel.state);
}

function onState(state) {
  stopCountdown();
  showState(state.name);
  switch (state.name) {
    case "open":
      counts.offset = state.offset;
      addEntry(
        "event",
        `${wasOpen ? "Reconnected" : "Connected"} to ${urlInput.value}`,
        `after #${state.offset}`,
      );
      if (!wasOpen) messageInput.focus();
      wasOpen = true;
      break;
    case "waiting": {
      const event = wasOpen ? "Disconnected" : `Could not connect to ${urlInput.value}`;
      const reason = state.reason || (CLOSE_REASONS[state.code] ?? "the connection was closed");
      addEntry("event", `${event}: ${reason}`, state.code === undefined ? "" : `code ${state.code}`);
      startCountdown(performance.now() + state.delay);
      break;
    }
    case "closed":
      channel = undefined;
      if (state.error === undefined) addEntry("event", "Disconnected");
      else addEntry("error", state.error.message, state.error.code);
      break;
  }
}

function startCountdown(until) {
  const update = () => {
    countdown.textContent = `in ${Math.max(0, Math.ceil((until - performance.now()) / 1000))} s`;
  };
  update();
  const timer = setInterval(update, COUNTDOWN_INTERVAL_MS);
  stopCountdown = () => {
    clearInterval(timer);
    countdown.textContent = "";
  };
}

function onMessage({ message, epoch, offset }) {
  counts.received += 1;
  counts.offset = offset;
  const position = `${epoch} ${offset}`;
  const entry = addEntry("message", JSON.stringify(message), `#${offset}`);
  setBounded(entries, position, entry);
  const roundTrip = acknowledged.get(position);
  if (roundTrip !== undefined) markOwn(entry, offset, roundTrip);
}

function publish() {
  if (channel === undefined) return;
  const value = parseJson(messageInput.value);
  if (value === undefined) {
    addEntry("error", "The message was not sent: it is not JSON.", "invalid_json");
    return;
  }
  messageInput.select();
  const start = performance.now();
  channel.publish(value).then(
    ({ epoch, offset }) => {
      const roundTrip = performance.now() - start;
      roundTrips = [...roundTrips, roundTrip].slice(-MAX_ROUND_TRIPS);
      counts.acknowledged += 1;
      const position = `${epoch} ${offset}`;
      setBounded(acknowledged, position, roundTrip);
      const entry = entries.get(position);
      if (entry !== undefined) markOwn(entry, offset, roundTrip);
      showCounts();
    },
    (error) => addEntry("error", error.message, error.code),
  );
  showCounts();
}

function markOwn(entry, offset, roundTrip) {
  entry.dataset.kind = "own";
  entry.querySelector(".note").textContent = `yours, #${offset}, ${formatMs(roundTrip)}`;
}

/** Adds to a map that keeps the newest entries only. */
function setBounded(map, key, value) {
  map.set(key, value);
  if (map.size > MAX_ENTRIES) map.delete(map.keys().next().value);
}

/** Returns undefined if the text is not JSON. */
function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function showState(name) {
  const { text, action, label } = STATES[name];
  stateLine.dataset.state = name;
  stateText.textContent = text;
  connectButton.dataset.action = action;
  connectButton.textContent = label;
  connectButton.disabled = name === "closing";
  urlInput.readOnly = name !== "closed";
  // The client keeps publishes while it reconnects.
  sendButton.disabled = name === "closed" || name === "closing";
}

/** @param kind message, own, event or error. */
function addEntry(kind, body, note = "") {
  const now = new Date();
  const milliseconds = String(now.getMilliseconds()).padStart(3, "0");
  const time = createElement("time", `${now.toTimeString().slice(0, 8)}.${milliseconds}`);
  time.dateTime = now.toISOString();

  const entry = document.createElement("li");
  entry.dataset.kind = kind;
  entry.append(time, createElement("span", body, "body"), createElement("span", note, "note"));
  newEntries.push(entry);
  // A page in the background gets no animation frames.
  if (newEntries.length === 1) setTimeout(showNewEntries);
  return entry;
}

function showNewEntries() {
  const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < MAX_FOLLOW_PIXELS;
  log.append(...newEntries.slice(-MAX_ENTRIES));
  newEntries = [];
  while (log.childElementCount > MAX_ENTRIES) log.firstElementChild.remove();
  if (isAtEnd) log.scrollTop = log.scrollHeight;
  showCounts();
}

function emptyCounts() {
  return { received: 0, gaps: 0, acknowledged: 0, offset: undefined };
}

function showCounts() {
  const pending = channel?.pending ?? 0;
  byId("received").textContent = counts.received.toLocaleString();
  byId("offset").textContent = counts.offset?.toLocaleString() ?? "–";
  byId("gaps").textContent = counts.gaps.toLocaleString();
  byId("acknowledged").textContent =
    counts.acknowledged.toLocaleString() + (pending === 0 ? "" : `, ${pending.toLocaleString()} pending`);
  byId("latency").textContent = formatMs(roundTrips.at(-1));
  byId("median").textContent = formatMs(median(roundTrips));
}

function showHint() {
  const isJson = parseJson(messageInput.value) !== undefined;
  hint.toggleAttribute("data-invalid", !isJson);
  hint.textContent = isJson
    ? "Enter sends the message. Shift+Enter starts a new line."
    : "The message is not JSON and cannot be sent.";
}

function createElement(name, text, className = "") {
  const element = document.createElement(name);
  element.textContent = text;
  element.className = className;
  return element;
}

/** The middle value, the mean of the two middle ones, or undefined without values. */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.slice(Math.ceil(sorted.length / 2) - 1, Math.floor(sorted.length / 2) + 1);
  return middle.length === 0 ? undefined : middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

function formatMs(value) {
  return value === undefined ? "–" : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

byId("connection").addEventListener("submit", (event) => {
  event.preventDefault();
  if (channel === undefined) {
    openChannel();
    return;
  }
  stopCountdown();
  showState("closing");
  void channel.close();
});

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  publish();
});

messageInput.addEventListener("keydown", (event) => {
  // While an input method composes text, Enter confirms its choice.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  publish();
});
messageInput.addEventListener("input", showHint);

byId("clear").addEventListener("click", () => {
  log.replaceChildren();
  counts = { ...emptyCounts(), offset: counts.offset };
  roundTrips = [];
  showCounts();
});

urlInput.value = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/wss`;
// A random name, so that the messages of two tabs differ.
const tabName = `tab ${Math.random().toString(36).slice(2, 6)}`;
messageInput.value = JSON.stringify({ from: tabName, text: "Hello" });
showState("closed");
showHint();
