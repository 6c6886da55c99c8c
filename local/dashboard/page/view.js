// Draws snapshots. Elements are kept by key, and only what differs is written.
/* global document */
import { createChart, drawChart } from "./charts.js";

const MAX_EVENTS = 50;
const MAX_DEPLOYMENTS = 5;
/** The log follows new events if it is scrolled to within this many pixels of its end. */
const MAX_FOLLOW_PIXELS = 40;

/** Titles of the parts. A part that is not here has its own name. */
const TITLES = {
  edge: "Edge",
  domain: "Custom domain",
  "load balancer": "Load balancer",
  targets: "Target group",
  tasks: "Tasks",
  backplane: "Backplane",
};
/** Drawn in a section of its own. */
const AUTOSCALING = "autoscaling";

const HEALTH_TONES = { starting: "idle", healthy: "good", unhealthy: "bad", stopping: "warn" };
const PHASES = {
  starting: ["Starting", "warn"],
  ready: ["Ready", "good"],
  stopping: ["Stopping", "warn"],
};
const ALARMS = { ok: "OK", alarm: "In alarm", "insufficient-data": "No data yet" };
const DEPLOYMENTS = {
  "in-progress": ["In progress", "warn"],
  completed: ["Completed", "good"],
  failed: ["Failed", "bad"],
};
const UNITS = { CPU: " %" };

const byId = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const decimal = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

function element(name, className = "", text = "") {
  const created = document.createElement(name);
  if (className !== "") created.className = className;
  created.textContent = text;
  return created;
}

function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function setPill(pill, text, tone) {
  setText(pill, text);
  if (pill.dataset.tone !== tone) pill.dataset.tone = tone;
}

/** Makes the children of an element those of the items, in their order. */
function keep(parent, items, keyOf, create, update) {
  const existing = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let position = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let child = existing.get(key);
    existing.delete(key);
    if (child === undefined) {
      child = create(item);
      child.dataset.key = key;
    }
    if (child === position) position = child.nextElementSibling;
    else parent.insertBefore(child, position);
    update(child, item);
  }
  for (const child of existing.values()) {
    // Without this, the keyboard's focus would go to the start of the page.
    if (child.contains(document.activeElement)) parent.closest("[tabindex]")?.focus();
    child.remove();
  }
}

export function showState(text, tone) {
  setPill(byId("state"), text, tone);
}

export function showNotice(text) {
  const notice = byId("notice");
  setText(notice, text.trim());
  notice.hidden = text === "";
}

export function render(snapshot, changeFault) {
  const { stack, phase, tasks, rates, urls } = snapshot;
  setText(byId("stack"), stack);
  showState(...PHASES[phase]);
  document.title = `${stack}: local stack`;
  const open = tasks.reduce((sum, task) => sum + task.open, 0);
  setText(byId("connections"), decimal.format(open));
  setText(byId("published"), formatRate(rates.published));
  setText(byId("delivered"), formatRate(rates.delivered));
  const healthy = tasks.filter(({ health }) => health === "healthy").length;
  setText(byId("healthy"), `${healthy} of ${snapshot.scaling?.desired ?? tasks.length}`);
  renderGraph(snapshot, changeFault);
  renderScaling(snapshot);
  renderDeployments(snapshot);
  renderAddresses(urls);
}

function formatRate(rate) {
  return rate === null ? "–" : decimal.format(rate);
}

function renderGraph({ path, tasks, faults, activeFaults, rates, scaling }, changeFault) {
  // Several listeners are one part.
  const parts = new Map();
  for (const { part, text } of path) {
    if (part !== AUTOSCALING) parts.set(part, [...(parts.get(part) ?? []), ...text.split(", ")]);
  }
  // The first fact about the tasks is the number at the start, which autoscaling changes.
  if (scaling !== null && parts.has("tasks")) {
    parts.set("tasks", parts.get("tasks").with(0, `${scaling.desired} of at most ${scaling.max}`));
  }
  const names = [...parts.keys()];
  const partOf = (fault) => (parts.has(fault.part) ? fault.part : names[0]);
  const graph = byId("graph");
  graph.classList.toggle("active", (rates.published ?? 0) > 0);
  keep(
    graph,
    parts,
    ([name]) => name,
    ([name]) => createPart(name),
    (box, [name, facts]) => {
      keep(box.querySelector(".facts"), facts, String, (fact) => element("li", "", fact), setText);
      const own = faults.filter((fact) => partOf(fact) === name);
      const onStack = own.filter(({ takesTask }) => !takesTask);
      const active = activeFaults.filter(({ fault }) => onStack.some(({ id }) => id === fault));
      box.toggleAttribute("data-fault", active.length > 0);
      renderFaults(box.querySelector(":scope > .faults"), onStack, undefined, activeFaults, changeFault);
      if (name !== "tasks") return;
      const ofTask = own.filter(({ takesTask }) => takesTask);
      keep(
        box.querySelector(".tasks"),
        tasks,
        ({ id }) => id,
        ({ id }) => createTask(id),
        (card, task) => {
          updateTask(card, task, ofTask, activeFaults, changeFault);
        },
      );
    },
  );
}

function createPart(name) {
  const box = element("li", "part");
  if (name === "tasks") box.classList.add("wide");
  box.tabIndex = -1;
  box.append(element("h3", "", TITLES[name] ?? name), element("ul", "facts"));
  if (name === "tasks") box.append(element("ul", "tasks"));
  box.append(element("div", "faults"));
  return box;
}

function createTask(id) {
  const card = element("li", "task");
  const head = element("div", "task-head");
  head.append(element("h4", "", id), element("span", "pill"));
  card.append(head, element("p", "open"), element("p", "soft details"), element("div", "faults"));
  return card;
}

function updateTask(card, task, faults, activeFaults, changeFault) {
  const { id, health, open, requests, revision, pid } = task;
  const active = activeFaults.filter((fault) => fault.task === id);
  card.toggleAttribute("data-fault", active.length > 0);
  setPill(card.querySelector(".pill"), health, HEALTH_TONES[health]);
  setText(card.querySelector(".open"), `${open} open`);
  setText(
    card.querySelector(".details"),
    `${requests} requests, revision ${revision}${pid === undefined ? "" : `, pid ${pid}`}`,
  );
  // No fault can be applied to a task that is stopping, but an active one can be ended.
  const isActive = (fault) => active.some((other) => other.fault === fault.id);
  const shown = health === "stopping" ? faults.filter(isActive) : faults;
  renderFaults(card.querySelector(".faults"), shown, id, activeFaults, changeFault);
}

function renderFaults(parent, faults, task, activeFaults, changeFault) {
  keep(
    parent,
    faults,
    ({ id }) => id,
    ({ id, name, description }) => {
      const button = element("button", "", name);
      button.type = "button";
      button.title = description;
      if (task !== undefined) button.setAttribute("aria-label", `${name} ${task}`);
      button.addEventListener("click", () => {
        void changeFault(id, task, button.getAttribute("aria-pressed") === "true");
      });
      return button;
    },
    (button, { id }) => {
      const isActive = activeFaults.some((active) => active.fault === id && active.task === task);
      const pressed = String(isActive);
      if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
    },
  );
}

const charts = new WeakMap();

function renderScaling({ scaling, metrics }) {
  byId("scaling").hidden = scaling === null;
  if (scaling === null) return;
  const { desired, min, max, policies } = scaling;
  setText(byId("scaling-range"), `${desired} desired, ${min} to ${max} allowed`);
  keep(
    byId("policies"),
    policies,
    ({ name }) => name,
    () => {
      const item = element("li", "policy");
      const chart = createChart();
      charts.set(item, chart);
      const alarms = element("p", "alarms");
      alarms.append(alarm("Add tasks", "high"), alarm("Remove tasks", "low"));
      const value = element("p", "value");
      value.append(element("span", "current"), " ", element("span", "soft"));
      item.append(element("h3"), value, chart.svg, alarms);
      return item;
    },
    (item, { name, metric, value, target, high, low }) => {
      const unit = UNITS[metric] ?? "";
      const current = value === undefined ? "–" : `${decimal.format(value)}${unit}`;
      const values = metrics[name] ?? [];
      setText(item.querySelector("h3"), metric);
      setText(item.querySelector(".current"), current);
      setText(item.querySelector(".value .soft"), `target ${decimal.format(target)}${unit}`);
      drawChart(
        charts.get(item),
        values,
        target,
        `${metric} in the last ${values.length} minutes: now ${current}, target ${decimal.format(target)}${unit}`,
      );
      setPill(item.querySelector(".high"), ALARMS[high], high === "alarm" ? "warn" : "idle");
      // A stack without load is in this alarm all the time.
      setPill(item.querySelector(".low"), ALARMS[low], "idle");
    },
  );
}

function alarm(label, className) {
  const row = element("span", "alarm");
  row.append(element("span", "soft", label), element("span", `pill ${className}`));
  return row;
}

function renderDeployments({ deployments }) {
  keep(
    byId("deployments"),
    deployments.toReversed().slice(0, MAX_DEPLOYMENTS),
    ({ revision }) => revision,
    ({ revision }) => {
      const row = element("tr");
      const state = element("td");
      state.append(element("span", "pill"));
      const header = element("th", "", String(revision));
      header.scope = "row";
      row.append(header, state, element("td", "count"));
      return row;
    },
    (row, { state, healthy, running, desired }) => {
      const count = desired > 0 ? `${healthy} of ${desired} healthy` : `${running} running`;
      setPill(row.querySelector(".pill"), ...DEPLOYMENTS[state]);
      setText(row.querySelector(".count"), count);
    },
  );
}

function renderAddresses({ page, websocket }) {
  const addresses = byId("addresses");
  if (addresses.dataset.page === page) return;
  addresses.dataset.page = page;
  addresses.textContent = `Clients connect to ${websocket}`;
  if (page === undefined) return;
  const link = element("a", "", page);
  link.href = page;
  link.rel = "noreferrer";
  link.target = "_blank";
  addresses.append(". The console is at ", link);
}

export function addEvents(events) {
  if (events.length === 0) return;
  const log = byId("events");
  const isFollowing = log.scrollHeight - log.scrollTop - log.clientHeight < MAX_FOLLOW_PIXELS;
  for (const { number, timeMs, lines } of events) {
    // After an interruption, the stream starts with events that are shown already.
    if (number <= Number(log.lastElementChild?.dataset.number ?? 0)) continue;
    const item = element("li");
    item.dataset.number = number;
    const time = element("time", "soft", clock.format(timeMs));
    time.dateTime = new Date(timeMs).toISOString();
    item.append(
      time,
      element("span", "body", lines.map((line) => line.trim().replace(/ {2,}/, " ")).join("\n")),
    );
    log.append(item);
  }
  while (log.children.length > MAX_EVENTS) log.firstElementChild.remove();
  if (isFollowing) log.scrollTop = log.scrollHeight;
}
