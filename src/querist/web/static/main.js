import { Api } from "./api.js";
import { whyEmpty } from "./empty.js";
import { History } from "./history.js";
import { newId, tabId } from "./ids.js";
import { ItemView } from "./item.js";
import { COMMANDS, meaning } from "./keys.js";
import { LabelBar } from "./labels.js";
import { Outbox } from "./outbox.js";
import { askReason, closeByEscape, dialogIsOpen, showHelp, showRefused, writeNote } from "./panels.js";
import { byId, make, speaker } from "./say.js";
import { Sets, askNone } from "./sets.js";
import { StatusView } from "./status.js";
import { Swipe } from "./swipe.js";
import { Tasks } from "./tasks.js";
import { Stopwatch } from "./timing.js";

const setup = JSON.parse(byId("setup").textContent);
const say = speaker(setup.texts);
const { place, person, language, shown } = setup;
const tab = tabId();
const api = new Api({ person, csrf: document.querySelector('meta[name="csrf"]').content });
const outbox = new Outbox({ api, tab, place, person });
const history = new History({ place, person });
const tasks = new Tasks({ api, tab, leaseMinutes: setup.lease_minutes, underway: () => outbox.items });
const stopwatch = new Stopwatch(setup.idle_seconds);
const sets = setup.several && new Sets(setup.several, say);
const wordsOf = (label) => (sets ? sets.words(label) : label);
const itemView = new ItemView({ say, language, shown, sets });
const labelBar = new LabelBar({ labels: setup.labels, say, several: sets });
const swipe = new Swipe({ labels: setup.swipe, say });
const status = new StatusView(say);
let draft = { flag: false, note: "" };

function showCurrent(kept = { flag: false, note: "" }) {
  draft = kept;
  showDraft();
  labelBar.reset();
  if (sets) labelBar.choose(kept.chosen ?? []);
  const task = tasks.current;
  if (!task) {
    const { state, waiting } = tasks;
    itemView.showEmpty(...whyEmpty(say, { state, waiting, startsItself: setup.starts_itself }));
    stopwatch.hide();
    return;
  }
  itemView.show(task, (one) => tasks.picture(one));
  requestAnimationFrame(() => stopwatch.start());
}

function showDraft() {
  const flag = document.querySelector('[data-command="flag"]');
  flag.setAttribute("aria-pressed", String(draft.flag));
  flag.lastChild.textContent = say(draft.flag ? "flagged" : "flag");
  const note = document.querySelector('[data-command="note"]');
  note.classList.toggle("used", Boolean(draft.note));
  note.lastChild.textContent = say(draft.note ? "noted" : "note");
}

function showLast() {
  const act = history.last;
  byId("undo").disabled = !act;
  byId("last").replaceChildren();
  if (!act) return;
  const skipped = say(act.reason === "unsure" ? "unsure_given" : "skipped");
  const words = act.label === null ? skipped : wordsOf(act.label);
  byId("last").append(make("span", {}, say("last"), ": ", make("strong", {}, make("bdi", {}, words))));
  const favourite = shown === "after" && act.label !== null ? itemView.favourite(act.task) : null;
  if (!favourite) return;
  const agrees = favourite.label === act.label;
  favourite.label = wordsOf(favourite.label);
  byId("last").append(
    make("span", { class: "model-says" }, agrees ? "= " : "≠ ", say(agrees ? "agrees" : "differs", favourite)),
    itemView.why(act.task) ?? "",
  );
}

let reached = true;

/** Answers and items go over the same line: when one gets through, the other tries at once. */
function showStatus() {
  const trouble = [outbox.state, tasks.state].find((state) => ["offline", "signed-out"].includes(state));
  status.show({ waiting: outbox.waiting.length, refused: outbox.refused.length, state: trouble ?? "online" });
  if (outbox.state === "online" && !reached) tasks.hurry();
  reached = outbox.state === "online";
}

/** The answer is in the outbox before the next item shows. */
function answer(label, reason = null) {
  const task = tasks.current;
  if (!task || dialogIsOpen()) return;
  const id = newId();
  const details = { made_at: new Date().toISOString() };
  if (reason) details.reason = reason;
  if (draft.flag) details.flag = true;
  const annotation = { id, item: task.item, label, seconds: stopwatch.seconds(), note: draft.note, details };
  if (!keep(annotation)) return;
  history.push({ id, task, label, reason, draft: { ...draft, chosen: labelBar.chosen } });
  status.count(1);
  tasks.next();
  showCurrent();
  showLast();
}

/** Of several labels: sends what is chosen, and asks first where that is nothing. */
function submit() {
  if (!tasks.current || dialogIsOpen()) return;
  const { chosen } = labelBar;
  if (chosen.length) answer(sets.join(chosen));
  else askNone(() => answer(sets.join([])));
}

function keep(annotation) {
  status.calm();
  try {
    outbox.add(annotation);
    return true;
  } catch {
    status.alarm(say("full"));
    return false;
  }
}

function undo() {
  const act = history.last;
  if (!act) return;
  const { id, task } = act;
  if (outbox.refused.some(({ annotation }) => annotation.id === id)) outbox.discard(id);
  else if (!keep({ id: newId(), item: task.item, label: null, undo: true, supersedes: id })) return;
  history.pop();
  status.count(-1);
  tasks.putBack(task);
  showCurrent(act.draft);
  showLast();
}

const commands = {
  undo,
  submit,
  skip: () => tasks.current && askReason(say, (reason) => answer(null, reason)),
  unsure: () => answer(null, "unsure"),
  flag: () => {
    draft = { ...draft, flag: !draft.flag };
    showDraft();
  },
  note: () =>
    tasks.current &&
    writeNote(draft.note, (note) => {
      draft = { ...draft, note };
      showDraft();
    }),
  help: () => {
    const { searching } = labelBar;
    showHelp(say, { labels: setup.labels, searching, images: Boolean(itemView.picture), several: Boolean(sets) });
  },
  first: () => labelBar.takeMarked(),
  markNext: () => labelBar.move(1),
  markPrevious: () => labelBar.move(-1),
  zoomIn: () => itemView.picture?.zoomIn(),
  zoomOut: () => itemView.picture?.zoomOut(),
  zoomFit: () => itemView.picture?.fit(),
  panLeft: () => itemView.picture?.pan(-1, 0),
  panRight: () => itemView.picture?.pan(1, 0),
  panUp: () => itemView.picture?.pan(0, -1),
  panDown: () => itemView.picture?.pan(0, 1),
};
const REPEATABLE = new Set(["zoomIn", "zoomOut", "panLeft", "panRight", "panUp", "panDown", "markNext", "markPrevious"]);

function onKey(event) {
  if (event.defaultPrevented || dialogIsOpen()) return; // a dialog had the key
  const button = event.target.closest?.("button, a, summary");
  const onButton = button?.getClientRects().length > 0; // that of a closed dialog keeps the focus until the next frame
  const { searching, queryEmpty, marks } = labelBar;
  const meant = meaning(event, { labels: setup.labels, searching, queryEmpty, several: Boolean(sets), marks });
  const plain = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (!meant) {
    if (searching && plain && event.key !== " ") byId("query").focus(); // the letter then lands in the search
    return;
  }
  const toggles = sets && onButton && button.classList.contains("label"); // the space bar presses those
  if (onButton && !toggles && event.key === "Enter") return; // presses the button
  if (/^pan/.test(meant.command) && !itemView.picture) return; // scrolls the page
  event.preventDefault();
  if (event.repeat && !REPEATABLE.has(meant.command)) return; // a key held down is one decision
  if ("label" in meant) labelBar.take(meant.label);
  else commands[meant.command]();
}

function nameKeys() {
  const taken = new Set(setup.labels.map((label) => label.key));
  for (const button of document.querySelectorAll("[data-command]")) {
    const key = COMMANDS[button.dataset.command];
    if (!key) continue;
    const byAlt = labelBar.searching || taken.has(key);
    button.setAttribute("aria-keyshortcuts", byAlt ? `Alt+${key}` : key);
    button.prepend(make("kbd", { "aria-hidden": "true" }, byAlt ? `Alt ${key.toUpperCase()}` : key));
  }
}

function listen() {
  document.addEventListener("keydown", closeByEscape);
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", (event) => {
    const command = event.target.closest?.("[data-command]")?.dataset.command;
    if (command) commands[command]();
    if (event.detail && !dialogIsOpen()) labelBar.focus();
  });
  for (const kind of ["keydown", "pointerdown", "pointermove", "wheel", "scroll"]) {
    document.addEventListener(
      kind,
      () => {
        stopwatch.touch();
        tasks.touch();
      },
      { capture: true, passive: true },
    );
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return stopwatch.hide();
    if (tasks.current) stopwatch.show();
    tasks.hurry();
  });
  addEventListener("pagehide", () => {
    outbox.leave();
    tasks.leave();
  });
  addEventListener("pageshow", (event) => event.persisted && location.reload()); // its leases were given back
  byId("help").addEventListener("click", commands.help);
  byId("banner-button").addEventListener("click", () => showRefused(say, outbox, wordsOf));
  byId("sign-out").addEventListener("click", async () => {
    await tasks.release().catch(() => {});
    history.clear(); // who comes next in this tab reads no item in it
    await api.post("/sign-out", {}).catch(() => {}); // it answers with a redirect, which is not followed
    location.assign("/sign-in");
  });
}

labelBar.onpick = (label) => answer(label);
swipe.onswipe = (label) => answer(label);
outbox.onchange = showStatus;
outbox.onrefused = ({ item }) => tasks.reopen(item);
tasks.onprogress = (progress) => {
  if (outbox.state !== "online") outbox.hurry();
  status.setProgress(progress, outbox.items.size);
};
tasks.onchange = (isNew) => {
  if (isNew || !tasks.current) showCurrent();
  showStatus();
};
nameKeys();
listen();
outbox.start();
tasks.hurry();
showStatus();
showLast();
labelBar.focus();
