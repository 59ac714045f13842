// What the shapes and sizes in a message mean: the port of explain/figures.py, channels.py and
// linear_features.py. Each reader returns [sentence, ...tags], or null.
"use strict";

const COLOURS = CORPUS.limits.colours;
const BACKBONES = new Set(CORPUS.limits.backbones);
const CLASSES = new Set(CORPUS.limits.classes);

const numbersIn = (text) => [...text.matchAll(/-?\d{1,12}/g)].map(([number]) => Number(number));
const product = (numbers) => numbers.reduce((total, number) => total * BigInt(number), 1n);
const square = (number) => Number.isInteger(Math.sqrt(number));
const divides = (part, whole) => whole % part === 0;
const shownShape = (shape) => `[${shape.join(", ")}]`;

function difference(a, b) {
  if (2 * Math.min(a, b) === Math.max(a, b)) return "twice";
  return Math.abs(a - b) <= Math.floor(Math.max(a, b) / 10) + 1 ? "by a few" : "by much";
}

function operands(a, b, dimension) {
  const colours = dimension === 0 && COLOURS.includes(a) && COLOURS.includes(b);
  const where = colours ? "in the colors" : { 0: "in the batch", 1: "in the channels" }[dimension] ?? "in the map";
  const named = CORPUS.limits.dimensions[dimension] ?? "a height, width or depth";
  return [`In dimension ${dimension} (${named}), one tensor has size ${a} and the other ${b}.`, where, difference(a, b)];
}

function partsAsRows(rows, arriving, parts) {
  const expected = parts * arriving;
  const rowsOf = `${expected} = ${parts} x ${arriving}, and ${parts} divides ${rows}`;
  if (divides(arriving, rows)) return [` ${rowsOf}: possibly the flatten is missing, with a batch of ${rows / parts}.`, "no flatten"];
  if (rows === parts) return [` ${expected} = ${rows} x ${arriving}: possibly this is one image without its batch.`, "one image"];
  if (!square(parts)) return [` ${rowsOf}: possibly each sample arrives as ${parts} separate rows.`, "parts as rows"];
  const shorter = `possibly the images have sides ${Math.sqrt(parts)} times shorter than the layer was built for.`;
  return [` ${expected} = ${parts} x ${arriving}: ${shorter}`, "other features"];
}

function unflattened(rows, arriving, expected) {
  if (arriving < 1) return ["", "other features"];
  const parts = arriving < expected && divides(arriving, expected) ? expected / arriving : 0;
  if (parts && divides(parts, rows)) return partsAsRows(rows, arriving, parts);
  const wide = arriving > 1 && divides(arriving, rows) && rows >= CORPUS.limits.rows_per_feature * arriving;
  if (!wide) return ["", "other features"];
  return [` ${rows} is a multiple of ${arriving}: possibly these are feature maps ${arriving} pixels wide that were not flattened.`, "no flatten"];
}

function featuresApart(rows, arriving, expected) {
  const area = arriving * expected;
  if (1 < arriving && arriving < area && area <= rows && divides(area, rows)) {
    const maps = `possibly these are feature maps of ${expected} channels that were not pooled and flattened.`;
    return [` ${rows} is a multiple of ${expected} x ${arriving}: ${maps}`, "no pooling"];
  }
  if (BACKBONES.has(arriving) && BACKBONES.has(expected)) {
    const built = "possibly this layer was built for another backbone.";
    return [` Common backbones return ${arriving} or ${expected} features: ${built}`, "another backbone"];
  }
  if (CLASSES.has(arriving) && BACKBONES.has(expected)) {
    const ends = "possibly the backbone still ends with its own classifier.";
    return [` Common backbones have ${arriving} classes and return ${expected} features: ${ends}`, "class scores"];
  }
  const pixels = 0 < expected && divides(expected, arriving) ? arriving / expected : 0;
  if (!(pixels > 1 && square(pixels))) return unflattened(rows, arriving, expected);
  const size = `${Math.sqrt(pixels)} x ${Math.sqrt(pixels)}`;
  const arrive = `possibly ${expected} channels arrive with ${size} pixels each, and the layer expects one pixel.`;
  return [` ${arriving} = ${expected} x ${size}: ${arrive}`, "pixels per channel"];
}

function isChannelsLast(shape, expected, got) {
  const [end, sides] = [shape.at(-1) ?? 0, shape.slice(1, -1)];
  if (end === got || !sides.length) return false;
  if (COLOURS.includes(end) && COLOURS.includes(expected)) return !COLOURS.includes(got);
  return end === expected && (shape.length !== CORPUS.limits.images || sides[0] === sides[1]);
}

const IMAGES = {
  "3,1": [" A grayscale image has one channel.", "grayscale"],
  "4,1": [" A grayscale image has one channel.", "grayscale"],
  "3,4": [" An image with transparency has four channels.", "alpha"],
  "1,3": [" A color image has three channels.", "color into grayscale"],
  "1,4": [" An image with transparency has four channels.", "color into grayscale"],
  "4,3": [" A color image without transparency has three channels.", "chain"],
};

function imageChannels(shape, expected, got) {
  if (got === 1 && shape[0] === expected) {
    const swapped = "possibly batch and channels are swapped, or the images are grayscale.";
    return [` ${expected} is the first size: ${swapped}`, "grayscale"];
  }
  if (shape.length > CORPUS.limits.images && shape[2] === expected)
    return [` ${expected} is the third size: possibly the second one is time or depth.`, "frames"];
  return IMAGES[`${expected},${got}`] ?? ["", "chain"];
}

function mapChannels(expected, got, transposed) {
  if (COLOURS.includes(got) && expected > CORPUS.limits.most_image_channels)
    return [` Images have ${got} channels: possibly an earlier layer is missing.`, "image"];
  if (got === 2 * expected && !transposed)
    return [` ${got} = 2 x ${expected}: possibly two feature maps were joined.`, "joined"];
  return ["", "chain"];
}

const SHAPE_READERS = {
  linear([, ...figures]) {
    const [rows, arriving, expected] = figures.map(Number);
    const [more, tag] = featuresApart(rows, arriving, expected);
    return [`Linear expects ${expected} features; its input has ${arriving}, in ${rows} rows.${more}`, tag];
  },
  conv([, kind, parts, size, inputs, actual]) {
    const [shape, expected, got] = [numbersIn(size), Number(inputs), Number(actual)];
    const sentence = `The layer expects ${expected} channels; its input, ${shownShape(shape)}, has ${got}.`;
    const groups = kind === "groups" ? Number(parts) : 1;
    if (groups > 1 && groups !== expected) return [`${sentence} It splits them into ${groups} groups.`, "groups"];
    if (isChannelsLast(shape, expected, got))
      return [`${sentence} The last size is ${shape.at(-1)}: possibly the channels are in the last dimension.`, "channels last"];
    const [more, tag] = COLOURS.includes(expected) ? imageChannels(shape, expected, got) : mapChannels(expected, got, kind === "transposed");
    return [sentence + more, tag];
  },
  elementwise: ([, ...figures]) => operands(...figures.map(Number)),
  broadcast([, given, ...others]) {
    const [one, other] = [numbersIn(given).reverse(), numbersIn(others[0]).reverse()];
    const place = one.findIndex((size, index) => index < other.length && size !== other[index] && size !== 1 && other[index] !== 1);
    return place < 0 ? null : operands(one[place], other[place], Math.max(one.length, other.length) - place - 1);
  },
  cat([, ...figures]) {
    const [along, one, other] = figures.map(Number);
    const sentence = `One tensor has size ${one} where another has ${other}, a difference of ${Math.abs(one - other)}.`;
    return [sentence, along ? "joined" : "stacked", difference(one, other)];
  },
  stack([, given, at, next, then]) {
    const [one, other] = [numbersIn(given), numbersIn(next)];
    const sentence = `Entry ${at} has shape ${shownShape(one)}, entry ${then} has ${shownShape(other)}.`;
    if (one.length !== other.length) return [`${sentence} They differ in the number of dimensions.`, "other dimensions"];
    const places = one.flatMap((size, index) => (size === other[index] ? [] : [index]));
    const image = one.length === 3;
    const batch = places.length === 1 && places[0] === 0 && one.length > 1 && !image;
    const tag = batch ? "batches differ" : image && places.includes(0) ? "channels differ" : "sides differ";
    return [`${sentence} They differ in dimension${places.length > 1 ? "s" : ""} ${places.join(" and ")}.`, tag];
  },
  view([, shape, size]) {
    const [requested, values] = [numbersIn(shape), Number(size)];
    const known = product(requested.filter((number) => number >= 0));
    if (requested.includes(-1)) return [`${values} values cannot be split into rows of ${known}.`, "other features"];
    const [rows, rest] = [requested[0], Number(product(requested.slice(1)))];
    const filled = rest && divides(rest, values) ? values / rest : 0;
    const each = rows && divides(rows, values) ? values / rows : 0;
    const fill = filled ? ` They fill ${filled} rows of ${rest}, not ${rows}.` : "";
    const have = each ? ` ${rows} rows would have ${each} values each.` : "";
    const tag = filled && !(each && filled > rows) ? "other batch" : each ? "other features" : "other view";
    return [`The view asks for ${known} values; there are ${values}.${fill}${have}`, tag];
  },
  norm: ([, arriving, made]) => [`The normalization layer has ${Number(made)} channels; its input has ${Number(arriving)}.`],
  dimensions([, given]) {
    const shape = numbersIn(given);
    const sentence = `The input has ${shape.length} dimensions: ${shownShape(shape)}.`;
    if (shape.length !== 5) return [sentence];
    const colour = (size) => size === 1 || size === 3;
    if (shape.slice(0, 2).includes(1)) return [sentence, "a one"];
    return [sentence, colour(shape[2]) && !colour(shape[1]) ? "colors third" : "a volume"];
  },
  single: ([, given]) => [`The input is ${shownShape(numbersIn(given))}: a single value per channel, which has no variance.`],
  pooled([, ...sizes]) {
    const [before, after] = sizes.map((size) => numbersIn(size).slice(1).join(" x "));
    return before && after ? [`A feature map of ${before} would become ${after}.`] : null;
  },
  kernel: ([, padded, kernel]) => [`A kernel of ${strip(kernel)} does not fit into a feature map of ${strip(padded)} (including padding).`],
};
