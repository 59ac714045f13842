// The front page: a search box for a traceback, filters, and the list of cases.
"use strict";

(() => {
  const BEST = 3; // results that also show how to tell the case apart
  const PAGES = 6; // pages that are shown for the same words
  const WORDS = 6; // a longer text is a message, not a question about a page
  const LONG = 20000; // characters of a pasted text
  const find = (id) => document.getElementById(id);
  const [query, list, status, clear] = ["query", "cases", "status", "clear"].map(find);
  const choices = ["stage", "level", "release", "silent"].map(find).filter(Boolean);
  const topics = [...document.querySelectorAll(".topic")];
  const rows = new Map([...list.children].map(named));
  const original = new Map([...rows].map(([id, row]) => [id, row.querySelector(".msg").textContent]));
  const words = new Map([...rows].map(([id, row]) => [id, row.textContent.toLowerCase()]));

  // The page leaves out what a link tells: a row's id, which is also shown beside the title.
  function named(row) {
    const link = row.querySelector("a");
    row.dataset.id = decodeURIComponent(link.getAttribute("href")).replace(/\.html$/, "");
    link.after(" ", element("code", row.dataset.id));
    return [row.dataset.id, row];
  }

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
      (!release || row.dataset.stage === "guide" || row.dataset.id in CORPUS.releases[release])
    );
  }

  // The cases similar to the text, best match first; if there are none, those that contain all its words.
  function ordered(text) {
    if (!text) return { ids: [...rows.keys()], how: "all" };
    const ranked = rank(readText(text)).filter(([id]) => rows.has(id));
    if (ranked.length) return { ids: ranked.map(([id]) => id), how: "similar", read: new Map(ranked.map(([id, , message]) => [id, message])) };
    const described = withoutMessage(text);
    if (described) return described;
    const wanted = text.toLowerCase().split(/\s+/);
    const holding = [...rows.keys()].filter((id) => wanted.every((word) => words.get(id).includes(word)));
    return { ids: holding, how: "words" };
  }

  // What helps with a text that names no exception: a document, or the cases of its symptom.
  function withoutMessage(text) {
    if (readText(text).candidates.some(({ raises }) => raises)) return null;
    const page = documentFor(text);
    if (page) return { ids: [], how: "document", link: [`${page[0]}.html`, page[1]] };
    const symptom = symptomIn(text);
    if (!symptom) return null;
    const [description, path, ids] = CORPUS.symptoms.shown[symptom];
    return { ids: ids.filter((id) => rows.has(id)), how: "symptom", link: [path, `${description}: questions that lead to the mistake`] };
  }

  function answer(link) {
    find("answer").hidden = !link;
    find("answer").replaceChildren(...(link ? [anchor(...link)] : []));
  }

  // Documents, symptoms and myths that contain all words of a short text.
  function pagesWith(text) {
    const wanted = text.toLowerCase().split(/\s+/).filter((word) => word.length > 2);
    if (!wanted.length || wanted.length > WORDS) return [];
    return CORPUS.pages.filter(([, , words]) => wanted.every((word) => words.includes(word))).slice(0, PAGES);
  }

  function showPages(found) {
    const links = found.map(([path, title]) => {
      const item = element("li");
      item.append(anchor(path, title));
      return item;
    });
    find("pages").hidden = !links.length;
    find("pages").querySelector("ul").replaceChildren(...links);
  }

  // What was read from a pasted text, as `explain` prints it.
  function readLine(text) {
    const [first] = readText(text).candidates;
    return first && first.raises ? `Read: ${first.raises}: ${first.message.split("\n")[0]}. ` : "";
  }

  function show() {
    const text = query.value.trim();
    const filters = chosen();
    const { ids, how, link, read } = ordered(text);
    const passing = ids.filter((id) => passes(rows.get(id), filters));
    for (const row of rows.values()) hide(row);
    passing.forEach((id, place) => update(rows.get(id), place < BEST ? read?.get(id) : undefined, place, filters.release));
    list.append(...passing.map((id) => rows.get(id)));
    list.classList.toggle("all", how === "all");
    answer(link);
    showPages(pagesWith(text));
    for (const id of ["doors", "overview"]) find(id).hidden = Boolean(text);
    clear.hidden = !text;
    const guides = passing.filter((id) => rows.get(id).dataset.stage === "guide").length;
    status.textContent = (read ? readLine(text) : "") + summary(passing.length - guides, guides, ids.length, how);
    remember(filters);
  }

  function hide(row) {
    row.hidden = true;
    row.classList.remove("best", "first");
    row.querySelector(".explained")?.remove();
  }

  // `read` is the message that made the row one of the best results; undefined for other rows.
  function update(row, read, place, release) {
    row.hidden = false;
    const message = row.querySelector(".msg");
    const known = release && row.dataset.stage !== "guide" ? CORPUS.messages[CORPUS.releases[release][row.dataset.id]] : original.get(row.dataset.id);
    if (message.textContent !== known) message.textContent = known || "raises nothing";
    if (read === undefined) return;
    row.classList.add("best", ...(place ? [] : ["first"]));
    row.append(explanation(row.dataset.id, read));
  }

  function summary(cases, guides, before, how) {
    const kind = how === "similar" ? "similar " : "";
    const parts = [`${cases} ${kind}${cases === 1 ? "case" : "cases"}`];
    if (guides) parts.push(`${guides} ${guides === 1 ? "guide" : "guides"}`);
    const shown = parts.slice(cases || !guides ? 0 : 1).join(", ");
    if (how === "all") return shown;
    if (how === "document") return "A page answers this question.";
    if (!before) return "No similar case found. Try the last line of the traceback, or fewer words.";
    if (!cases && !guides) return `The filters exclude all ${before} cases.`;
    if (how === "symptom") return `${shown} with this symptom`;
    return how === "similar" ? `${shown}, best match first` : `${shown} with these words`;
  }

  // The URL contains the filters, so that a filtered list can be linked to, but never the text.
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

  // Browsers insert a pasted text line by line, which takes seconds for a long log.
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
  window.addEventListener("pageshow", recall); // the back button restores the text in the box
})();
