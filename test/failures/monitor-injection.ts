import { batchOf, datasetOf } from "../../packages/data/dist/index.js";
import * as injection from "../../packages/monitor/dist/injection.js";
import { type Subjects, well } from "./subjects.ts";

const invalid = (call: () => unknown) => ({ MONITOR_INJECTION_INVALID: call });
const batch = batchOf({ km: [1, 2, 3], place: ["a", "b", "a"], late: [true, false, true] });
const when = injection.abrupt(1);
const drifts = [injection.shift("km", 1, { when }), injection.missing("place", 0.5), injection.lag("late", 1)];

/** What `@millwright/monitor/injection` exports. */
export const injectionSubjects = (): Subjects => ({
  abrupt: well(
    injection.abrupt,
    () => [2],
    invalid(() => injection.abrupt(-1)),
  ),
  gradual: well(
    injection.gradual,
    () => [1, 5],
    invalid(() => injection.gradual(5, 1)),
  ),
  incremental: well(
    injection.incremental,
    () => [1, 5],
    invalid(() => injection.incremental(5, 1)),
  ),
  recurring: well(
    injection.recurring,
    () => [1, 5, 5],
    invalid(() => injection.recurring(1, 0, 1)),
  ),
  shift: well(
    injection.shift,
    () => ["km", 2, { when }],
    invalid(() => injection.shift("km", Number.NaN)),
  ),
  scale: well(
    injection.scale,
    () => ["km", 2, { around: 1 }],
    invalid(() => injection.scale("km", Infinity)),
  ),
  changeUnit: well(
    injection.changeUnit,
    () => ["km", { factor: 0.6, offset: 1 }],
    invalid(() => injection.changeUnit("km", { factor: Number.NaN })),
  ),
  season: well(
    injection.season,
    () => ["km", { amplitude: 1, periodRows: 24, phase: 1 }],
    invalid(() => injection.season("km", { amplitude: 1, periodRows: 0 })),
  ),
  missing: well(
    injection.missing,
    () => ["km", 0.2],
    invalid(() => injection.missing("km", 2)),
  ),
  swapCategories: well(
    injection.swapCategories,
    () => ["place", "a", "b"],
    invalid(() => injection.swapCategories("place", 1 as never, "b")),
  ),
  flipLabels: well(
    injection.flipLabels,
    () => ["late", 0.2, { labels: [0, 1] }],
    invalid(() => injection.flipLabels("late", -1)),
  ),
  lag: well(
    injection.lag,
    () => ["km", 2],
    invalid(() => injection.lag("km", 0)),
  ),
  inject: well(
    injection.inject,
    () => [batch, drifts, { seed: 1, fromRow: 5 }],
    invalid(() => injection.inject(batch, [injection.shift("mi", 1)])),
  ),
  injectDataset: well(
    injection.injectDataset,
    () => [datasetOf([batch]), drifts, { seed: 2 }],
    invalid(() => injection.injectDataset(datasetOf([batch]), "x" as never)),
  ),
});
