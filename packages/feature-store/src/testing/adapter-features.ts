import { defineEntity, defineFeatureView, type FeatureView } from "../definition/definition.ts";
import { defineFeatureService, type FeatureService } from "../definition/service-definition.ts";
import type { SourceRow } from "../definition/source-columns.ts";
import type { AdapterAbility } from "./adapter-fixture.ts";

/** The time at which an adapter is read, UTC milliseconds. */
export const ADAPTER_NOW_MS: number = Date.UTC(2026, 10, 25, 12);
export const ADAPTER_TTL_MS = 3_600_000;

/** All types that a feature may have. */
export type Kind =
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "float32"
  | "float64"
  | "bool"
  | "utf8"
  | "timestamp"
  | "date";
export const kindNames: readonly Kind[] = [
  "int8",
  "int16",
  "int32",
  "int64",
  "uint8",
  "uint16",
  "uint32",
  "uint64",
  "float32",
  "float64",
  "bool",
  "utf8",
  "timestamp",
  "date",
];

const kind = defineEntity({ name: "kind", keys: { name: "utf8" } });
/** A feature of every type. */
export const kinds: FeatureView = defineFeatureView({
  name: "kinds",
  entity: kind,
  eventTime: "at",
  deleted: "gone",
  features: Object.fromEntries(kindNames.map((type) => [type, type])),
});
export const lives: FeatureView = defineFeatureView({
  name: "lives",
  entity: kind,
  eventTime: "at",
  deleted: "gone",
  features: { state: "utf8", level: "int64" },
  ttlMs: ADAPTER_TTL_MS,
});
export const numbered: FeatureView = defineFeatureView({
  name: "numbered",
  entity: defineEntity({ name: "number", keys: { id: "int64" } }),
  eventTime: "at",
  features: { value: "float64" },
});
export const pairs: FeatureView = defineFeatureView({
  name: "pairs",
  entity: defineEntity({ name: "pair", keys: { region: "utf8", id: "int64" } }),
  eventTime: "at",
  features: { label: "utf8" },
});

/** What an adapter is opened with. */
export const adapterServices: readonly FeatureService[] = [
  defineFeatureService({ name: "all_kinds", views: [kinds] }),
  defineFeatureService({ name: "all_lives", views: [lives] }),
  defineFeatureService({ name: "all_numbers", views: [numbered] }),
  defineFeatureService({ name: "all_pairs", views: [pairs] }),
  defineFeatureService({ name: "joined", views: [lives, kinds] }),
];

/** A value at the edge of its type. */
export interface Edge {
  readonly type: Kind;
  readonly name: string;
  readonly value: number | bigint | string | boolean | null;
  readonly needs: readonly AdapterAbility[];
}

const needsOfType: Readonly<Partial<Record<Kind, readonly AdapterAbility[]>>> = {
  int8: ["smallIntegers"],
  int16: ["smallIntegers"],
  uint8: ["smallIntegers"],
  uint16: ["smallIntegers"],
  uint32: ["smallIntegers"],
  uint64: ["unsigned64"],
  date: ["dates"],
};

const edgesOf = (type: Kind, values: Readonly<Record<string, Edge["value"]>>, needs: Edge["needs"] = []): Edge[] =>
  Object.entries(values).map(([name, value]) => ({
    type,
    name,
    value,
    needs: [...(needsOfType[type] ?? []), ...needs],
  }));

const whole = (type: Kind, lowest: bigint, highest: bigint): Edge[] => {
  const isWide = type === "int64" || type === "uint64";
  const of = (value: bigint): number | bigint => (isWide ? value : Number(value));
  const values = {
    "the lowest": of(lowest),
    "the highest": of(highest),
    one: of(1n),
    ...(lowest === 0n ? {} : { "minus one": of(-1n), zero: of(0n) }),
  };
  return edgesOf(type, values);
};

const floats = (type: "float32" | "float64", edges: Readonly<Record<string, number>>): Edge[] => [
  ...edgesOf(type, {
    zero: 0,
    "a tenth": type === "float32" ? Math.fround(0.1) : 0.1,
    "minus a third": type === "float32" ? Math.fround(-1 / 3) : -1 / 3,
    "a whole number": 42,
    ...edges,
  }),
  ...edgesOf(type, { "minus zero": -0 }, ["minusZero"]),
  ...edgesOf(type, { "not a number": Number.NaN, infinity: Infinity, "minus infinity": -Infinity }, ["notFinite"]),
];

/** Every type at its edges, and null in each. */
export const edges: readonly Edge[] = [
  ...whole("int8", -128n, 127n),
  ...whole("int16", -32_768n, 32_767n),
  ...whole("int32", -(2n ** 31n), 2n ** 31n - 1n),
  ...whole("int64", -(2n ** 63n), 2n ** 63n - 1n),
  ...edgesOf("int64", { "beyond what a double holds": 2n ** 53n + 1n }),
  ...whole("uint8", 0n, 255n),
  ...whole("uint16", 0n, 65_535n),
  ...whole("uint32", 0n, 2n ** 32n - 1n),
  ...whole("uint64", 0n, 2n ** 64n - 1n),
  ...floats("float32", { "the largest": 3.4028234663852886e38, "the smallest": 1.401298464324817e-45 }),
  ...floats("float64", { "the largest": Number.MAX_VALUE, "the smallest": 5e-324, "an integer beyond 2^53": 2 ** 60 }),
  ...edgesOf("bool", { true: true, false: false }),
  ...edgesOf("utf8", {
    letters: "plain",
    quotes: `"a" 'b' \\ /`,
    lines: "one\r\n\ttwo",
    "a word for nothing": "null",
    "a number": "007",
    "many languages": "žluťoučký ﷽ 漢字 🐎👩‍👩‍👧",
    "much text": "long 🐎 ".repeat(2000),
  }),
  ...edgesOf("utf8", { "no letters": "" }, ["emptyText"]),
  ...edgesOf("utf8", { "a zero": "a\u0000b" }, ["zeroCharacters"]),
  ...edgesOf("timestamp", {
    "the epoch": 0n,
    "before the epoch": -1_000_000n,
    "a year beyond 32 bits of seconds": 7_258_118_400_000_000n,
  }),
  ...edgesOf("timestamp", { microseconds: 1_700_000_000_123_456n, "a microsecond before the epoch": -1n }, [
    "microseconds",
  ]),
  ...edgesOf("date", { "the epoch": 0, "before the epoch": -1, "a leap day": 19_782 }),
  ...kindNames.flatMap((type) => edgesOf(type, { null: null })),
];

export const edgeKey = ({ type, name }: Pick<Edge, "type" | "name">): string => `${type}: ${name}`;

/** Texts that name an entity, each unlike the others. */
export const keyTexts: readonly (readonly [name: string, key: string, needs: readonly AdapterAbility[]])[] = [
  ["spaces around it", " a ", []],
  ["quotes", `it's "quoted"`, []],
  ["a colon, as between keys", "1:a", []],
  ["a slash and a question mark", "a/b?c=d&e=%20#f", []],
  ["a backslash", "a\\u0041", []],
  ["braces", "{a}:{b}", []],
  ["an emoji", "🐎", []],
  ["accents in one character", "é", []],
  ["accents in two characters", "e\u0301", []],
  ["letters from right to left", "مرحبا", []],
  ["lines", "a\nb", []],
  ["capitals", "KEY", []],
  ["the same in small letters", "key", []],
  ["digits", "0010", []],
  ["no letters", "", ["emptyText"]],
  ["a zero", "a\u0000", ["zeroCharacters"]],
  ["three hundred characters", "k".repeat(300), []],
  ["a last character that differs far behind", `${"k".repeat(299)}l`, []],
];

export const keyNumbers: readonly bigint[] = [-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n, 2n ** 53n + 1n, -1n, 1_000_000n];

/** By age in milliseconds: how a row of one hour to live reads. */
export const ages: readonly (readonly [
  name: string,
  ageMs: number,
  isPresent: boolean,
  needs: readonly AdapterAbility[],
])[] = [
  ["now", 0, true, []],
  ["a second", 1000, true, []],
  ["half its time", ADAPTER_TTL_MS / 2, true, []],
  ["a second less than its time", ADAPTER_TTL_MS - 1000, true, []],
  ["a millisecond less than its time", ADAPTER_TTL_MS - 1, true, ["milliseconds"]],
  ["its time", ADAPTER_TTL_MS, false, []],
  ["a millisecond more than its time", ADAPTER_TTL_MS + 1, false, ["milliseconds"]],
  ["a day", 86_400_000, false, []],
];

export const at = (ageMs: number): Date => new Date(ADAPTER_NOW_MS - ageMs);
export const MINUTE = 60_000;
export const NUMBERS = 60;
/** Of the numbers below `NUMBERS` every seventh has no row. */
export const hasNumber = (id: number): boolean => id >= 0 && id < NUMBERS && id % 7 !== 6;

export const pairRows: readonly (readonly [region: string, id: bigint, label: string])[] = [
  ["a", 1n, "a and 1"],
  ["a", 2n, "a and 2"],
  ["b", 1n, "b and 1"],
  ["a:1", 1n, "a colon"],
  ["1:a", 11n, "a colon that looks like two keys"],
  ["a,1", 12n, "a comma"],
  ['a","1', 12n, "quotes"],
  ["a", -(2n ** 63n), "the lowest number"],
];

/** A row of `kinds` in which all features are null but those given. */
export function kindRow(
  name: string,
  given: Readonly<Record<string, Edge["value"]>>,
  ageMs: number = MINUTE,
): SourceRow {
  const nothing = Object.fromEntries(kindNames.map((type) => [type, null]));
  return { name, at: at(ageMs), gone: false, ...nothing, ...given };
}

/** What an adapter holds before the first case, by view; the types that it cannot hold are null. */
export function adapterRows(
  holds: (needs: readonly AdapterAbility[]) => boolean,
): Readonly<Record<string, readonly SourceRow[]>> {
  const held = edges.filter(({ needs }) => holds(needs));
  const live = (name: string, ageMs: number, state: string, level = 1n): SourceRow => ({
    name,
    at: at(ageMs),
    gone: false,
    state,
    level,
  });
  return {
    kinds: [
      ...held.map((edge) => kindRow(edgeKey(edge), { [edge.type]: edge.value })),
      ...keyTexts.filter(([, , needs]) => holds(needs)).map(([name, key]) => kindRow(key, { utf8: name })),
      kindRow("in both", { int64: 7n, utf8: "kinds" }),
      kindRow("kinds alone", { int64: 8n }),
    ],
    lives: [
      ...ages.filter(([, , , needs]) => holds(needs)).map(([name, ageMs]) => live(name, ageMs, `${name} old`)),
      live("in both", 2 * MINUTE, "lives"),
      live("lives alone", 2 * MINUTE, "alone"),
    ],
    numbered: [
      ...Array.from({ length: NUMBERS }, (_, id) => id)
        .filter(hasNumber)
        .map((id) => ({ id: BigInt(id), at: at(MINUTE * (id + 1)), value: id / 8 })),
      ...keyNumbers.map((id, index) => ({ id, at: at(MINUTE), value: 1000 + index })),
    ],
    pairs: holds(["compositeKeys"])
      ? pairRows.map(([region, id, label]) => ({ region, id, at: at(MINUTE), label }))
      : [],
  };
}
