// Find messages in a pasted text: the port of explain/pasted.py, places.py and
// reading.py, whose patterns come with the index.
"use strict";

const { patterns: PATTERNS, limits: LIMITS } = CORPUS;
const regex = (source, flags = "") => new RegExp(source, "u" + flags);
const once = (source) => regex(source);
const every = (source) => regex(source, "g");
const atStart = (source) => regex(`^(?:${source})`);

const SPACE = "[\\s\\x1c-\\x1f\\x85]+";
const [LEFT, RIGHT] = [regex(`^${SPACE}`), regex(`${SPACE}$`)];
const NEWLINE = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/u;
const lstrip = (text) => text.replace(LEFT, "");
const rstrip = (text) => text.replace(RIGHT, "");
const strip = (text) => rstrip(lstrip(text));

// Python counts characters; JavaScript counts UTF-16 code units.
const first = (text, count) => (text.length <= count ? text : Array.from(text.slice(0, 2 * count)).slice(0, count).join(""));
const last = (text, count) => (text.length <= count ? text : Array.from(text.slice(-2 * count)).slice(-count).join(""));

function splitLines(text) {
  const lines = text.split(NEWLINE);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

const rules = (pairs) => pairs.map(([source, replacement]) => [every(source), replacement]);
const MASKS = rules(PATTERNS.mask);
const WORDINGS = rules(PATTERNS.wording);
const apply = (text, pairs) => pairs.reduce((result, [pattern, put]) => result.replace(pattern, () => put), text);

function mask(message) {
  const cut = first(message, LIMITS.mask);
  const whole = cut.replace(/[\ud800-\udfff]/gu, (half) => "\\u" + half.charCodeAt(0).toString(16));
  const masked = apply(whole, MASKS);
  return cut.length < message.length ? masked + "…" : masked;
}

const wording = (message) => strip(apply(mask(message), WORDINGS));

const CLASS = atStart(PATTERNS.class);

function split(line) {
  const text = lstrip(line);
  const found = CLASS.exec(text);
  return found ? [found[1], text.slice(found[0].length)] : ["", line];
}

const NOISE = PATTERNS.noise.map(every);
const FRAMES = PATTERNS.frames.map(once);
const SOURCE = atStart(PATTERNS.source);
const END = once(PATTERNS.end);
const INLINE = once(PATTERNS.inline);
const REPR = every(PATTERNS.repr);
const COMPILED = once(PATTERNS.compiled);
const MARKUP = rules(PATTERNS.markup);
const MORE_NAMES = every(PATTERNS.more_names);
const CALLED = every(PATTERNS.called);
const PARTS = every('[:"`>][\\s\\x1c-\\x1f\\x85]*');

function readText(text) {
  const lines = linesOf(text);
  const asserted = assertedIn(lines);
  let found = withoutWarnings([...namedIn(lines), ...inlineIn(lines)]);
  // A device-side assertion says more than the exception about it.
  if (asserted.length) found = [...asserted, ...found.map((each) => ({ ...each, trust: LIMITS.prose }))];
  const candidates = unique(found.length ? found : proseIn(lines));
  return { candidates: candidates.slice(0, LIMITS.candidates), places: placesIn(lines) };
}

const linesOf = (text) => splitLines(apply(last(text, LIMITS.text), MARKUP)).slice(-LIMITS.lines).map(clean);

function clean(line) {
  const cut = first(line.replace(MORE_NAMES, "$1"), LIMITS.width);
  return rstrip(NOISE.reduce((result, noise) => result.replace(noise, ""), cut));
}

const isCrash = ({ raises }) => !LIMITS.harmless.some((end) => raises.endsWith(end));

function withoutWarnings(candidates) {
  const crashes = candidates.filter(isCrash);
  return crashes.length ? crashes : candidates;
}

const candidate = (raises, message, trust) => ({ raises, message: first(message, LIMITS.message), trust });

function unique(candidates) {
  const seen = new Map();
  for (const each of candidates) {
    const key = JSON.stringify([each.raises, each.message, each.trust]);
    if (!seen.has(key)) seen.set(key, each);
  }
  return [...seen.values()];
}

function namedIn(lines) {
  const found = [];
  lines.forEach((line, index) => {
    const [raises, message] = split(line);
    if (!raises || message.startsWith("(")) return;
    found.push(ofOne(raises, [message, ...lines.slice(index + 1, index + 1 + LIMITS.continuation)]));
  });
  const crashes = found.map((items, index) => (isCrash(items[0]) ? index : -1)).filter((index) => index >= 0);
  const latest = crashes.length ? crashes.at(-1) : found.length;
  const earlier = (item) => ({ ...item, trust: item.trust * LIMITS.earlier });
  return found.map((items, index) => (index < latest ? items.map(earlier) : items)).reverse().flat();
}

// The readings of one message, from its first line and the lines below it.
function ofOne(raises, [line, ...below]) {
  const found = [false, true].map((blank) => candidate(raises, strip([line, ...continued(below, blank)].join("\n")), LIMITS.named));
  if (!rstrip(line).endsWith(":") || !continued(below, false).length) found.push(candidate(raises, strip(line), LIMITS.beginning));
  if (COMPILED.test(strip(line))) found.push(...below.slice(0, 2).filter(Boolean).map((next) => candidate("", strip(next), LIMITS.named)));
  return found;
}

// The lines that may continue a message, across blank lines or up to the first one.
function continued(lines, blank) {
  const end = lines.findIndex((line) => END.test(line) || split(line)[0] || !(strip(line) || blank));
  return end < 0 ? lines : lines.slice(0, end);
}

function inlineIn(lines) {
  const found = [];
  lines.forEach((line, index) => {
    for (const written of line.matchAll(REPR)) found.push(candidate(written[1], written[3], LIMITS.inline));
    const match = INLINE.exec(line);
    if (!match || split(line)[0]) return;
    const below = lines.slice(index + 1, index + 1 + LIMITS.continuation);
    const end = LIMITS.closing[match.groups.quote] ?? match.groups.quote;
    for (const item of ofOne(match.groups.raises, [match.groups.rest.replace(/^[: ]+/, ""), ...below])) {
      const message = end ? item.message.split(end)[0] : item.message;
      found.push({ ...item, message, trust: item.trust * LIMITS.inline });
    }
  });
  return found.reverse();
}

function assertedIn(lines) {
  const asserted = lines.filter((line) => line.includes("Assertion") && !split(line)[0]);
  return asserted.slice(-1).map((line) => candidate("", line, LIMITS.named));
}

function proseIn(lines) {
  const prose = proseLines(lines).map(strip).filter(Boolean).slice(-LIMITS.prose_lines);
  const pairs = prose.slice(1).map((line, index) => `${prose[index]} ${line}`);
  const parts = prose.flatMap((line) => [...line.matchAll(PARTS)].map((at) => line.slice(at.index + at[0].length)));
  return [...prose, ...pairs, ...parts.slice(0, LIMITS.prose_lines)].filter(Boolean).map((text) => candidate("", text, LIMITS.prose));
}

function proseLines(lines) {
  let depth = Infinity;
  return lines.filter((line) => {
    const indent = line.length - lstrip(line).length;
    if (strip(line).search(FRAMES[0]) === 0) depth = indent;
    else if (indent <= depth) depth = Infinity;
    return depth === Infinity;
  });
}

function placesIn(lines) {
  const places = new Set();
  let calls = new Set();
  lines.forEach((line, index) => {
    const stripped = strip(line);
    const frame = FRAMES.map((pattern) => pattern.exec(stripped)).find(Boolean);
    const marked = SOURCE.exec(stripped);
    if (marked) calls = called(marked[1]);
    if (!frame) return;
    const names = (frame.groups.name ?? "").split(".");
    for (const name of names) if (LIMITS.data.includes(name)) places.add(name);
    const parts = frame.groups.file.split(/[/\\]/);
    if (LIMITS.libraries.some((library) => parts.includes(library))) {
      for (const name of [parts.at(-1).replace(/\.py$/, ""), ...names]) places.add(name);
    } else if (!line.includes("site-packages")) {
      const below = called(lines[index + 1] ?? "");
      if (below.size) calls = below;
    }
  });
  return new Set([...places, ...calls].filter(Boolean).map((place) => place.toLowerCase()));
}

function called(source) {
  return new Set([...source.matchAll(CALLED)].flatMap((match) => [match[1], match[2]]).filter(Boolean));
}
