import * as serving from "../../packages/serving/dist/index.js";
import { type Subjects, methods, well } from "./subjects.ts";

const replicas = [{ name: "a", weight: 2 }, { name: "b" }];

/** The stage's own methods are called by the server. */
export const tenants: Subjects = {
  placeTenant: well(serving.placeTenant, () => ["acme", replicas, { copies: 2, seed: 1 }]),
  tenantQuotas: well(serving.tenantQuotas, () => [
    { ratePerSecond: 5, burst: 2, maxInFlight: 3, of: { acme: { burst: 2 } } },
  ]),
  ...methods("tenantQuotas()", () => serving.tenantQuotas(), {
    usage: [() => []],
    bill: [() => [10, { idle: "apart" }]],
    open: [() => [{ clock: { monotonicMs: () => 0 }, meter: { counter: () => ({ add: () => {} }) } }], {}, 0],
    request: [() => [{ request: {} }, async () => ({})], {}, 0],
    model: [() => [{ request: {}, rows: 1 }, async () => ({})], {}, 0],
  }),
};
