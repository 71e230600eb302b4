import { transformInvalid } from "./errors.ts";
import type { JsonText } from "./json-text.ts";

type Step =
  | { readonly kind: "names"; readonly names: readonly string[] }
  | { readonly kind: "indexes"; readonly indexes: readonly number[] }
  | { readonly kind: "slice"; readonly start: number | undefined; readonly end: number | undefined }
  | { readonly kind: "all" };

/** A path that was understood. */
export interface JsonPath {
  readonly text: string;
  /** Whether it is `$`, which changes nothing. */
  readonly isRoot: boolean;
  /** Whether it takes places of lists alone, which is all that rows of CSV have. */
  readonly byIndex: boolean;
  /** Throws RangeError in words where the value has nothing at the path. */
  select(value: JsonText): JsonText;
}

const longestPath = 63;
const dotted = /^\.?([A-Za-z_][\w-]*)/;
const wild = /^(?:\.?\*|\.?\[\s*\*\s*\])/;
const named = /^\.?\[\s*('(?:[^'\\]|\\.)*'(?:\s*,\s*'(?:[^'\\]|\\.)*')*)\s*\]/;
const numbered = /^\.?\[\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*\]/;
const sliced = /^\.?\[\s*(-?\d+)?\s*:\s*(-?\d+)?\s*\]/;

/**
 * The subset of JSONPath that SageMaker's data processing takes: `$`, `.name`, `*`, `['a','b']`, `[1,3]` with negative numbers, `[start:end]`. As in the
 * Jayway library that it is taken from, the end of a slice is not part of it, several names give an object, several places a list.
 * Throws `SERVING_TRANSFORM_INVALID`.
 */
export function parseJsonPath(option: string, text: string): JsonPath {
  const steps = stepsOf(text);
  if (steps === undefined || text.length > longestPath)
    throw transformInvalid(
      `\`${option}\` is ${JSON.stringify(text)}`,
      `Write a path of at most ${longestPath} characters with $, .name, *, ['a','b'], [1,3] and [1:4], such as "$[1:]".`,
    );
  return {
    text,
    isRoot: steps.length === 0,
    byIndex: steps.length <= 1 && steps.every(({ kind }) => kind !== "names"),
    select: (value) => selectFrom(value, steps, text),
  };
}

function stepsOf(text: string): readonly Step[] | undefined {
  if (!text.startsWith("$")) return undefined;
  const steps: Step[] = [];
  let rest = text.slice(1);
  while (rest !== "") {
    const found = stepAt(rest);
    if (found === undefined) return undefined;
    steps.push(found.step);
    rest = rest.slice(found.length);
  }
  return steps;
}

function stepAt(text: string): { readonly step: Step; readonly length: number } | undefined {
  const all = wild.exec(text);
  if (all !== null) return { step: { kind: "all" }, length: all[0].length };
  const name = text.startsWith(".") ? dotted.exec(text) : null;
  if (name !== null) return { step: { kind: "names", names: [name[1] as string] }, length: name[0].length };
  const names = named.exec(text);
  if (names !== null) {
    const quoted = (names[1] as string).match(/'(?:[^'\\]|\\.)*'/g) ?? [];
    return {
      step: { kind: "names", names: quoted.map((each) => each.slice(1, -1).replaceAll(/\\(.)/g, "$1")) },
      length: names[0].length,
    };
  }
  const places = numbered.exec(text);
  if (places !== null)
    return {
      step: { kind: "indexes", indexes: (places[1] as string).split(",").map(Number) },
      length: places[0].length,
    };
  const slice = sliced.exec(text);
  if (slice === null) return undefined;
  const number = (digits: string | undefined): number | undefined =>
    digits === undefined ? undefined : Number(digits);
  return { step: { kind: "slice", start: number(slice[1]), end: number(slice[2]) }, length: slice[0].length };
}

function selectFrom(value: JsonText, [step, ...rest]: readonly Step[], path: string): JsonText {
  if (step === undefined) return value;
  const found = take(value, step, path);
  if ("one" in found) return selectFrom(found.one, rest, path);
  // Of many what has nothing at the rest of the path is left out, as Jayway does.
  const items = found.many.flatMap((each) => {
    try {
      return [selectFrom(each, rest, path)];
    } catch (error) {
      if (error instanceof RangeError) return [];
      throw error;
    }
  });
  return { kind: "list", items };
}

type Found = { readonly one: JsonText } | { readonly many: readonly JsonText[] };

function take(value: JsonText, step: Step, path: string): Found {
  if (step.kind === "all") {
    if (value.kind === "scalar") throw new RangeError(`it has nothing at ${path}`);
    return { many: value.kind === "list" ? value.items : [...value.members.values()] };
  }
  if (step.kind === "names") return takeNames(value, step.names, path);
  if (value.kind !== "list") throw new RangeError(`it is no list at ${path}`);
  const { items } = value;
  if (step.kind === "slice") return { many: items.slice(step.start, step.end) };
  const taken = step.indexes.flatMap((index) => items.at(index) ?? []);
  if (step.indexes.length > 1) return { many: taken };
  const [only] = taken;
  if (only === undefined) throw new RangeError(`it has nothing at ${path}`);
  return { one: only };
}

function takeNames(value: JsonText, names: readonly string[], path: string): Found {
  if (value.kind !== "object") throw new RangeError(`it is no object at ${path}`);
  const { members } = value;
  const [name] = names;
  if (names.length === 1 && name !== undefined) {
    const member = members.get(name);
    if (member === undefined) throw new RangeError(`it has no ${JSON.stringify(name)} at ${path}`);
    return { one: member };
  }
  return {
    one: {
      kind: "object",
      members: new Map(
        names.flatMap((each) => {
          const member = members.get(each);
          return member === undefined ? [] : [[each, member] as const];
        }),
      ),
    },
  };
}
