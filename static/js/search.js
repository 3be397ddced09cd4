// Search all categories: words in any order, Enter takes the best match, the arrows go to the others.
// Labels go first; what only the definition says is found after them, with the definition beneath it.
"use strict";

(function () {
  const TELL_AFTER_MS = 300;
  let tellTimer = 0;

  const rows = () => [...document.querySelectorAll("#categories [data-choice]")];
  const marked = () => document.querySelector("#categories .is-best");
  const isLate = (row) => row.classList.contains("is-by-definition");

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

  // What answers to the words, in the order in which it stands on the screen.
  function found() {
    const shown = rows().filter((row) => !row.hidden);
    return [...shown.filter((row) => !isLate(row)), ...shown.filter(isLate)];
  }

  function search(field) {
    const asked = ranking.words(field.value);
    const fieldset = document.getElementById("categories");
    fieldset.classList.toggle("is-searching", asked.length > 0);
    let best = null;
    let bestRank = 0;
    for (const row of rows()) {
      const rank = asked.length ? rankRow(row, asked) : 1;
      row.hidden = !rank;
      row.classList.remove("is-best");
      row.classList.toggle("is-by-definition", rank === ranking.BY_DEFINITION);
      row.querySelector(".choice__why")?.remove();
      if (rank === ranking.BY_DEFINITION) explain(row, asked);
      if (asked.length && rank > bestRank) [best, bestRank] = [row, rank];
    }
    if (best) best.classList.add("is-best");
    document.querySelector("[data-search-none]").hidden = !asked.length || Boolean(best);
  }

  function clear(field) {
    window.clearTimeout(tellTimer);
    field.value = "";
    search(field);
  }

  // The one voice tells what the eye sees: how many answer to the words, and which Enter would take.
  function tell(said, { n = 0, at = 0, name = "" } = {}) {
    const values = { n, at, name };
    document.getElementById("live").textContent = said.replace(/\{(\w+)\}/g, (_hole, key) => values[key]);
  }

  function tellFound(field) {
    if (!field.value.trim()) return;
    const best = marked();
    if (!best) {
      tell(document.querySelector("[data-search-none]").textContent);
      return;
    }
    const n = found().length;
    tell(n === 1 ? field.dataset.foundOne : field.dataset.foundMany, { n, name: best.dataset.label });
  }

  function move(field, step) {
    const all = found();
    const best = marked();
    const at = (all.indexOf(best) + step + all.length) % all.length;
    const next = all[at];
    best.classList.remove("is-best");
    next.classList.add("is-best");
    next.scrollIntoView({ block: "nearest" });
    window.clearTimeout(tellTimer);
    tell(field.dataset.foundAt, { n: all.length, at: at + 1, name: next.dataset.label });
  }

  document.addEventListener("input", (event) => {
    const field = event.target;
    if (!field.matches("[data-search]")) return;
    search(field);
    window.clearTimeout(tellTimer);
    tellTimer = window.setTimeout(tellFound, TELL_AFTER_MS, field);
  });

  document.addEventListener("keydown", (event) => {
    if (!event.target.matches?.("[data-search]") || event.isComposing) return;
    const plainEnter = event.key === "Enter" && !event.ctrlKey && !event.metaKey;
    if (plainEnter) {
      event.preventDefault();
      const best = marked();
      if (!best) return;
      const box = best.querySelector("input");
      clear(event.target);
      if (!box.checked || (box.type === "checkbox" && !("carried" in box.dataset))) box.click();
      delete box.dataset.carried;
      // Focus stays with the answer, so that the next Enter sends it.
      if (box.type === "checkbox") event.target.focus();
      else box.focus();
      best.scrollIntoView({ block: "nearest" });
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && marked()) {
      event.preventDefault();
      move(event.target, event.key === "ArrowDown" ? 1 : -1);
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
