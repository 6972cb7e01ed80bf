/** 32 hex digits, also where the page is not a secure context and crypto.randomUUID does not exist. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The name of this tab: kept across a reload, new in a duplicated tab, which gets a copy of our sessionStorage. */
export function tabId(storage = sessionStorage) {
  const open = storage.getItem("querist/tab-open");
  const known = open ? null : storage.getItem("querist/tab");
  const tab = known ?? newId();
  storage.setItem("querist/tab", tab);
  storage.setItem("querist/tab-open", "1");
  addEventListener("pagehide", () => storage.removeItem("querist/tab-open"));
  return tab;
}
