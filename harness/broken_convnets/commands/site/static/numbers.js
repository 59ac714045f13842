// Tags for ranking, derived from the numbers in a message: the port of explain/figures.py and
// kinds.py, whose patterns come with the index.
"use strict";

const COLOURS = CORPUS.limits.colours;
const STAND_INS = new Set(CORPUS.limits.stand_ins);
const TENSORS = new Set(CORPUS.limits.tensors);
const METHODS = new Set(CORPUS.limits.methods);
const [WHITE, PAIR] = [CORPUS.limits.white, CORPUS.limits.pair];
const TYPES = new Map(Object.entries(CORPUS.types));

const numbersIn = (text) => [...text.matchAll(/-?\d{1,12}/g)].map(([number]) => Number(number));
const product = (numbers) => numbers.reduce((total, number) => total * number, 1);
const lastPart = (name) => name.slice(name.lastIndexOf(".") + 1);
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

const READERS = {
  linear([, ...figures]) {
    const [rows, arriving, expected] = figures.map(Number);
    const area = arriving * expected;
    if (1 < area && area < rows && divides(area, rows)) return ["no pooling"];
    const each = 0 < expected && divides(expected, arriving) ? arriving / expected : 0;
    if (each > 1 && Number.isInteger(Math.sqrt(each))) return ["pixels per channel"];
    const parts = 0 < arriving && arriving < expected ? Math.floor(expected / arriving) : 0;
    if (!parts || !divides(arriving, expected) || !divides(parts, rows)) return ["other features"];
    if (divides(arriving, rows)) return ["no flatten"];
    if (rows === parts) return ["one image"];
    return Number.isInteger(Math.sqrt(parts)) ? ["other features"] : ["parts as rows"];
  },
  conv([, parts, size, inputs, actual]) {
    if (Number(parts ?? 1) > 1) return ["groups"];
    const [shape, expected, got] = [numbersIn(size), Number(inputs), Number(actual)];
    const square = shape[1] === shape[2] || COLOURS.includes(expected);
    if (got !== expected && shape.at(-1) === expected && square) return ["channels last"];
    if (got === 1 && shape[0] === expected) return ["grey"];
    return [got === 1 ? "grey" : got === 4 && expected === 3 ? "alpha" : "other channels"];
  },
  elementwise([, ...figures]) {
    const [a, b, dimension] = figures.map(Number);
    const colours = dimension === 0 && COLOURS.includes(a) && COLOURS.includes(b);
    const where = colours ? "in the colors" : { 0: "in the batch", 1: "in the channels" }[dimension] ?? "in the map";
    return [where, difference(a, b)];
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
  keys([, ...parts]) {
    const [missing, unexpected] = parts.map((part) => [...part.matchAll(/"([^"]{1,200})"/g)].map(([, name]) => name).slice(0, 1000));
    if (!missing.length || !unexpected.length) return [];
    const prefixes = ["module.", "_orig_mod.", "model."];
    const prefixed = prefixes.some((prefix) => unexpected.every((name) => name.startsWith(prefix)));
    return [prefixed ? "prefix" : "other names"];
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
    if (requested.includes(-1)) return ["open view"];
    const rest = product(requested.slice(1));
    return [rest && divides(rest, values) ? "other batch" : "other view"];
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
  argument: ([, , kind]) => typed(kind),
  attribute([, path, attribute]) {
    const name = lastPart(path);
    if (STAND_INS.has(name)) return [`a ${name}`];
    if (LAYER.test(name) && TENSORS.has(attribute)) return ["a layer"];
    return name === name.toLowerCase() && name !== name.toUpperCase() ? [`a ${name} without ${attribute}`] : [];
  },
  misused: ([, path, use]) => [`a ${lastPart(path)} not ${use}`],
  arguments: ([, name]) => [`call of ${METHODS.has(name) ? name : "a function"}`],
};

// The numbers of a family without a reader do not distinguish any mistakes.
const FAMILIES = CORPUS.families.map(([source, name]) => [new RegExp(source, "u"), READERS[name] ?? (() => [])]);

function tagsOf(message) {
  return FAMILIES.flatMap(([pattern, read]) => {
    const match = pattern.exec(message);
    return match ? read(match) : [];
  });
}
