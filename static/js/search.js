// Search all categories: words in any order, the best match is taken by Enter.
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

  function search(field) {
    const rows = [...document.querySelectorAll("#categories [data-choice]")];
    const asked = plain(field.value.trim()).split(/\s+/).filter(Boolean);
    const fieldset = document.getElementById("categories");
    fieldset.classList.toggle("is-searching", asked.length > 0);
    let best = null;
    let bestRank = 0;
    for (const row of rows) {
      const found = asked.length ? rank(plain(row.dataset.label), plain(row.dataset.choice), asked) : 1;
      row.hidden = !found;
      row.classList.remove("is-best");
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
      if (!box.checked || box.type === "checkbox") box.click();
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
