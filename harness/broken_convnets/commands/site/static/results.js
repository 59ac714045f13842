// What the best results show, as `explain` prints it: your numbers, how to tell the case apart, its fix.
"use strict";

function element(name, text = "", kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function anchor(path, title) {
  const made = element("a", title);
  made.href = path;
  return made;
}

// A paragraph whose text between backticks is code.
function paragraph(label, text, kind) {
  const made = element("p", "", kind);
  made.append(element("b", label), " ");
  text.split("`").forEach((part, index) => made.append(index % 2 ? element("code", part) : part));
  return made;
}

// The lines that a fix deletes and adds.
function changes(lines) {
  const block = element("pre", "", "fix");
  block.append(...lines.map((line) => element(line.startsWith("-") ? "del" : "ins", `${line}\n`)));
  return block;
}

function explanation(id, message) {
  const made = element("div", "", "explained");
  const numbers = sentencesOf(message);
  if (numbers.length) made.append(paragraph("Your numbers:", numbers.join(" "), "numbers"));
  made.append(paragraph("How to tell it apart:", CORPUS.distinguish[id], "distinguish"));
  // A guide has no program, and so no fix.
  if (CORPUS.fixes[id]) made.append(element("b", "The fix in our example:"), changes(CORPUS.fixes[id]));
  return made;
}
