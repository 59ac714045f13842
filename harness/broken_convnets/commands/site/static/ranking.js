// Rank cases by how much their messages have in common with a text: the port of
// explain/ranking.py. A browser test checks that both return the same results.
"use strict";

const { weights: WEIGHTS, index: INDEX } = CORPUS;
const SHAPE = new RegExp(CORPUS.patterns.shape, "gu");
const WORD = new RegExp(CORPUS.patterns.word, "gu");
const OURS = new RegExp(CORPUS.patterns.ours, "u");
const SPELLINGS = [...CORPUS.patterns.spellings, ...CORPUS.patterns.own_names].map(([source, put]) => [new RegExp(source, "gu"), put]);
const RARITY = new Map(INDEX.names.map((name, number) => [name, INDEX.rarity[number]]));

function wordsOf(text) {
  let normalized = apply(wording(text).toLowerCase(), SPELLINGS);
  normalized = normalized.replace(SHAPE, (shape) => `shape${Math.min(shape.split("#").length - 1, 9)}`);
  return [...normalized.matchAll(WORD)].map(([word]) => TYPES.get(word) ?? word);
}

function featuresOf(raises, message) {
  const words = wordsOf(message);
  const pairs = words.slice(1).map((word, index) => `${words[index]} ${word}`);
  const named = raises ? [`class:${raises}`] : [];
  return new Set([...words, ...pairs, ...named, ...tagsOf(message).map((tag) => `is:${tag}`)]);
}

function weightOf(feature) {
  const rarity = RARITY.get(feature);
  if (feature.startsWith("class:")) return WEIGHTS.raises * (rarity ?? INDEX.unknown);
  if (feature.startsWith("is:")) return WEIGHTS.tag * INDEX.unknown;
  if (feature.includes(" ")) return WEIGHTS.pair * (rarity ?? 0);
  return rarity ?? WEIGHTS.unknown * INDEX.unknown;
}

// Precomputed: the messages with each feature, and the weight of each message.
const HOLDERS = new Map(INDEX.names.map((name) => [name, []]));
const DOCUMENTS = INDEX.documents.map(([id, numbers, places, usual], place) => {
  let [named, unnamed] = [0, 0];
  for (const name of numbers.map((number) => INDEX.names[number])) {
    HOLDERS.get(name).push(place);
    const weight = weightOf(name);
    named += weight;
    if (!name.startsWith("class:")) unnamed += weight;
  }
  return { id, places, named, unnamed, usual, place };
});

const total = (weights) => weights.reduce((sum, weight) => sum + weight, 0);

// Tversky's index of two weighted sets, from the weights of their intersection and of each set.
function likeness(common, text, message) {
  if (common <= 0) return 0;
  return common / (common + WEIGHTS.surplus * (text - common) + WEIGHTS.missing * (message - common));
}

// Whether the places of both are known and have nothing in common.
function elsewhere(known, reading) {
  if (!known.places.length || !reading.places.size) return false;
  return !known.places.some((name) => reading.places.has(name));
}

// The cases similar to the text, best match first, as [id, score, message that was read].
function rank(reading) {
  const best = new Map();
  for (const { raises, message, trust } of reading.candidates) {
    const least = OURS.test(message.toLowerCase()) ? WEIGHTS.near : WEIGHTS.threshold;
    const features = new Map([...featuresOf(raises, message)].map((feature) => [feature, weightOf(feature)]));
    const weight = total([...features.values()]);
    const shared = new Map();
    for (const [feature, worth] of features)
      for (const place of HOLDERS.get(feature) ?? []) shared.set(place, (shared.get(place) ?? 0) + worth);
    for (const [place, common] of shared) {
      const known = DOCUMENTS[place];
      let score = trust * likeness(common, weight, raises ? known.named : known.unnamed);
      if (elsewhere(known, reading)) score *= 1 - WEIGHTS.place;
      score = Number(score.toFixed(CORPUS.limits.digits));
      if (score < least) continue;
      const former = best.get(known.id);
      const better = !former || score > former.score || (score === former.score && known.usual > former.usual);
      if (better) best.set(known.id, { score, usual: known.usual, message });
    }
  }
  const order = new Map(DOCUMENTS.map(({ id, place }) => [id, place]));
  const ranked = [...best]
    .sort(([one, a], [other, b]) => b.score - a.score || b.usual - a.usual || order.get(one) - order.get(other))
    .map(([id, { score, message }]) => [id, score, message]);
  return ranked.filter(([, score]) => score >= WEIGHTS.close * ranked[0][1]);
}
