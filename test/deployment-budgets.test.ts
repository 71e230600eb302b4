import { expect, expectTypeOf, test } from "vitest";
import { type DeploymentBudgetGate, deploymentBudgetGate } from "../packages/monitor/dist/slo.js";
import type { DeploymentGate } from "../packages/serving/dist/rollout.js";

test("MO-49: the monitor's gate is one that a model server takes", async () => {
  expectTypeOf<DeploymentBudgetGate>().toExtend<DeploymentGate>();
  const gates: Readonly<Record<string, DeploymentGate>> = {
    budget: deploymentBudgetGate({ budget: () => ({ left: 0.05, objective: 0.999, periodMs: 2_592_000_000 }) }),
  };
  const plan = { model: "late/2", traffic: { type: "canary", share: 0.05, bakeMs: 1 } } as const;
  expect(await gates["budget"]?.check({ endpoint: "late", plan })).toMatchObject({ open: false });
});
