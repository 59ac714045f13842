// The front page: one box that takes a whole traceback, filters, and the list that they order.
"use strict";

(() => {
  const BEST = 3; // results that also show the question that tells them apart
  const LONG = 20000; // characters of a pasted text
  const find = (id) => document.getElementById(id);
  const [query, list, status, clear] = ["query", "cases", "status", "clear"].map(find);
  const choices = ["stage", "level", "release", "silent"].map(find).filter(Boolean);
  const topics = [...document.querySelectorAll(".topic")];
  const rows = new Map([...list.children].map((row) => [row.dataset.id, row]));
  const original = new Map([...rows].map(([id, row]) => [id, row.querySelector(".msg").textContent]));
  const words = new Map([...rows].map(([id, row]) => [id, row.textContent.toLowerCase()]));

  const value = (control) => (control.type === "checkbox" ? (control.checked ? "1" : "") : control.value);

  function chosen() {
    const topic = topics.find((button) => button.getAttribute("aria-pressed") === "true");
    const given = Object.fromEntries(choices.map((control) => [control.id, value(control)]));
    return { ...given, topic: topic ? topic.dataset.topic : "" };
  }

  function passes(row, { topic, stage, level, silent, release }) {
    return (
      (!topic || row.dataset.id.startsWith(topic + "/")) &&
      (!stage || row.dataset.stage === stage) &&
      (!level || row.dataset.level === level) &&
      (!silent || row.dataset.stage === "silent") &&
      (!release || row.dataset.id in CORPUS.releases[release])
    );
  }

  // What is like the text, the nearest first; where nothing is, what holds all its words.
  function ordered(text) {
    if (!text) return { ids: [...rows.keys()], how: "all" };
    const ranked = rank(readText(text)).map(([id]) => id);
    if (ranked.length) return { ids: ranked.filter((id) => rows.has(id)), how: "like" };
    const wanted = text.toLowerCase().split(/\s+/);
    const holding = [...rows.keys()].filter((id) => wanted.every((word) => words.get(id).includes(word)));
    return { ids: holding, how: "words" };
  }

  function show() {
    const began = performance.now();
    const text = query.value.trim();
    const filters = chosen();
    const { ids, how } = ordered(text);
    const passing = ids.filter((id) => passes(rows.get(id), filters));
    for (const row of rows.values()) row.hidden = true;
    passing.forEach((id, place) => dress(rows.get(id), how === "like" && place < BEST, place, filters.release));
    list.append(...passing.map((id) => rows.get(id)));
    list.classList.toggle("all", how === "all");
    find("glance").hidden = Boolean(text);
    clear.hidden = !text;
    status.textContent = told(passing.length, ids.length, how);
    status.dataset.ms = (performance.now() - began).toFixed(1);
    remember(filters);
  }

  function dress(row, best, place, release) {
    row.hidden = false;
    row.classList.toggle("best", best);
    row.classList.toggle("first", best && place === 0);
    const message = row.querySelector(".msg");
    const known = release ? CORPUS.messages[CORPUS.releases[release][row.dataset.id]] : original.get(row.dataset.id);
    if (message.textContent !== known) message.textContent = known || "nothing is raised";
    const tell = row.querySelector(".tell");
    if (best && !tell) row.append(question(CORPUS.tells[row.dataset.id]));
    if (!best && tell) tell.remove();
  }

  function question(text) {
    const paragraph = document.createElement("p");
    paragraph.className = "tell";
    text.split("`").forEach((part, index) => {
      const code = index % 2 ? document.createElement("code") : document.createTextNode("");
      code.textContent = part;
      paragraph.append(code);
    });
    return paragraph;
  }

  function told(count, before, how) {
    const networks = `${count} ${count === 1 ? "network" : "networks"}`;
    if (how === "all") return networks;
    if (!before) return "Nothing here is like that. Try the last line of the traceback, or fewer words.";
    if (!count) return `None of the ${before} that are like it pass the filters.`;
    return how === "like" ? `${networks} like it, the nearest first` : `${networks} with these words`;
  }

  // The address keeps the filters, so that a filtered list can be linked to; never the text.
  function remember(filters) {
    const given = new URLSearchParams(Object.entries(filters).filter(([, text]) => text));
    const hash = given.size ? `#${given}` : location.pathname + location.search;
    if (location.hash !== (given.size ? `#${given}` : "")) history.replaceState(null, "", hash);
  }

  function recall() {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const control of choices) {
      if (control.type === "checkbox") control.checked = given.has(control.id);
      else if ([...control.options].some((option) => option.value === given.get(control.id))) control.value = given.get(control.id);
    }
    for (const button of topics) button.setAttribute("aria-pressed", String(button.dataset.topic === given.get("topic")));
    show();
  }

  function step(event) {
    const links = [...list.querySelectorAll("li:not([hidden]) > a")];
    const place = links.indexOf(document.activeElement);
    const fromBox = document.activeElement === query && query.selectionStart === query.value.length;
    if (event.key === "ArrowDown" && (fromBox || place >= 0)) links[Math.min(place + 1, links.length - 1)]?.focus();
    else if (event.key === "ArrowUp" && place >= 0) (links[place - 1] ?? query).focus();
    else if (event.key === "Escape" && query.value) empty();
    else if (event.key === "/" && !/^(?:TEXTAREA|INPUT|SELECT)$/.test(document.activeElement.tagName)) query.focus();
    else return;
    event.preventDefault();
  }

  // A browser types a pasted text in line by line, which takes seconds for a long log.
  function paste(event) {
    const text = event.clipboardData?.getData("text") ?? "";
    if (text.length < LONG) return;
    event.preventDefault();
    query.setRangeText(text, query.selectionStart, query.selectionEnd, "end");
    show();
  }

  function empty() {
    query.value = "";
    show();
    query.focus();
  }

  for (const id of ["search", "filters"]) find(id).hidden = false;
  query.addEventListener("input", show);
  query.addEventListener("paste", paste);
  clear.addEventListener("click", empty);
  for (const control of choices) control.addEventListener("change", show);
  for (const button of topics) {
    button.addEventListener("click", () => {
      const pressed = button.getAttribute("aria-pressed") === "true";
      for (const other of topics) other.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-pressed", String(!pressed));
      show();
    });
  }
  document.addEventListener("keydown", step);
  window.addEventListener("hashchange", recall);
  window.addEventListener("pageshow", recall); // a browser that goes back fills the box in again
})();
