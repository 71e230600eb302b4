import * as serving from "../../packages/serving/dist/index.js";
import { type Subjects, methods, well } from "./subjects.ts";

/** The stages' own methods are called by the server. */
export const caching: Subjects = {
  responseCache: well(serving.responseCache, () => [{ ttlMs: 1000, maxBytes: 10_000, coalesce: true }]),
  ...methods("responseCache()", () => serving.responseCache({ ttlMs: 1000 }), {
    stats: [() => []],
    open: [() => [{ clock: undefined, meter: silent }], {}, 0],
    model: [() => [{}, async () => ({})], {}, 0],
    close: [() => [], {}, 0],
  }),
  idempotency: well(serving.idempotency, () => [{ windowMs: 1000, maxKeys: 10, claimMs: 100, pollMs: 10 }]),
  ...methods("idempotency()", () => serving.idempotency(), {
    open: [() => [{ clock: { sleep: async () => new Promise(() => {}) }, meter: silent, endpoint: "late" }], {}, 0],
    request: [() => [{ request: {} }, async () => ({})], {}, 0],
    close: [() => [], {}, 0],
  }),
};

const silent = { counter: () => ({ add: () => {} }), gauge: () => ({ set: () => {} }) };
