import assert from "node:assert/strict";
import type { TrialHandle } from "../trial-handle.ts";
import type { ContractCase } from "./contract-case.ts";

/** What each trial handle promises the objective. Every case takes a trial that is running and has reported nothing. */
export const trialHandleContract: readonly ContractCase<TrialHandle>[] = [
  {
    name: "a running trial has an id, a number from 0 and a signal that has not aborted",
    run: async (trial) => {
      assert.ok(trial.id.length > 0);
      assert.ok(Number.isInteger(trial.number) && trial.number >= 0);
      assert.equal(trial.signal.aborted, false);
    },
  },
  {
    name: "its parameters are JSON and stay the same",
    run: async (trial) => {
      const before = structuredClone(trial.params);
      assert.deepEqual(JSON.parse(JSON.stringify(trial.params)), before);
      await trial.report(1, 0.5);
      assert.deepEqual(trial.params, before);
    },
  },
  {
    name: "each report is answered with a verdict",
    run: async (trial) => {
      const first = await trial.report(1, 0.5);
      assert.ok(["continue", "pause", "prune"].includes(first), first);
      if (first !== "continue") return;
      const second = await trial.report(2, 0.4, { checkpoint: "step-2" });
      assert.ok(["continue", "pause", "prune"].includes(second), second);
    },
  },
];
