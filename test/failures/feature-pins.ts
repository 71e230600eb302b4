import type { ProfilableDataset } from "../../packages/data/dist/index.js";
import type { FeatureStore, HistoryOptions } from "../../packages/feature-store/dist/index.js";
import { remote, service } from "./feature-definitions.ts";
import { methods, type Subjects } from "./subjects.ts";

const signal = new AbortController().signal;
const few = 25;

/** Training sets and their pins. */
export async function pins(store: FeatureStore, labelled: HistoryOptions): Promise<Subjects> {
  const set = await store.history(service, labelled);
  const pin = await set.pin();
  return {
    ...methods("openFeatureStore()", () => store, {
      replay: [
        () => [pin, { signal }],
        { FEATURE_STORE_PIN_DIFFERS: () => store.replay({ ...pin, serviceDigest: remote.digest }) },
        20,
      ],
    }),
    ...methods("openFeatureStore().history()", () => set, {
      batches: [() => [{ columns: ["at"], batchRows: 2, signal }], {}, few],
      profile: [
        () => [{ columns: ["at"], maxTexts: 16, signal }],
        { RangeError: () => (set as ProfilableDataset).profile!({ columns: ["none"] }) },
        5,
      ],
      digest: [() => [{ signal }], {}, 5],
      slice: [() => [0, 2], { RangeError: () => set.slice!(-1, 2) }],
      ref: [() => [{ signal }], {}, 5],
      pin: [() => [{ signal }], {}, few],
    }),
  };
}
