"use strict";
// Polls for changes and reloads the report at its scroll position. The page that lists all runs is reloaded as a whole.
const report = document.getElementById("report");
const state = document.getElementById("state");
const training = document.getElementById("training");
let version = document.body.dataset.version;

function show(text) {
  if (state.textContent !== text) state.textContent = text;
}

function refresh() {
  if (!report) {
    location.reload();
    return;
  }
  const shown = report.contentWindow;
  const top = shown.scrollY;
  report.addEventListener("load", () => report.contentWindow.scrollTo(0, top), { once: true });
  shown.location.reload();
}

async function look() {
  let wait = 2000;
  try {
    const answer = await fetch(document.body.dataset.state, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const found = await answer.json();
    show(found.text);
    training.textContent = found.training;
    if (found.version !== version) {
      version = found.version;
      refresh();
    }
    wait = Math.max(wait, found.wait * 1000);
  } catch (error) {
    show("The dashboard does not respond: it was stopped, or is busy.");
    wait = 5000;
  }
  setTimeout(look, wait);
}

look();
