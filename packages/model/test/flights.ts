import { createRandom } from "@millwright/contracts";
import { batchOf, column, type TransformPlan } from "@millwright/data";
import type { DenseLayer } from "../src/index.ts";

/** Every kind of step that ONNX can express, with every option that changes what is written. */
export const exportable: TransformPlan = [
  { kind: "numeric", column: "distance", log: true, missingIndicator: true },
  { kind: "numeric", column: "distance", impute: "median", scale: "minMax" },
  { kind: "numeric", column: "tiny", log: true },
  { kind: "numeric", column: "late", impute: 0, scale: "none" },
  { kind: "numeric", column: "id", impute: "mean" },
  { kind: "oneHot", column: "carrier", maxCategories: 3 },
  { kind: "oneHot", column: "carrier", impute: "mostFrequent", other: false },
  { kind: "oneHot", column: "carrier", impute: { category: "never met" } },
  { kind: "oneHot", column: "month", impute: "mostFrequent" },
  { kind: "oneHot", column: "distance", maxCategories: 5 },
  { kind: "oneHot", column: "late" },
  { kind: "oneHot", column: "late", impute: { category: "true" }, other: false },
  { kind: "hash", column: "late", buckets: 5, seed: 7 },
  { kind: "cyclic", column: "hour", period: 24 },
  { kind: "cyclic", column: "time", period: 86_400_000_000 },
  { kind: "bucket", column: "distance", edges: { quantiles: 9 } },
  { kind: "bucket", column: "hour", edges: [0, 12, 18] },
  { kind: "bucket", column: "hour", edges: [] },
  { kind: "target", column: "tail", target: "delay" },
  { kind: "target", column: "month", target: "delay", smoothing: 5 },
  { kind: "target", column: "late", target: "delay" },
  { kind: "dateParts", column: "time", parts: ["year", "month", "day", "yearDay", "weekday", "hour", "minute"] },
  {
    kind: "dateParts",
    column: "day",
    parts: ["year", "month", "day", "yearDay", "weekday", "hour", "minute"],
    encoding: "number",
  },
];

/** Rows with nulls, NaN, infinities and empty texts; `wild` ones also hold what the tame ones do not: other categories, numbers and dates. */
export function flights(rows: number, seed: number, wild = false) {
  const random = createRandom(seed);
  const make = <Value>(value: () => Value): (Value | null)[] =>
    Array.from({ length: rows }, () => (random.next() < 0.08 ? null : value()));
  const odd = [Number.NaN, Infinity, -Infinity, 0, -0, 1e30, -5e-324];
  const number = (value: () => number): number =>
    random.next() < 0.06 ? (odd[random.integer(wild ? odd.length : 5)] as number) : value();
  const carriers = wild ? ["AA", "B6", "DL", "UA", "ö", "", "aa", "日本", "null"] : ["AA", "B6", "DL", "UA", "ö"];
  const tails = wild ? 2000 : 900;
  return batchOf({
    distance: column(
      "float64",
      make(() => number(() => (random.next() < 0.3 ? random.integer(4) * 100 : random.normal() * 900))),
    ),
    tiny: column(
      "float64",
      make(() => random.normal() * 1e-18),
    ),
    late: column(
      "bool",
      make(() => random.next() < 0.3),
    ),
    id: column(
      "int64",
      make(() => BigInt(random.integer(1000)) * 2n ** 43n + BigInt(random.integer(100))),
    ),
    carrier: column(
      "dictionary",
      make(() => carriers[random.integer(carriers.length)] as string),
    ),
    month: column(
      "int8",
      make(() => random.integer(wild ? 15 : 12) + 1),
    ),
    hour: column(
      "float32",
      make(() => number(() => (random.integer(24) + random.next()) * (wild ? -1e4 : 1))),
    ),
    time: column(
      "timestamp",
      make(() => BigInt(random.integer(2 ** 31) - (wild ? 2 ** 30 : 0)) * (wild ? 4_000_000_019n : 790_019n)),
    ),
    day: column(
      "date",
      make(() => random.integer(wild ? 2 ** 28 : 20_000) - (wild ? 2 ** 27 : 0)),
    ),
    tail: column(
      "utf8",
      make(() => `N${random.integer(tails)}ü`),
    ),
    delay: column(
      "float32",
      make(() => random.normal() * 30),
    ),
  });
}

/** Every kind of step. */
export const everyStep: TransformPlan = [
  ...exportable,
  { kind: "hash", column: "tail", buckets: 16, seed: 3 },
  { kind: "hash", column: "month", buckets: 4 },
  { kind: "ngram", column: "tail", buckets: 16, unit: "character", sizes: [2, 3] },
];

/** A network of `inputs`-32-16-`outputs` whose weights come from the seed. */
export function networkOf(inputs: number, outputs: number, seed: number): readonly DenseLayer[] {
  const random = createRandom(seed);
  const layer = (from: number, units: number, activation: DenseLayer["activation"]): DenseLayer => ({
    kernel: Float32Array.from({ length: from * units }, () => random.normal() / from),
    bias: Float32Array.from({ length: units }, () => random.normal()),
    activation,
  });
  return [layer(inputs, 32, "relu"), layer(32, 16, "swish"), layer(16, outputs, "softmax")];
}
