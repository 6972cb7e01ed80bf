const EVERY_MS = 30_000;

/** Makes `was` equal to `now` and keeps what is the same, so that focus, selection and scroll stay where they are. */
function merge(was, now) {
  if (was.isEqualNode(now)) return;
  if (was.nodeType !== Node.ELEMENT_NODE || was.nodeName !== now.nodeName) return was.replaceWith(now);
  for (const { name } of [...was.attributes]) if (!now.hasAttribute(name)) was.removeAttribute(name);
  for (const { name, value } of now.attributes) if (was.getAttribute(name) !== value) was.setAttribute(name, value);
  const [have, want] = [[...was.childNodes], [...now.childNodes]];
  want.forEach((node, at) => (have[at] ? merge(have[at], node) : was.append(node)));
  for (const node of have.slice(want.length)) node.remove();
}

async function refresh() {
  const content = document.getElementById("content");
  // Nothing moves under the hand of somebody about to decide.
  const inUse = () => document.hidden || content.querySelector("form:hover, form:focus-within");
  if (inUse()) return;
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(15_000) });
    if (!response.ok || response.redirected) return; // signed out: what is shown stays until the page is loaded again
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (!inUse()) merge(content, page.getElementById("content"));
  } catch {
    // The server may be back in half a minute.
  }
}

setInterval(refresh, EVERY_MS);
document.addEventListener("visibilitychange", refresh);
