// Keeps what goes wrong on the page in #errors, where a test can read it.
"use strict";

const errorTexts = [];

function noteError(text) {
  errorTexts.push(text);
  const list = document.getElementById("errors");
  if (list) list.textContent = errorTexts.join("\n");
  const notice = document.getElementById("broken");
  if (notice) {
    notice.hidden = false;
    notice.textContent = `Not all of this page could be drawn: ${text}`;
  }
}

window.addEventListener("error", (event) => noteError(event.message));
window.addEventListener("unhandledrejection", (event) =>
  noteError(String(event.reason)),
);
document.addEventListener("securitypolicyviolation", (event) =>
  noteError(`refused to load ${event.blockedURI}`),
);
const consoleError = console.error;
console.error = (...words) => {
  noteError(words.join(" "));
  consoleError(...words);
};
