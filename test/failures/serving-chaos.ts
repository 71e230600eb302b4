import { generateKeyPairSync } from "node:crypto";
import { createManualClock } from "../../packages/contracts/dist/index.js";
import * as chaos from "../../packages/serving/dist/chaos.js";
import { site } from "./serving-stages.ts";
import { type Subjects, methods, well } from "./subjects.ts";

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const clock = createManualClock();
const scope = { untilMs: 60_000, faults: ["error" as const], endpoints: ["late"], by: "ops" };
const token = chaos.signChaosFlag(scope, privateKey);
const faults = [
  { kind: "error", name: "broken", share: 0.5, match: { mark: "m" } },
  { kind: "clock-skew", name: "skewed", skewMs: 10 },
] as const;
const made = (): chaos.Chaos => chaos.chaos({ seed: 1, faults, clock, armed: ["broken"] });
const answer = { outputs: {}, provenance: {} } as never;
const call = { endpoint: "late", requestId: "r", request: { instances: [[1, 2]] }, startMs: 0, timings: {} };

export const servingChaos = (): Subjects => ({
  chaos: well(chaos.chaos, () => [{ seed: 1, faults, armed: ["broken"], clock }], {
    SERVING_CHAOS_FORBIDDEN: () => chaos.chaos({ seed: 1, faults, production: true, clock }),
  }),
  ...methods("chaos()", made, {
    stage: [],
    clock: [() => [clock]],
    artifacts: [() => [{}], {}, 0],
    predictions: [() => [{ capture: () => {} }], {}, 0],
    features: [() => [{}], {}, 0],
    arm: [() => [["skewed"]]],
    armed: [],
    faults: [],
    injected: [],
  }),
  signChaosFlag: well(chaos.signChaosFlag, () => [scope, privateKey]),
  verifyChaosFlag: well(chaos.verifyChaosFlag, () => [{ token, publicKey }, clock], {
    SERVING_CHAOS_FORBIDDEN: () => chaos.verifyChaosFlag({ token: `${token}x`, publicKey }, clock),
  }),
  runGameDay: well(
    chaos.runGameDay,
    () => [{ chaos: made(), steps: [{ name: "a step", faults: ["skewed"] }], signal: new AbortController().signal }],
    {
      SERVING_FAULT_INJECTED: async () => {
        const stage = chaos.chaos({ seed: 1, faults: [{ kind: "error", name: "broken" }] }).stage();
        await stage.open?.(site);
        return stage.model?.(call as never, () => Promise.resolve(answer));
      },
    },
    20,
  ),
});
