// Search all categories: words in any order, the best match is taken by Enter. Labels go first; what
// only the definition says is found after them, with the definition beneath it.
"use strict";

(function () {
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  function rank(label, key, asked) {
    const words = `${label} ${key.replace(/[_\-./]/g, " ")}`;
    if (!asked.every((word) => words.includes(word))) return 0;
    if (label.startsWith(asked.join(" "))) return 4;
    const begins = asked.every((word) => words.split(" ").some((part) => part.startsWith(word)));
    if (begins) return label.startsWith(asked[0]) ? 3 : 2;
    return 1;
  }

  const BY_DEFINITION = 0.5; // less than any label

  function definitionOf(row) {
    const name = CSS.escape(row.dataset.choice);
    const shown = document.querySelector(`#answer [data-definition="${name}"] [data-definition-words]`);
    return shown ? shown.textContent : "";
  }

  function rankRow(row, asked) {
    const label = plain(row.dataset.label);
    const found = rank(label, plain(row.dataset.choice), asked);
    if (found) return found;
    const words = `${label} ${plain(definitionOf(row))}`;
    return asked.every((word) => words.includes(word)) ? BY_DEFINITION : 0;
  }

  // The definition with the words that were asked for in bold.
  function explain(row, asked) {
    const text = definitionOf(row);
    const why = document.createElement("span");
    why.className = "choice__why";
    let rest = text;
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
    row.append(why);
  }

  function search(field) {
    const rows = [...document.querySelectorAll("#categories [data-choice]")];
    const asked = plain(field.value.trim()).split(/\s+/).filter(Boolean);
    const fieldset = document.getElementById("categories");
    fieldset.classList.toggle("is-searching", asked.length > 0);
    let best = null;
    let bestRank = 0;
    for (const row of rows) {
      const found = asked.length ? rankRow(row, asked) : 1;
      row.hidden = !found;
      row.classList.remove("is-best");
      row.classList.toggle("is-by-definition", found === BY_DEFINITION);
      row.querySelector(".choice__why")?.remove();
      if (found === BY_DEFINITION) explain(row, asked);
      if (asked.length && found > bestRank) [best, bestRank] = [row, found];
    }
    if (best) best.classList.add("is-best");
    document.querySelector("[data-search-none]").hidden = !asked.length || Boolean(best);
    return best;
  }

  function clear(field) {
    field.value = "";
    search(field);
  }

  document.addEventListener("input", (event) => {
    if (event.target.matches("[data-search]")) search(event.target);
  });

  document.addEventListener("keydown", (event) => {
    if (!event.target.matches?.("[data-search]")) return;
    const plainEnter = event.key === "Enter" && !event.ctrlKey && !event.metaKey;
    if (plainEnter) {
      event.preventDefault();
      const best = search(event.target);
      if (!best) return;
      const box = best.querySelector("input");
      clear(event.target);
      if (!box.checked || (box.type === "checkbox" && !("carried" in box.dataset))) box.click();
      delete box.dataset.carried;
      // Focus stays with the answer, so that the next Enter sends it.
      if (box.type === "checkbox") event.target.focus();
      else box.focus();
      best.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Escape") {
      event.preventDefault();
      clear(event.target);
      event.target.blur();
    }
  });

  document.addEventListener("change", (event) => {
    const field = document.querySelector("[data-search]");
    if (event.target.name === "categories" && field && field.value) clear(field);
  });
})();
