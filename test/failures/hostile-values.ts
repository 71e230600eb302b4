import { createRandom, hashSeed } from "../../packages/contracts/dist/index.js";

/** What hostile values of the caller throw: it comes back as it is, and is no leak of ours. */
export const ofTheCaller: Error = new Error("thrown by what the caller passed in");

const refuse = (): never => {
  throw ofTheCaller;
};

/** An object that cannot even be looked at. */
const untouchable = (): object =>
  new Proxy(
    {},
    { get: refuse, has: refuse, ownKeys: refuse, getOwnPropertyDescriptor: refuse, getPrototypeOf: refuse },
  );

function cycle(): object {
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  return circle;
}

/** Values that no parameter expects, made anew for each call. */
export const hostileValues: Readonly<Record<string, () => unknown>> = {
  undefined: () => undefined,
  null: () => null,
  NaN: () => Number.NaN,
  "-1": () => -1,
  "0": () => 0,
  "1.5": () => 1.5,
  Infinity: () => Number.POSITIVE_INFINITY,
  "2^53": () => 2 ** 53,
  "a bigint": () => 7n,
  true: () => true,
  "an empty text": () => "",
  "a text with NUL": () => "a\0b",
  "a lone surrogate": () => "\ud800💥",
  "a path upwards": () => "../x/../..",
  "a huge text": () => "x".repeat(100_000),
  "a reserved name": () => "__proto__",
  "a symbol": () => Symbol("hostile"),
  "a function that throws": () => refuse,
  "an empty list": () => [],
  "a list of holes": () => new Array(3),
  "an empty object": () => ({}),
  "an object without prototype": () => Object.create(null) as object,
  "an object whose text throws": () => ({ toString: refuse, valueOf: refuse, toJSON: refuse }),
  "an untouchable object": untouchable,
  "a cycle": cycle,
  "an invalid date": () => new Date(Number.NaN),
  "a map": () => new Map([["a", 1]]),
  "three bytes": () => Uint8Array.of(1, 2, 255),
  "an aborted signal": () => AbortSignal.abort(ofTheCaller),
  "options with an aborted signal": () => ({ signal: AbortSignal.abort(ofTheCaller) }),
};

type Path = readonly (string | number)[];

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/**
 * Columns, batches and sketches are layouts of memory that functions make and others trust: what stands for one as a whole may be wrong, not
 * its inside.
 */
const isLayout = (value: object): boolean =>
  ("values" in value && "type" in value) ||
  ("columns" in value && "length" in value) ||
  "maxBuckets" in value ||
  "levels" in value;

/** Where a wrong value can stand among the arguments: each argument, and what plain objects and lists hold, three deep. */
function pathsIn(value: unknown, depth: number): readonly Path[] {
  if (depth === 0 || !(Array.isArray(value) || (isPlain(value) && !isLayout(value)))) return [];
  const keys = Array.isArray(value) ? [...value.keys()].slice(0, 3) : Object.keys(value);
  return keys.flatMap((key) => [
    [key],
    ...pathsIn((value as Record<string | number, unknown>)[key], depth - 1).map((path) => [key, ...path]),
  ]);
}

/** A copy of the value with another one at the path; what lies beside the path is shared. */
export function withAt(value: unknown, [key, ...rest]: Path, other: unknown): unknown {
  if (key === undefined) return other;
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }) as Record<
    string | number,
    unknown
  >;
  copy[key] = withAt(copy[key], rest, other);
  return copy;
}

export interface WrongCall {
  /** Where the wrong value stands, and which it is. */
  readonly what: string;
  change(args: readonly unknown[]): readonly unknown[];
}

/** Ways to call with one wrong value, or with none at all; the same ones for the same name. */
export function wrongCalls(name: string, args: readonly unknown[], most: number): readonly WrongCall[] {
  const positions: readonly Path[] = [...pathsIn(args, 4), [args.length]];
  const all = positions.flatMap((path) =>
    Object.entries(hostileValues).map(([what, make]) => ({
      what: `${path.join(".")} = ${what}`,
      change: (given: readonly unknown[]) => withAt(given, path, make()) as readonly unknown[],
    })),
  );
  const random = createRandom(hashSeed(name));
  const order = all.map((each) => ({ each, at: random.next() })).toSorted((a, b) => a.at - b.at);
  const none = { what: "no arguments", change: (): readonly unknown[] => [] };
  return [none, ...order.map(({ each }) => each)].slice(0, most);
}
