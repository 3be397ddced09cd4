// What every page shares: small settings, dialogs, focus and announcement after a swap,
// and a word when a request did not get through.
"use strict";

const settings = {
  get(name) {
    try { return window.localStorage.getItem(name); } catch (refused) { return null; }
  },
  set(name, value) {
    try {
      if (value) window.localStorage.setItem(name, value);
      else window.localStorage.removeItem(name);
    } catch (refused) {
      // Storage is switched off: the setting lasts as long as the page.
    }
  },
};

(function () {
  const live = document.getElementById("live");
  const connection = document.getElementById("connection");
  let busyTimer = 0;
  let busy = null;

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-open]");
    if (opener) document.getElementById(opener.dataset.open).showModal();
    if (event.target.closest("[data-close-notice]")) {
      connection.hidden = true;
      focusPlace(document);
    }
    if (event.target instanceof HTMLDialogElement) event.target.close();
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.querySelector("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // Settings kept on this device.
  const switches = [...document.querySelectorAll("[data-keys-on]")];
  const showKeys = () => { for (const one of switches) one.checked = settings.get("keys") !== "off"; };
  showKeys();
  for (const one of switches) {
    one.addEventListener("change", () => {
      settings.set("keys", one.checked ? "" : "off");
      showKeys();
    });
  }
  for (const radio of document.querySelectorAll("input[name='theme']")) {
    radio.checked = radio.value === (settings.get("theme") || "");
    radio.addEventListener("change", () => {
      settings.set("theme", radio.value);
      if (radio.value) document.documentElement.dataset.theme = radio.value;
      else delete document.documentElement.dataset.theme;
    });
  }

  function focusPlace(within) {
    const heading = within.querySelector("[data-focus-first]") || within.querySelector("[data-focus]");
    if (heading) heading.focus({ preventScroll: true });
  }

  // The status bar alone follows an item that was shown ahead: told over it, what became of the
  // one before would be all that is heard.
  function announce(swapped) {
    const told = swapped.dataset.announce;
    const next = swapped.id === "statusbar" && document.getElementById("work").dataset.announce;
    return next ? `${told}. ${next}` : told;
  }

  // What was swapped in is told once by a polite voice; the review screen's new heading is the
  // reader's place.
  document.addEventListener("htmx:afterSettle", (event) => {
    const work = event.detail.elt;
    if (work.dataset.announce !== undefined) live.textContent = announce(work);
    if (work.id !== "work") return;
    if (work.dataset.title) document.title = document.title.replace(/^.*(?= · )/s, () => work.dataset.title);
    focusPlace(work);
    if (window.scrollY) window.scrollTo(0, 0);
  });

  // A button says that it works only when the answer takes longer than a blink.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.id !== "lease") connection.hidden = true;
    busy = event.detail.requestConfig.triggeringEvent?.submitter || null;
    window.clearTimeout(busyTimer);
    busyTimer = window.setTimeout(() => busy && busy.setAttribute("aria-busy", "true"), 300);
  });
  document.addEventListener("htmx:afterRequest", () => {
    window.clearTimeout(busyTimer);
    if (busy) busy.removeAttribute("aria-busy");
    busy = null;
  });

  // What was sent may have arrived and is not confirmed; what was only asked for is not loaded. At
  // 403 the form's token is one of a session that ended: sent again it would be refused again.
  const SAYS = {
    get: { 403: "gone", 404: "gone", 429: "many" },
    post: { 403: "signed", 429: "many" },
  };

  // A lease that was to be renewed by itself tells when time runs short: nobody asked for it.
  function tell(event, why) {
    const { elt, requestConfig, xhr } = event.detail;
    if (elt.id === "lease" && !requestConfig.triggeringEvent?.submitter) return;
    const verb = requestConfig.verb === "get" ? "get" : "post";
    say(`${verb}-${why || SAYS[verb][xhr.status] || "error"}`);
  }

  // The one voice tells it too: what it said last is the screen that has just gone away again.
  function say(what) {
    for (const line of connection.querySelectorAll("[data-says]")) {
      line.hidden = line.dataset.says !== what;
      if (!line.hidden) live.textContent = line.textContent;
    }
    connection.hidden = false;
  }
  document.addEventListener("htmx:sendError", (event) => tell(event, "offline"));
  document.addEventListener("htmx:timeout", (event) => tell(event, "silent"));
  document.addEventListener("htmx:responseError", (event) => tell(event));
})();
