// Search all categories: words in any order, the best match is taken by Enter. Labels go first; what
// only the definition says is found after them, with the definition beneath it.
"use strict";

(function () {
  function definitionOf(row) {
    const name = CSS.escape(row.dataset.choice);
    const shown = document.querySelector(`#answer [data-definition="${name}"] [data-definition-words]`);
    return shown ? shown.textContent : "";
  }

  const rankRow = (row, asked) => ranking.rank(row.dataset.label, row.dataset.choice, definitionOf(row), asked);

  // The definition with the words that were asked for in bold.
  function explain(row, asked) {
    const why = ranking.explain(definitionOf(row), asked);
    why.className = "choice__why";
    row.append(why);
  }

  function search(field) {
    const rows = [...document.querySelectorAll("#categories [data-choice]")];
    const asked = ranking.words(field.value);
    const fieldset = document.getElementById("categories");
    fieldset.classList.toggle("is-searching", asked.length > 0);
    let best = null;
    let bestRank = 0;
    for (const row of rows) {
      const found = asked.length ? rankRow(row, asked) : 1;
      row.hidden = !found;
      row.classList.remove("is-best");
      row.classList.toggle("is-by-definition", found === ranking.BY_DEFINITION);
      row.querySelector(".choice__why")?.remove();
      if (found === ranking.BY_DEFINITION) explain(row, asked);
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
