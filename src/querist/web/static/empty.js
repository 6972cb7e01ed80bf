/** Why there is nothing to label, as [title, what is going on]; `waiting` is what the server said with no items. */
export function whyEmpty(say, { state, waiting, startsItself }) {
  if (state === "loading") return [say("loading"), ""];
  if (state !== "empty" || !waiting) return [say("empty"), say("nothing_held")];
  if (waiting.state === "over") return [say("empty_over"), say(`over_${waiting.over}`)];
  return [say("empty"), `${goingOn(say, waiting, startsItself)} ${say("empty_more")}`.trim()];
}

function goingOn(say, waiting, startsItself) {
  if (waiting.in_other_tabs) return say("empty_tabs", { n: waiting.in_other_tabs });
  if (waiting.with_others) return say(startsItself ? "empty_others" : "empty_others_lead", { n: waiting.with_others });
  switch (waiting.state) {
    case "training":
      return say("empty_training", { time: span(say, waiting.seconds), step: say(`step_${waiting.step}`) });
    case "complete":
      return say(startsItself ? "empty_soon" : "empty_complete");
    case "failed":
      return say("empty_failed");
    default:
      return "";
  }
}

function span(say, seconds) {
  return seconds < 60 ? say("seconds", { n: Math.round(seconds) }) : say("minutes", { n: Math.round(seconds / 60) });
}
