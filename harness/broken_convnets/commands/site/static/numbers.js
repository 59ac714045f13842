// What the numbers and names in a message mean: the port of explain/numbers.py, checkpoints.py,
// labels.py and objects.py, whose patterns come with the index. A reader returns [sentence, ...tags], or null.
"use strict";

const STAND_INS = new Set(CORPUS.limits.stand_ins);
const TENSORS = new Set(CORPUS.limits.tensors);
const CALLS = new Set(CORPUS.limits.calls);
const [WHITE, PAIR] = [CORPUS.limits.white, CORPUS.limits.pair];
const OF_CHECKPOINTS = new Set(CORPUS.limits.parts);
const TYPES = new Map(Object.entries(CORPUS.types));
const LAYER = new RegExp(CORPUS.patterns.layer, "u");

const lastPart = (name) => name.slice(name.lastIndexOf(".") + 1);
const withArticle = (name) => (name === "NoneType" ? "None" : `${/^(?:[AEIOaeio]|$)/.test(name) ? "an" : "a"} ${name}`);

function pairOf(one, other) {
  const name = (type) => TYPES.get(type.slice(type.lastIndexOf(".") + 1).replace(/^[^]*:/, "").toLowerCase());
  const known = [name(one), name(other)];
  return known.every(Boolean) ? [known.sort().join(" with ")] : [];
}

function typed(call, kind) {
  const name = lastPart(kind);
  return [`${call} received ${withArticle(name)} where it expects a tensor.`, LAYER.test(name) ? "a layer" : `a ${name}`];
}

const NAMES = new RegExp(CORPUS.patterns.names, "gu");
const [MISSING, UNEXPECTED] = [CORPUS.patterns.missing, CORPUS.patterns.unexpected].map((source) => new RegExp(source, "u"));

function namesIn(pattern, text) {
  const found = pattern.exec(text);
  return found ? [...found[1].matchAll(NAMES)].map(([, name]) => name).slice(0, 1000) : [];
}

// Whether only the keys on one side begin with a prefix, as [sentence, tag]; else undefined.
function prefixed(prefix, missing, unexpected) {
  const have = (names) => names.length > 0 && names.every((name) => name.startsWith(prefix));
  const says = (one, other) => [`Every ${one} key begins with \`${prefix}\`; not all ${other} keys do.`, `prefix ${prefix}`];
  if (have(unexpected) && !have(missing)) return says("unexpected", "missing");
  if (unexpected.length && have(missing) && !have(unexpected)) return says("missing", "unexpected");
}

const OBJECT_READERS = {
  parameter: ([, name, saved, here]) => [
    `${name} has shape ${shownShape(numbersIn(saved))} in the checkpoint and ${shownShape(numbersIn(here))} in the network.`,
  ],
  keys([text]) {
    const [missing, unexpected] = [namesIn(MISSING, text), namesIn(UNEXPECTED, text)];
    if (!missing.length && !unexpected.length)
      return text.includes("size mismatch for") ? ["The names agree; shapes differ.", "other shapes"] : null;
    for (const prefix of CORPUS.limits.prefixes) {
      const found = prefixed(prefix, missing, unexpected);
      if (found) return found;
    }
    const parts = [...new Set(unexpected)].filter((name) => OF_CHECKPOINTS.has(name)).sort();
    if (parts.some((name) => !missing.includes(name)))
      return [`Among the unexpected keys: ${parts.map((name) => `\`${name}\``).join(", ")}. No layer has it.`, "whole checkpoint"];
    return [`Keys in this message: ${missing.length} missing, ${unexpected.length} unexpected.`, "other names"];
  },
  unexpected_key([, name]) {
    const prefix = CORPUS.limits.old_prefixes.find((start) => name.startsWith(start));
    if (prefix) return [`The unexpected key begins with \`${prefix}\`.`, `prefix ${prefix}`];
    return OF_CHECKPOINTS.has(name) ? [`No layer has the unexpected key \`${name}\`.`, "whole checkpoint"] : null;
  },
  batches([, rows, targets]) {
    const [outputs, labels] = [Number(rows), Number(targets)];
    const sentence = `The network returns ${outputs} rows, and there are ${labels} labels.`;
    if (labels && outputs > labels && divides(labels, outputs)) {
      const each = outputs / labels;
      return [`${sentence} ${outputs} = ${labels} x ${each}: possibly each image became ${each} rows.`, "rows too many"];
    }
    if (!(outputs && labels > outputs && divides(outputs, labels))) return [sentence, "other batches"];
    return [`${sentence} ${labels} = ${outputs} x ${labels / outputs}: possibly the labels are one-hot and were flattened.`, "labels too many"];
  },
  target([, figure]) {
    const label = Number(figure);
    if (label < 0) return [`There is a label ${label}, but labels count from 0.`, "negative"];
    const sentence = `There is a label ${label}, and labels count from 0: the network has at most ${label} outputs.`;
    return [sentence, label === WHITE ? "white" : "a class"];
  },
  targets([, given, returned]) {
    const [labels, outputs] = [numbersIn(given), numbersIn(returned)];
    const sentence = `The network returns ${shownShape(outputs)}, the targets are ${shownShape(labels)}.`;
    const same = product(labels) === product(outputs);
    return same ? [`${sentence} Both contain ${product(labels)} values.`, "same count"] : [sentence, "other count"];
  },
  types([, given, kept]) {
    const [one, other] = [given, kept].map((name) => (name.includes("cuda") ? "on the GPU" : "on the CPU"));
    if (one !== other) return [`The input is ${one}, the layer's parameters are ${other}.`, "two devices"];
    return [`The input is ${given}, the layer's parameters are ${kept}.`, ...pairOf(given, kept)];
  },
  two_types([, one, other]) {
    const pair = pairOf(one, other);
    return pair.length ? [`Two dtypes are mixed: ${one} and ${other}.`, ...pair] : null;
  },
  given([, call, kinds]) {
    const kind = strip(kinds.split(",")[0]);
    return kind === "Tensor" || kind === "Parameter" ? null : typed(call, kind);
  },
  listed([, types]) {
    const held = types.split("Tensor").length - 1;
    return [`The list contains ${held} tensors.`, held === PAIR ? "a pair" : "a row"];
  },
  devices([, one, other]) {
    const gpus = one.startsWith("cuda") && other.startsWith("cuda") && one !== other;
    return [`One tensor is on ${one}, another on ${other}.`, ...(gpus ? ["two GPUs"] : [])];
  },
  device_numbers: ([, one, other]) => [`One tensor is on GPU ${one}, another on GPU ${other}.`, "two GPUs"],
  found: ([, kind]) => [`The sample contains ${withArticle(lastPart(kind))}.`, `a ${lastPart(kind)}`],
  argument: ([, call, kind]) => typed(call, kind),
  attribute([, path, attribute]) {
    const name = lastPart(path);
    const sentence = `The object without \`${attribute}\` is ${withArticle(name)}.`;
    if (STAND_INS.has(name)) return [sentence, `a ${name}`];
    if (LAYER.test(name) && TENSORS.has(attribute)) return [sentence, "a layer"];
    const lower = name === name.toLowerCase() && name !== name.toUpperCase();
    return [sentence, ...(lower ? [`a ${name} without ${attribute}`] : [])];
  },
  misused: ([, path, use]) => [`The program uses ${withArticle(lastPart(path))} as if it were ${use}.`, `a ${lastPart(path)} not ${use}`],
  arguments: ([, name]) => [`${name}() was called with the wrong number of arguments.`, `call of ${CALLS.has(name) ? name : "a function"}`],
  overwritten([, given, operation, is, expected]) {
    const times = Number(is) - Number(expected);
    const of = `The tensor of shape ${shownShape(numbersIn(given))}, the result of an operation whose \`grad_fn\` is ${operation}`;
    return [`${of}, was changed in place ${times === 1 ? "once" : `${times} times`} after it was saved for backward.`];
  },
};

const READERS = { ...SHAPE_READERS, ...OBJECT_READERS };
const FAMILIES = CORPUS.families.map(([source, name]) => [new RegExp(source, "u"), READERS[name]]);
const PLAIN = rules(CORPUS.patterns.plain);

// What the numbers of a message mean, as [sentence, ...tags]; nothing for a message of no known family.
function factsOf(message) {
  const text = apply(message, PLAIN);
  return FAMILIES.flatMap(([pattern, read]) => {
    const match = pattern.exec(text);
    const fact = match && read(match);
    return fact ? [fact] : [];
  });
}

const tagsOf = (message) => factsOf(message).flatMap(([, ...tags]) => tags);
const sentencesOf = (message) => [...new Set(factsOf(message).map(([sentence]) => sentence))];
