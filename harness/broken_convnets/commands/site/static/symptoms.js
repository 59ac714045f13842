// Find the symptom that a text describes, or the page that answers it: the port of
// explain/symptoms/matching.py and documents.py. A browser test checks that both agree.
"use strict";

const { symptoms: GUIDES } = CORPUS;
const QUOTES = new RegExp(GUIDES.quotes, "gu");
const TOPIC = GUIDES.topic.map((source) => new RegExp(source, "gu"));

function normalizedWords(text) {
  const lines = text.slice(0, GUIDES.limit).toLowerCase().replace(QUOTES, "'").split(/\r\n|[\n\r\v\f]/u);
  return lines.map((line) => line.split(/\s+/u).filter(Boolean).join(" ")).join("\n");
}

// Where a phrase begins in a text; -1 if it is not there.
function placeOf(words, text, occurs) {
  if (!words.every(occurs)) return -1;
  return text.search(new RegExp(words.map((number) => GUIDES.words[number]).join(GUIDES.gap), "u"));
}

function isAboutNetworks(text) {
  const [ours, shared, theirs] = TOPIC.map((pattern) => new Set([...text.matchAll(pattern)].map(([word]) => word)).size);
  return theirs ? ours > theirs : Boolean(ours || shared);
}

function occurrences(text) {
  const known = new Map();
  return (number) => {
    if (!known.has(number)) known.set(number, new RegExp(GUIDES.words[number], "u").test(text));
    return known.get(number);
  };
}

// The most likely symptom in a text, or null.
function symptomIn(pasted) {
  const text = normalizedWords(pasted);
  if (!isAboutNetworks(text)) return null;
  const occurs = occurrences(text);
  let best = { symptom: null, weight: -Infinity, place: Infinity };
  for (const [symptom, heavy, words] of GUIDES.phrases) {
    const place = placeOf(words, text, occurs);
    if (place < 0) continue;
    const weight = heavy - Math.min(place / GUIDES.fade, GUIDES.faded);
    if (weight > best.weight || (weight === best.weight && place < best.place)) best = { symptom, weight, place };
  }
  return best.symptom;
}

// The document that answers a question, as [name, title], or null.
function documentFor(pasted) {
  const text = normalizedWords(pasted);
  const occurs = occurrences(text);
  const page = GUIDES.pages.find(([, , phrases]) => phrases.some((words) => placeOf(words, text, occurs) >= 0));
  return page ? page.slice(0, 2) : null;
}
