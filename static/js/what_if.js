// Sliders beside the fields of the what-if page: each moves its field and follows it.
"use strict";

(() => {
  const form = document.querySelector("[data-what-if]");
  if (!form) return;

  form.addEventListener("input", (event) => {
    const moved = event.target;
    if (moved.dataset.slides) {
      document.getElementById(moved.dataset.slides).value = moved.value;
    } else if (moved.value !== "") {
      const slider = form.querySelector(`[data-slides="${CSS.escape(moved.id)}"]`);
      if (slider) slider.value = moved.value;
    }
  });

  // A category that is added brings fields of its own, so the page comes whole.
  form.addEventListener("htmx:configRequest", (event) => {
    const cause = event.detail.triggeringEvent;
    const whole = cause && cause.submitter && "wholePage" in cause.submitter.dataset;
    if (whole) {
      event.preventDefault();
      form.submit();
      return;
    }
    delete event.detail.parameters.add;
    if (event.detail.formData) event.detail.formData.delete("add");
  });
})();
