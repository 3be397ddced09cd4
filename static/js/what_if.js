// Sliders beside the fields of the what-if page: each moves its field and follows it. The page may
// come after this script, once it is counted, so the document listens.
"use strict";

(() => {
  document.addEventListener("input", (event) => {
    const moved = event.target;
    const form = moved.closest("[data-what-if]");
    if (!form) return;
    if (moved.dataset.slides) {
      document.getElementById(moved.dataset.slides).value = moved.value;
    } else if (moved.value !== "") {
      const slider = form.querySelector(`[data-slides="${CSS.escape(moved.id)}"]`);
      if (slider) slider.value = moved.value;
    }
  }, true); // before the form's own request reads the fields

  // To choose a category moves nothing yet; to add it brings fields of its own, so the page comes
  // whole.
  document.addEventListener("htmx:configRequest", (event) => {
    const form = event.target;
    if (!form.matches("[data-what-if]")) return;
    const cause = event.detail.triggeringEvent;
    const adds = cause && cause.submitter && "wholePage" in cause.submitter.dataset;
    if (adds || (cause && cause.target.name === "add")) event.preventDefault();
    if (adds) form.submit();
    event.detail.formData.delete("add");
  });
})();
