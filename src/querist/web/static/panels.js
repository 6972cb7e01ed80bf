import { COMMANDS } from "./keys.js";
import { byId, make } from "./say.js";

const REASONS = ["none", "several", "unreadable", "language", "other"];

/** The dialog that is open, if any; it has the keys. */
const openDialog = () => document.querySelector("dialog[open]");
export const dialogIsOpen = () => openDialog() !== null;

/** Escape closes at once: left to the browser, the next key could still fall into the dialog. */
export function closeByEscape(event) {
  if (event.key !== "Escape" || event.isComposing || !dialogIsOpen()) return;
  event.preventDefault();
  openDialog().close();
}

export function showHelp(say, { labels, searching, images, several }) {
  const rows = [];
  const row = (keys, words) => {
    const signs = keys.flatMap((key) => [make("kbd", {}, key), " "]);
    rows.push(make("dt", {}, ...signs), make("dd", {}, words));
  };
  if (searching) {
    row([say("key_typing")], say("help_search"));
    row(["↵"], say(several ? "help_toggle" : "help_first"));
    row(["↑", "↓"], say("help_move"));
  } else row(labels.map((label) => label.key).filter(Boolean), say(several ? "help_toggle" : "help_label"));
  if (several) row(["↵"], say("help_submit"));
  const taken = new Set(labels.map((label) => label.key));
  for (const [command, key] of Object.entries(COMMANDS)) {
    const keys = [searching || taken.has(key) ? `Alt ${key.toUpperCase()}` : key];
    if (command === "undo") keys.push("⌫");
    row(keys, say(`help_${command}`));
  }
  if (images) {
    row(["+", "−", "0"], say("help_zoom"));
    row(["←", "→", "↑", "↓"], say("help_pan"));
  }
  if (!searching) row(["?"], say("help_help"));
  byId("help-keys").replaceChildren(...rows);
  byId("help-box").showModal();
}

/** Asks why an item is skipped; `answer(reason)` is called unless the person thinks better of it. */
export function askReason(say, answer) {
  const box = byId("skip-box");
  const choose = (reason) => {
    box.close();
    answer(reason);
  };
  const buttons = REASONS.map((reason, at) => {
    const key = make("kbd", { "aria-hidden": "true" }, String(at + 1));
    const button = make("button", { type: "button", "aria-keyshortcuts": at + 1 }, key, say(`skip_${reason}`));
    button.addEventListener("click", () => choose(reason));
    return button;
  });
  byId("skip-reasons").replaceChildren(...buttons);
  box.onkeydown = (event) => {
    const reason = REASONS[Number(event.key) - 1];
    // Once closed, it can have the focus until the next frame.
    if (reason && box.open && !event.repeat) {
      event.preventDefault();
      choose(reason);
    }
  };
  box.showModal();
}

/** Lets a note be written; `done(text)` is called when it is saved. Enter saves, Shift+Enter breaks the line. */
export function writeNote(text, done) {
  const box = byId("note-box");
  const field = byId("note-text");
  field.value = text;
  field.onkeydown = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      box.close("save");
    }
  };
  box.returnValue = "";
  box.onclose = () => box.returnValue === "save" && done(field.value.trim());
  box.showModal();
  field.focus();
}

/** The answers that the server refused, each to be sent again or discarded. */
export function showRefused(say, outbox, words = (label) => label) {
  const list = byId("refused-list");
  const draw = () => {
    const rows = outbox.refused.map(({ annotation, refused }) => {
      const act = (words, does) => {
        const button = make("button", { type: "button" }, say(words));
        button.addEventListener("click", () => {
          does(annotation.id);
          draw();
        });
        return button;
      };
      const said = annotation.label === null ? say("skipped") : words(annotation.label);
      const what = annotation.undo ? say("undo") : said;
      const about = make("p", {}, make("bdi", {}, annotation.item), " · ", make("bdi", {}, what), make("br"), refused);
      const retry = act("refused_retry", (id) => outbox.retry(id));
      return make("li", {}, about, retry, act("refused_discard", (id) => outbox.discard(id)));
    });
    list.replaceChildren(...rows);
    if (!rows.length) byId("refused-box").close();
  };
  byId("refused-box").showModal();
  draw();
}
