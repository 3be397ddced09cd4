// "Another category" in a row of the flagged batch: what answers to the words that were typed stands
// under the field, the best first, found as on the screen for one item. Without this script the
// browser's own list offers the names.
"use strict";

const another = (function () {
  const SHOWN = 8;
  const LIST = "found-categories";
  const field = () => document.querySelector(".pick-other input[aria-expanded=true]");
  const list = () => document.getElementById(LIST);
  const options = () => [...list().querySelectorAll("[role=option]")];
  const known = () => [...document.getElementById("every-category").options];

  // Each with its rank, the best first; in the order of the taxonomy among equals.
  function find(typed) {
    const asked = ranking.words(typed);
    if (!asked.length) return [];
    return known()
      .map((each) => [ranking.rank(each.value, each.dataset.name, each.dataset.definition, asked), each])
      .filter(([found]) => found)
      .sort(([one], [other]) => other - one);
  }

  function drawOption([found, each], number, asked) {
    const option = document.createElement("li");
    option.id = `${LIST}-${number}`;
    option.className = "found__option";
    option.dataset.value = each.value;
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", String(number === 0));
    const name = document.createElement("span");
    name.className = "found__name";
    name.textContent = each.value;
    option.append(name);
    if (found === ranking.BY_DEFINITION) {
      const why = ranking.explain(each.dataset.definition, asked);
      why.className = "found__why";
      option.append(why);
    }
    return option;
  }

  function close() {
    const of = field();
    if (!of) return;
    list().remove();
    of.setAttribute("aria-expanded", "false");
    of.removeAttribute("aria-controls");
    of.removeAttribute("aria-activedescendant");
  }

  function open(of) {
    close();
    const found = find(of.value).slice(0, SHOWN);
    if (!found.length) return;
    const made = document.createElement("ul");
    made.id = LIST;
    made.className = "found";
    made.setAttribute("role", "listbox");
    made.setAttribute("aria-label", of.placeholder);
    const asked = ranking.words(of.value);
    made.append(...found.map((each, number) => drawOption(each, number, asked)));
    of.parentElement.append(made);
    of.setAttribute("aria-expanded", "true");
    of.setAttribute("aria-controls", LIST);
    of.setAttribute("aria-activedescendant", `${LIST}-0`);
    made.scrollIntoView({ block: "nearest" });
  }

  function move(step) {
    const all = options();
    const at = all.findIndex((each) => each.getAttribute("aria-selected") === "true");
    const next = all[(at + step + all.length) % all.length];
    for (const each of all) each.setAttribute("aria-selected", String(each === next));
    field().setAttribute("aria-activedescendant", next.id);
    next.scrollIntoView({ block: "nearest" });
  }

  function take(of, option) {
    of.value = option.dataset.value;
    close();
    of.dispatchEvent(new Event("change", { bubbles: true }));
  }

  // Before the table's own keys, which take Enter as the word that stands there.
  document.addEventListener("keydown", (event) => {
    const of = field();
    if (!of || event.target !== of || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      move(event.key === "ArrowDown" ? 1 : -1);
    } else if (event.key === "Enter") {
      of.value = options().find((each) => each.getAttribute("aria-selected") === "true").dataset.value;
      close();
    } else if (event.key === "Escape" || event.key === "Tab") {
      close();
    }
  }, true);

  document.addEventListener("focusin", (event) => {
    if (!event.target.matches(".pick-other input")) return;
    event.target.removeAttribute("list");
    event.target.setAttribute("role", "combobox");
    event.target.setAttribute("aria-autocomplete", "list");
    event.target.setAttribute("aria-expanded", "false");
  });
  document.addEventListener("focusout", (event) => { if (event.target === field()) close(); });
  document.addEventListener("input", (event) => { if (event.target.matches(".pick-other input")) open(event.target); });
  // Pressing an option leaves the focus where it is; else the list would be gone before the click.
  document.addEventListener("mousedown", (event) => { if (event.target.closest(".found")) event.preventDefault(); });
  document.addEventListener("click", (event) => {
    const option = event.target.closest(".found__option");
    if (option) take(field(), option);
  });

  // What is meant by words that were typed and left: the best that answers to them, "" without one.
  function best(typed) {
    const [first] = find(typed);
    return first ? first[1].value : "";
  }

  return { best };
})();
