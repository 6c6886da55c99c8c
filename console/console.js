// The console page: connects to a server, shows the messages of several channels, and publishes.
/* global document, fetch, location, URL, performance, setTimeout, setInterval, clearInterval */
import { connect } from "./client.js";
import { findUrlProblem } from "./serverUrl.js";

/** Maximum entries of the log. The oldest ones are removed. */
const MAX_ENTRIES = 500;
/** Round trips that the median includes. */
const MAX_ROUND_TRIPS = 100;
/** Retained messages with which a channel begins. */
const LAST_MESSAGES = 50;
/** The log follows new entries if it is scrolled to within this many pixels of its end. */
const MAX_FOLLOW_PIXELS = 40;
const COUNTDOWN_INTERVAL_MS = 200;

/** Returns the identity of the sender. */
const WHO_AM_I_PATH = "/whoami";
const UNAUTHORIZED = 401;

/** The channel of a new page: the one of clients without the subprotocol. */
const DEFAULT_CHANNEL = "/";

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
  1013: "the server is busy",
};

const STATES = {
  closed: { text: "Disconnected", action: "connect", label: "Connect" },
  connecting: { text: "Connecting …", action: "disconnect", label: "Cancel" },
  open: { text: "Connected", action: "disconnect", label: "Disconnect" },
  reconnecting: { text: "Reconnecting", action: "disconnect", label: "Disconnect" },
  closing: { text: "Disconnecting …", action: "disconnect", label: "Disconnect" },
};

const byId = (id) => document.getElementById(id);
const stateLine = byId("state");
const stateText = byId("state-text");
const countdown = byId("countdown");
const urlInput = byId("url");
const tokenInput = byId("token");
const connectButton = byId("connect");
const channelList = byId("channels");
const targetSelect = byId("target");
const log = byId("log");
const messageInput = byId("message");
const sendButton = byId("send");
const hint = byId("hint");

let connection;
/** Whether the present connection was open before. */
let wasOpen = false;
let stopCountdown = () => undefined;
/** Name to the channel: its elements, and the client's channel while the page is connected. */
const channels = new Map();
let counts = emptyCounts();
let roundTrips = [];
/** Position to the log entry of each message. */
let entries = new Map();
/** Position to the round trip of each own message. Its acknowledgement may arrive before the message. */
let acknowledged = new Map();
/** Entries that are not in the document yet. They are added together, so that a burst costs one layout. */
let newEntries = [];

function openConnection() {
  const problem = findUrlProblem(urlInput.value.trim());
  if (problem !== undefined) {
    addEntry("error", problem, "invalid_url");
    return;
  }
  try {
    connection = connect(urlInput.value, { token: tokenInput.value.trim() || undefined });
  } catch (error) {
    addEntry("error", error.message, error.code);
    return;
  }
  wasOpen = false;
  entries = new Map();
  acknowledged = new Map();
  connection.on("open", onOpen);
  connection.on("reconnecting", onReconnecting);
  connection.on("closed", onClosed);
  connection.on("error", ({ message, code }) => addEntry("error", message, code));
  for (const name of channels.keys()) subscribe(name);
  showState("connecting");
}

function onOpen({ user }) {
  stopCountdown();
  showState("open");
  const event = `${wasOpen ? "Reconnected" : "Connected"} to ${urlInput.value}`;
  addEntry("event", user === undefined ? event : `${event} as ${user}`);
  if (!wasOpen) messageInput.focus();
  wasOpen = true;
}

function onReconnecting({ delay, code, reason }) {
  stopCountdown();
  showState("reconnecting");
  const event = wasOpen ? "Disconnected" : `Could not connect to ${urlInput.value}`;
  const cause = reason || (CLOSE_REASONS[code] ?? "the connection was closed");
  addEntry("event", `${event}: ${cause}`, code === undefined ? "" : `code ${code}`);
  startCountdown(performance.now() + delay);
  if (!wasOpen) void explainRefusal(connection);
}

/** Shows why the server does not accept the token, and disconnects. A browser does not report the answer to an upgrade. */
async function explainRefusal(refused) {
  const url = new URL(WHO_AM_I_PATH, urlInput.value);
  url.protocol = url.protocol.replace("ws", "http");
  const token = tokenInput.value.trim();
  try {
    const response = await fetch(url, {
      cache: "no-store",
      headers: token === "" ? {} : { Authorization: `Bearer ${token}` },
    });
    const problem = response.status === UNAUTHORIZED ? await response.json() : undefined;
    if (problem === undefined || connection !== refused || wasOpen) return;
    addEntry("error", problem.detail, problem.code);
    await refused.close();
  } catch {
    // The server is unreachable, or has no such path.
  }
}

function onClosed({ error }) {
  stopCountdown();
  connection = undefined;
  for (const channel of channels.values()) channel.joined = undefined;
  showState("closed");
  if (error === undefined) addEntry("event", "Disconnected");
  else addEntry("error", error.message, error.code);
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

/** Adds a channel to the page, and subscribes to it while the page is connected. */
function addChannel(name, last) {
  if (channels.has(name)) return;
  const offset = createElement("span", "", "offset");
  const leave = createElement("button", "×", "quiet");
  leave.type = "button";
  leave.title = `Leave ${name}`;
  leave.setAttribute("aria-label", leave.title);
  leave.addEventListener("click", () => removeChannel(name));
  const item = document.createElement("li");
  item.append(createElement("span", name, "name"), offset, leave);
  channelList.append(item);
  const option = createElement("option", name);
  targetSelect.append(option);
  targetSelect.value = name;
  channels.set(name, { last, offset, item, option, joined: undefined });
  subscribe(name);
  showState(stateLine.dataset.state);
}

function removeChannel(name) {
  const { joined, item, option } = channels.get(name);
  channels.delete(name);
  joined?.leave();
  item.remove();
  option.remove();
  if (joined !== undefined) addEntry("event", "Left", "", name);
  showState(stateLine.dataset.state);
}

function subscribe(name) {
  const channel = channels.get(name);
  const showOffset = (offset) => {
    channel.offset.textContent = `#${offset.toLocaleString()}`;
  };
  try {
    channel.joined = connection?.channel(name, {
      last: channel.last,
      onSubscribed: ({ offset }) => {
        showOffset(offset);
        addEntry("event", "Subscribed", `after #${offset}`, name);
      },
      onMessage: (message) => {
        showOffset(message.offset);
        showMessage(name, message);
      },
      onGap: ({ from, to }) => {
        counts.gaps += 1;
        const range = to === undefined ? `after #${from - 1}` : `from #${from} to #${to}`;
        addEntry("error", `Messages ${range} are unrecoverable`, "gap", name);
      },
    });
  } catch (error) {
    addEntry("error", error.message, error.code, name);
    removeChannel(name);
    return;
  }
  void channel.joined?.closed.then((error) => {
    const isOnlyChannel = connection !== undefined && connection.state !== "closed";
    if (error === undefined || !isOnlyChannel || channels.get(name) !== channel) return;
    addEntry("error", error.message, error.code, name);
    channel.joined = undefined;
    removeChannel(name);
  });
}

function showMessage(name, { value, epoch, offset, from }) {
  counts.received += 1;
  const position = `${name} ${epoch} ${offset}`;
  const sender = from === undefined ? "" : `${from}, `;
  const entry = addEntry("message", JSON.stringify(value), `${sender}#${offset}`, name);
  setBounded(entries, position, entry);
  const roundTrip = acknowledged.get(position);
  if (roundTrip !== undefined) markOwn(entry, offset, roundTrip);
}

function publish() {
  const name = targetSelect.value;
  if (sendButton.disabled) return;
  const value = parseJson(messageInput.value);
  if (value === undefined) {
    addEntry("error", "The message was not sent: it is not JSON.", "invalid_json");
    return;
  }
  messageInput.select();
  const start = performance.now();
  connection.publish(name, value).then(
    ({ epoch, offset }) => {
      const roundTrip = performance.now() - start;
      roundTrips = [...roundTrips, roundTrip].slice(-MAX_ROUND_TRIPS);
      counts.acknowledged += 1;
      const position = `${name} ${epoch} ${offset}`;
      setBounded(acknowledged, position, roundTrip);
      const entry = entries.get(position);
      if (entry !== undefined) markOwn(entry, offset, roundTrip);
      showCounts();
    },
    (error) => addEntry("error", error.message, error.code, name),
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
  tokenInput.readOnly = name !== "closed";
  // The client keeps publishes while it reconnects.
  sendButton.disabled = name === "closed" || name === "closing" || channels.size === 0;
}

/** @param kind message, own, event or error. */
function addEntry(kind, body, note = "", channel = "") {
  const now = new Date();
  const milliseconds = String(now.getMilliseconds()).padStart(3, "0");
  const time = createElement("time", `${now.toTimeString().slice(0, 8)}.${milliseconds}`);
  time.dateTime = now.toISOString();

  const entry = document.createElement("li");
  entry.dataset.kind = kind;
  entry.append(
    time,
    createElement("span", channel, "channel"),
    createElement("span", body, "body"),
    createElement("span", note, "note"),
  );
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
  return { received: 0, gaps: 0, acknowledged: 0 };
}

function showCounts() {
  const pending = connection?.pending ?? 0;
  byId("received").textContent = counts.received.toLocaleString();
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
  if (connection === undefined) {
    openConnection();
    return;
  }
  stopCountdown();
  showState("closing");
  void connection.close();
});

byId("join").addEventListener("submit", (event) => {
  event.preventDefault();
  addChannel(byId("name").value, byId("last").checked ? LAST_MESSAGES : undefined);
  byId("name").value = "";
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
  counts = emptyCounts();
  roundTrips = [];
  showCounts();
});

urlInput.value = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/wss`;
// A random name, so that the messages of two tabs differ.
const tabName = `tab ${Math.random().toString(36).slice(2, 6)}`;
messageInput.value = JSON.stringify({ from: tabName, text: "Hello" });
stateLine.dataset.state = "closed";
addChannel(DEFAULT_CHANNEL);
showHint();
