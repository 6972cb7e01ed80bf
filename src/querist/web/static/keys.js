/** What each command is called by, without a modifier and, as the letter, with Alt. */
export const COMMANDS = { undo: "u", skip: "s", unsure: "d", flag: "f", note: "n" };

const OTHERS = { Backspace: "undo", "?": "help", "+": "zoomIn", "=": "zoomIn", "-": "zoomOut", 0: "zoomFit" };
const ARROWS = { ArrowLeft: "panLeft", ArrowRight: "panRight", ArrowUp: "panUp", ArrowDown: "panDown" };

/** The letter or digit printed on the key where the keyboard's own script has another there. */
function latin(code) {
  return /^(?:Key|Digit)(.)$/.exec(code)?.[1].toLowerCase();
}

/**
 * What a key means: {label} (its number), {command}, or null. Labels come before commands, so that a project may give
 * "u" to a label; Alt+U still undoes. While labels are searched, letters belong to the search.
 */
export function meaning(event, { labels, searching, queryEmpty, several = false, marks = false }) {
  if (event.ctrlKey || event.metaKey || event.isComposing) return null;
  if (event.altKey) {
    const command = Object.keys(COMMANDS).find((name) => COMMANDS[name] === latin(event.code));
    return command ? { command } : null;
  }
  if (several && event.key === "Enter" && !(searching && marks)) return { command: "submit" };
  if (searching) {
    if (event.key === "Backspace" && queryEmpty) return { command: "undo" };
    return { Enter: { command: "first" }, ArrowDown: { command: "markNext" }, ArrowUp: { command: "markPrevious" } }[
      event.key
    ] ?? null;
  }
  for (const key of [event.key, event.key.toLowerCase(), latin(event.code)]) {
    if (key === undefined) continue;
    const label = labels.findIndex((one) => one.key === key);
    if (label >= 0) return { label };
    const command = Object.keys(COMMANDS).find((name) => COMMANDS[name] === key) ?? OTHERS[key] ?? ARROWS[key];
    if (command) return { command };
  }
  return null;
}
