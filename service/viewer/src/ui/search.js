// Search by words.

/** @param {string} text */
const plain = (text) =>
  text
    .normalize("NFD")
    .replace(/\p{Mark}/gu, "")
    .toLowerCase()
    .replace(/_/g, " ");

/** Whether a text has all words, in any order; parts of words count. @param {string} text @param {string} words */
export function matchesAll(text, words) {
  const searched = plain(text);
  return plain(words)
    .split(/\s+/)
    .every((word) => searched.includes(word));
}
