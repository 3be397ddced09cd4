// A form whose answer takes a while says so, and is sent once. It is there again when the browser
// comes back to the page.
"use strict";

for (const form of document.querySelectorAll("form[data-busy]")) {
  const note = form.querySelector("[data-busy-note]");
  const button = form.querySelector("[type=submit]");
  form.addEventListener("submit", () => {
    note.hidden = false;
    button.disabled = true;
  });
  window.addEventListener("pageshow", () => {
    note.hidden = true;
    button.disabled = false;
  });
}
