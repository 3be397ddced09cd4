// The answer form: which category is chosen, what the main button will send, the two longer
// answers (no category fits, ambiguous), taking over one of two answers that an adjudicator weighs,
// definitions at hand, the picture's size.
"use strict";

(function () {
  const form = () => document.getElementById("answer");
  const boxes = (of) => [...of.querySelectorAll("input[name=categories]")];
  const fill = (words, name) => words.replace("{name}", name);

  const offered = (of) => of.querySelector("button[data-primary]")?.dataset.predicted;

  // Of several answers none is ticked that nobody asked for: the machine's goes, unless it was
  // pressed, and comes back where the mode is left with nothing ticked. What the reviewer chose
  // before is carried over, and its key means it once more instead of taking it away.
  function setMode(of, mode, { focus = true } = {}) {
    const several = mode === "ambiguous";
    const back = mode === "category" && of.dataset.mode !== mode;
    of.dataset.mode = mode;
    const chosen = boxes(of).find((box) => box.checked) || (back && boxes(of).find((box) => box.value === offered(of)));
    for (const box of boxes(of)) {
      const meant = "pressed" in box.dataset || box.value !== offered(of);
      box.type = several ? "checkbox" : "radio";
      box.checked = box === chosen && (meant || !several);
      if (several && box.checked) box.dataset.carried = "";
      else delete box.dataset.carried;
    }
    for (const panel of of.querySelectorAll("[data-mode-panel]")) panel.hidden = panel.dataset.modePanel !== mode;
    for (const button of of.querySelectorAll("[data-mode-button]")) {
      button.setAttribute("aria-pressed", String(button.value === mode));
    }
    refresh(of);
    if (mode === "no_category_fits" && focus) of.querySelector("#proposed-name").focus();
    const asked = of.querySelector(`[data-mode-panel="${mode}"]`);
    if (asked && focus) asked.scrollIntoView({ block: "nearest" });
  }

  function words(primary, mode, chosen, named) {
    const said = primary.dataset;
    if (mode === "no_category_fits") return [named ? fill(said.noneNamed, named) : said.noneFits, true];
    if (mode === "ambiguous") {
      if (chosen.length < 2) return [said.ambiguousFew, false];
      return [fill(said.ambiguous, String(chosen.length)), true];
    }
    if (!chosen.length) return [said.nothing, false];
    const label = chosen[0].closest("[data-choice]").dataset.label;
    return [fill(chosen[0].value === said.predicted ? said.confirm : said.choose, label), true];
  }

  function refresh(of) {
    const primary = of.querySelector("button[data-primary]");
    const chosen = boxes(of).filter((box) => box.checked);
    if (primary) {
      const mode = of.dataset.mode;
      const [text, ready] = words(primary, mode, chosen, of.querySelector("#proposed-name").value.trim());
      primary.value = mode;
      primary.querySelector("[data-primary-words]").textContent = text;
      primary.setAttribute("aria-disabled", String(!ready));
      primary.title = ready ? "" : text;
    }
    const keys = new Set(chosen.map((box) => box.value));
    for (const button of of.querySelectorAll("[data-take]")) {
      button.setAttribute("aria-pressed", String(isTaken(of, button, keys)));
    }
    for (const definition of of.querySelectorAll("[data-definition]")) {
      definition.hidden = keys.size > 0 && !keys.has(definition.dataset.definition);
    }
  }

  function take(of, button) {
    const wanted = button.dataset.takeCategories.split(" ");
    of.querySelector("#proposed-name").value = button.dataset.takeName;
    // Without the focus in its field the name is taken as it is, and the keys stay awake.
    setMode(of, button.dataset.take, { focus: false });
    for (const box of boxes(of)) {
      box.checked = wanted.includes(box.value);
      delete box.dataset.carried;
    }
    button.dispatchEvent(new CustomEvent("review:take", { bubbles: true }));
    refresh(of);
  }

  function isTaken(of, button, chosen) {
    const wanted = button.dataset.takeCategories.split(" ").filter(Boolean);
    const named = of.querySelector("#proposed-name").value.trim();
    if (button.dataset.take !== of.dataset.mode) return false;
    if (of.dataset.mode === "no_category_fits") return named === button.dataset.takeName;
    return wanted.length === chosen.size && wanted.every((key) => chosen.has(key));
  }

  function prepare() {
    const of = form();
    if (!of) return;
    for (const details of of.querySelectorAll("details[data-remember]")) {
      details.open = settings.get(`closed-${details.dataset.remember}`) !== "yes";
    }
    refresh(of);
  }

  document.addEventListener("change", (event) => {
    const of = event.target.closest("#answer");
    if (of && event.target.name === "categories") {
      delete event.target.dataset.carried;
      // Choosing a category takes back "no category fits".
      if (of.dataset.mode === "no_category_fits") setMode(of, "category");
      refresh(of);
    }
    if (event.target.name?.startsWith("zoom-")) {
      const picture = event.target.closest(".block").querySelector("[data-picture]");
      picture.className = `is-${event.target.value}`;
    }
  });
  document.addEventListener("input", (event) => {
    if (event.target.id === "proposed-name") refresh(form());
  });
  document.addEventListener("toggle", (event) => {
    const name = event.target.dataset?.remember;
    if (name) settings.set(`closed-${name}`, event.target.open ? "" : "yes");
  }, true);

  document.addEventListener("click", (event) => {
    if (event.target.matches("#answer input[name=categories]")) event.target.dataset.pressed = "";
    const button = event.target.closest("[data-mode-button]");
    if (button) {
      event.preventDefault();
      const of = form();
      setMode(of, of.dataset.mode === button.value ? "category" : button.value);
    }
    const taking = event.target.closest("[data-take]");
    if (taking) take(form(), taking);
    const primary = event.target.closest("button[data-primary][aria-disabled=true]");
    if (primary) {
      event.preventDefault();
      document.getElementById("live").textContent = primary.title;
      const first = form().querySelector("[data-choice] input");
      if (first) first.focus();
    }
  });

  document.addEventListener("keydown", (event) => {
    const of = form();
    if (event.key === "Escape" && of && of.dataset.mode !== "category" && !event.target.matches("[type=search]")) {
      setMode(of, "category");
    }
  });

  document.addEventListener("review:restored", prepare);
  document.addEventListener("htmx:afterSettle", prepare);
  document.addEventListener("DOMContentLoaded", prepare);
})();
