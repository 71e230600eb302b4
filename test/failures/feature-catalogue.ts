import type { FeatureStore } from "../../packages/feature-store/dist/index.js";
import { service } from "./feature-definitions.ts";
import { type Failures, methods, type Subjects } from "./subjects.ts";

const signal = new AbortController().signal;
const few = 25;
const definitionUnknown = (call: () => unknown): Failures => ({ FEATURE_STORE_DEFINITION_UNKNOWN: call });

/** What the catalogue of a store does. */
export function catalogue({ catalog }: FeatureStore): Subjects {
  return methods("openFeatureStore().catalog", () => catalog, {
    promote: [() => ["score", 1, { signal }], definitionUnknown(() => catalog.promote("score", 9)), 40],
    promoted: [() => ["score", { signal }], {}, few],
    pin: [() => ["late/1", "score", { signal }], definitionUnknown(() => catalog.pin("late/1", "other")), 40],
    pins: [() => [{ signal }], {}, few],
    search: [() => [{ text: "plan", tag: { team: "late" }, owner: "mill", entity: "user", signal }]],
    findUnused: [() => [{ days: 3, signal }], {}, 40],
    impact: [() => [[service], { signal }]],
    delete: [
      () => [{ service: "remote" }, { force: true, signal }],
      {
        ...definitionUnknown(() => catalog.delete({ service: "other" })),
        FEATURE_STORE_DEFINITION_IN_USE: async () => {
          await catalog.pin("late/1", "score");
          await catalog.delete({ view: "profile" });
        },
      },
      40,
    ],
    unpin: [() => ["late/1", { signal }], {}, few],
  });
}
