// How well a category answers to words that were typed: in any order, its name before its definition.
"use strict";

const ranking = (function () {
  const BY_DEFINITION = 0.5; // less than any name
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const words = (typed) => plain(typed.trim()).split(/\s+/).filter(Boolean);

  function rankName(label, key, asked) {
    const all = `${label} ${key.replace(/[_\-./]/g, " ")}`;
    if (!asked.every((word) => all.includes(word))) return 0;
    if (label === asked.join(" ")) return 5;
    if (label.startsWith(asked.join(" "))) return 4;
    const begins = asked.every((word) => all.split(" ").some((part) => part.startsWith(word)));
    if (begins) return label.startsWith(asked[0]) ? 3 : 2;
    return 1;
  }

  // 0 where it does not answer at all.
  function rank(name, key, definition, asked) {
    const label = plain(name);
    const found = rankName(label, plain(key), asked);
    if (found) return found;
    const all = `${label} ${plain(definition)}`;
    return asked.every((word) => all.includes(word)) ? BY_DEFINITION : 0;
  }

  // A definition with the words that were asked for in bold.
  function explain(definition, asked) {
    const why = document.createElement("span");
    let rest = definition;
    while (rest) {
      const flat = plain(rest);
      const hits = asked.map((word) => [flat.indexOf(word), word.length]).filter(([at]) => at >= 0);
      // Letters that take apart into several would put the bold in the wrong place.
      if (!hits.length || flat.length !== rest.length) break;
      const [at, length] = hits.sort((one, other) => one[0] - other[0])[0];
      const bold = document.createElement("b");
      bold.textContent = rest.slice(at, at + length);
      why.append(rest.slice(0, at), bold);
      rest = rest.slice(at + length);
    }
    why.append(rest);
    return why;
  }

  return { BY_DEFINITION, words, rank, explain };
})();
