// Tags for ranking, derived from the numbers in a message: the port of explain/figures.py,
// channels.py, linear_features.py, checkpoints.py, labels.py and objects.py, whose patterns come
// with the index.
"use strict";

const COLOURS = CORPUS.limits.colours;
const STAND_INS = new Set(CORPUS.limits.stand_ins);
const TENSORS = new Set(CORPUS.limits.tensors);
const CALLS = new Set(CORPUS.limits.calls);
const [WHITE, PAIR] = [CORPUS.limits.white, CORPUS.limits.pair];
const BACKBONES = new Set(CORPUS.limits.backbones);
const CLASSES = new Set(CORPUS.limits.classes);
const OF_CHECKPOINTS = new Set(CORPUS.limits.parts);
const TYPES = new Map(Object.entries(CORPUS.types));

const numbersIn = (text) => [...text.matchAll(/-?\d{1,12}/g)].map(([number]) => Number(number));
const product = (numbers) => numbers.reduce((total, number) => total * number, 1);
const lastPart = (name) => name.slice(name.lastIndexOf(".") + 1);
const square = (number) => Number.isInteger(Math.sqrt(number));
const divides = (part, whole) => whole % part === 0;

function difference(a, b) {
  if (2 * Math.min(a, b) === Math.max(a, b)) return "twice";
  return Math.abs(a - b) <= Math.floor(Math.max(a, b) / 10) + 1 ? "by a few" : "by much";
}

function pairOf(one, other) {
  const name = (type) => TYPES.get(type.slice(type.lastIndexOf(".") + 1).replace(/^[^]*:/, "").toLowerCase());
  const known = [name(one), name(other)];
  return known.every(Boolean) ? [known.sort().join(" with ")] : [];
}

const LAYER = new RegExp(CORPUS.patterns.layer, "u");
const typed = (kind) => [LAYER.test(lastPart(kind)) ? "a layer" : `a ${lastPart(kind)}`];

function partsOf(rows, arriving, parts) {
  if (divides(arriving, rows)) return ["no flatten"];
  if (rows === parts) return ["one image"];
  return square(parts) ? ["other features"] : ["parts as rows"];
}

function unflattened(rows, arriving, expected) {
  if (arriving < 1) return ["other features"];
  const parts = arriving < expected && divides(arriving, expected) ? expected / arriving : 0;
  if (parts && divides(parts, rows)) return partsOf(rows, arriving, parts);
  const wide = arriving > 1 && divides(arriving, rows) && rows >= CORPUS.limits.rows_per_feature * arriving;
  return [wide ? "no flatten" : "other features"];
}

function isChannelsLast(shape, expected, got) {
  const [end, sides] = [shape.at(-1) ?? 0, shape.slice(1, -1)];
  if (end === got || !sides.length) return false;
  if (COLOURS.includes(end) && COLOURS.includes(expected)) return !COLOURS.includes(got);
  return end === expected && (shape.length !== CORPUS.limits.images || sides[0] === sides[1]);
}

function imageTag(shape, expected, got) {
  if (got === 1 && shape[0] === expected) return "grayscale";
  if (shape.length > CORPUS.limits.images && shape[2] === expected) return "frames";
  const tags = { "3,1": "grayscale", "4,1": "grayscale", "3,4": "alpha", "1,3": "color into grayscale", "1,4": "color into grayscale" };
  return tags[`${expected},${got}`] ?? "chain";
}

function mapTag(expected, got, transposed) {
  if (COLOURS.includes(got) && expected > CORPUS.limits.most_image_channels) return "image";
  return got === 2 * expected && !transposed ? "joined" : "chain";
}

const NAMES = new RegExp(CORPUS.patterns.names, "gu");
const [MISSING, UNEXPECTED] = [CORPUS.patterns.missing, CORPUS.patterns.unexpected].map((source) => new RegExp(source, "u"));

function namesIn(pattern, text) {
  const found = pattern.exec(text);
  return found ? [...found[1].matchAll(NAMES)].map(([, name]) => name).slice(0, 1000) : [];
}

function operands(a, b, dimension) {
  const colours = dimension === 0 && COLOURS.includes(a) && COLOURS.includes(b);
  const where = colours ? "in the colors" : { 0: "in the batch", 1: "in the channels" }[dimension] ?? "in the map";
  return [where, difference(a, b)];
}

const READERS = {
  linear([, ...figures]) {
    const [rows, arriving, expected] = figures.map(Number);
    const area = arriving * expected;
    if (1 < arriving && arriving < area && area <= rows && divides(area, rows)) return ["no pooling"];
    if (BACKBONES.has(arriving) && BACKBONES.has(expected)) return ["another backbone"];
    if (CLASSES.has(arriving) && BACKBONES.has(expected)) return ["class scores"];
    const pixels = 0 < expected && divides(expected, arriving) ? arriving / expected : 0;
    if (pixels > 1 && square(pixels)) return ["pixels per channel"];
    return unflattened(rows, arriving, expected);
  },
  conv([, kind, parts, size, inputs, actual]) {
    const [shape, expected, got] = [numbersIn(size), Number(inputs), Number(actual)];
    const groups = kind === "groups" ? Number(parts) : 1;
    if (groups > 1 && groups !== expected) return ["groups"];
    if (isChannelsLast(shape, expected, got)) return ["channels last"];
    return [COLOURS.includes(expected) ? imageTag(shape, expected, got) : mapTag(expected, got, kind === "transposed")];
  },
  elementwise: ([, ...figures]) => operands(...figures.map(Number)),
  broadcast([, given, ...others]) {
    const [one, other] = [numbersIn(given).reverse(), numbersIn(others[0]).reverse()];
    const place = one.findIndex((size, index) => index < other.length && size !== other[index] && size !== 1 && other[index] !== 1);
    return place < 0 ? [] : operands(one[place], other[place], Math.max(one.length, other.length) - place - 1);
  },
  cat([, ...figures]) {
    const [along, one, other] = figures.map(Number);
    return [along ? "joined" : "stacked", difference(one, other)];
  },
  stack([, given, , then]) {
    const [one, other] = [numbersIn(given), numbersIn(then)];
    if (one.length !== other.length) return ["other dimensions"];
    const places = one.flatMap((size, index) => (size === other[index] ? [] : [index]));
    const image = one.length === 3;
    if (places.length === 1 && places[0] === 0 && one.length > 1 && !image) return ["batches differ"];
    return [image && places.includes(0) ? "channels differ" : "sides differ"];
  },
  keys([text]) {
    const [missing, unexpected] = [namesIn(MISSING, text), namesIn(UNEXPECTED, text)];
    if (!missing.length && !unexpected.length) return text.includes("size mismatch for") ? ["other shapes"] : [];
    const have = (prefix, names) => names.length > 0 && names.every((name) => name.startsWith(prefix));
    const differs = (prefix) =>
      (have(prefix, unexpected) && !have(prefix, missing)) || (unexpected.length && have(prefix, missing) && !have(prefix, unexpected));
    const prefix = CORPUS.limits.prefixes.find(differs);
    if (prefix) return [`prefix ${prefix}`];
    return [unexpected.some((name) => OF_CHECKPOINTS.has(name) && !missing.includes(name)) ? "whole checkpoint" : "other names"];
  },
  unexpected_key([, name]) {
    const prefix = CORPUS.limits.old_prefixes.find((start) => name.startsWith(start));
    if (prefix) return [`prefix ${prefix}`];
    return OF_CHECKPOINTS.has(name) ? ["whole checkpoint"] : [];
  },
  batches([, rows, targets]) {
    const [outputs, labels] = [Number(rows), Number(targets)];
    if (labels && outputs > labels && divides(labels, outputs)) return ["rows too many"];
    if (outputs && labels > outputs && divides(outputs, labels)) return ["labels too many"];
    return ["other batches"];
  },
  target([, figure]) {
    const label = Number(figure);
    return [label < 0 ? "negative" : label === WHITE ? "white" : "a class"];
  },
  view([, shape, size]) {
    const [requested, values] = [numbersIn(shape), Number(size)];
    if (requested.includes(-1)) return ["other features"];
    const [rows, rest] = [requested[0], product(requested.slice(1))];
    const filled = rest && divides(rest, values) ? values / rest : 0;
    const each = rows && divides(rows, values) ? values / rows : 0;
    if (filled && !(each && filled > rows)) return ["other batch"];
    return [each ? "other features" : "other view"];
  },
  dimensions([, given]) {
    const shape = numbersIn(given);
    if (shape.length !== 5) return [];
    if (shape.slice(0, 2).includes(1)) return ["a one"];
    const colour = (size) => size === 1 || size === 3;
    return [colour(shape[2]) && !colour(shape[1]) ? "colors third" : "a volume"];
  },
  types([, one, other]) {
    return one.includes("cuda") !== other.includes("cuda") ? ["two devices"] : pairOf(one, other);
  },
  two_types: ([, one, other]) => pairOf(one, other),
  targets: ([, labels, outputs]) => [product(numbersIn(labels)) === product(numbersIn(outputs)) ? "same count" : "other count"],
  given([, , kinds]) {
    const kind = kinds.split(",")[0].trim();
    return kind === "Tensor" || kind === "Parameter" ? [] : typed(kind);
  },
  listed: ([, types]) => [types.split("Tensor").length - 1 === PAIR ? "a pair" : "a row"],
  devices: ([, one, other]) => (one.startsWith("cuda") && other.startsWith("cuda") && one !== other ? ["two GPUs"] : []),
  device_numbers: () => ["two GPUs"],
  found: ([, kind]) => [`a ${lastPart(kind)}`],
  argument: ([, , kind]) => typed(kind),
  attribute([, path, attribute]) {
    const name = lastPart(path);
    if (STAND_INS.has(name)) return [`a ${name}`];
    if (LAYER.test(name) && TENSORS.has(attribute)) return ["a layer"];
    return name === name.toLowerCase() && name !== name.toUpperCase() ? [`a ${name} without ${attribute}`] : [];
  },
  misused: ([, path, use]) => [`a ${lastPart(path)} not ${use}`],
  arguments: ([, name]) => [`call of ${CALLS.has(name) ? name : "a function"}`],
};

// The numbers of a family without a reader do not distinguish any mistakes.
const FAMILIES = CORPUS.families.map(([source, name]) => [new RegExp(source, "u"), READERS[name] ?? (() => [])]);

const PLAIN = rules(CORPUS.patterns.plain);

function tagsOf(message) {
  const text = apply(message, PLAIN);
  return FAMILIES.flatMap(([pattern, read]) => {
    const match = pattern.exec(text);
    return match ? read(match) : [];
  });
}
