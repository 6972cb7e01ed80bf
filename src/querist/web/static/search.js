const LETTERS = 3;
const NONE = 4;
const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

/**
 * Numbers of the names that match what was typed, best first: those that begin with it, then those in which words do,
 * then those that hold it anywhere; only without any of these, those with its letters in order. Nothing typed: all.
 */
export function find(names, typed) {
  const query = plain(typed.trim());
  if (!query) return names.map((_, number) => number);
  const words = query.split(/[\s_./-]+/).filter(Boolean);
  const ranked = names.map((name, number) => [rank(plain(name), query, words), number]);
  const worst = ranked.some(([place]) => place < LETTERS) ? LETTERS : NONE;
  return ranked
    .filter(([place]) => place < worst)
    .sort((a, b) => a[0] - b[0] || a[1] - b[1])
    .map(([, number]) => number);
}

function rank(name, query, words) {
  if (name.startsWith(query)) return 0;
  const parts = name.split(/[\s_./-]+/);
  if (words.length && words.every((word) => parts.some((part) => part.startsWith(word)))) return 1;
  if (words.length && words.every((word) => name.includes(word))) return 2;
  let at = 0;
  for (const letter of name) if (letter === query[at]) at += 1;
  return at === query.length ? LETTERS : NONE;
}
