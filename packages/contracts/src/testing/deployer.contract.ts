import assert from "node:assert/strict";
import type { Deployer, DeploymentPlan, DeploymentStatus } from "../deployer.ts";
import { abortedSignal, rejectsWithCode, rejectsWithReason } from "./assertions.ts";
import type { ContractCase } from "./contract-case.ts";

/** An endpoint that serves `models[0]` (deployed and completed, or from the start), and the time it goes by. */
export interface DeployerFixture {
  readonly deployer: Deployer;
  readonly endpoint: string;
  /** Three references to different models. */
  readonly models: readonly [string, string, string];
  /** Lets time go by for the deployer: `clock.advance` of the manual clock it was given. */
  advance(durationMs: number): Promise<void>;
}

const allAtOnce = (model: string): DeploymentPlan => ({ model, traffic: { type: "all-at-once" } });
const canary = (model: string): DeploymentPlan => ({
  model,
  traffic: { type: "canary", share: 0.25, bakeMs: 60_000 },
});

async function statusOf({ deployer, endpoint }: DeployerFixture): Promise<DeploymentStatus> {
  const status = await deployer.status(endpoint);
  assert.ok(status !== undefined, "the endpoint has no deployment");
  return status;
}

/** The share of the traffic each model gets. */
function sharesOf({ variants }: DeploymentStatus): Readonly<Record<string, number>> {
  const total = variants.reduce((sum, { weight }) => sum + weight, 0);
  return Object.fromEntries(
    variants.filter(({ weight }) => weight > 0).map(({ model, weight }) => [model, weight / total]),
  );
}

/** Lets time go by until the deployment has ended. */
async function settle(fixture: DeployerFixture): Promise<DeploymentStatus> {
  for (let turn = 0; turn < 100; turn += 1) {
    const status = await statusOf(fixture);
    if (["completed", "rolled-back", "failed"].includes(status.state)) return status;
    await fixture.advance(10_000);
  }
  return assert.fail("the deployment has not ended after 1,000 seconds of its time");
}

/** What each deployer promises. */
export const deployerContract: readonly ContractCase<DeployerFixture>[] = [
  {
    name: "where nothing was ever deployed there is no status",
    run: async ({ deployer }) => assert.equal(await deployer.status("an endpoint nobody made"), undefined),
  },
  {
    name: "all at once gives the new model all traffic",
    run: async (fixture) => {
      const { deployer, endpoint, models } = fixture;
      const started = await deployer.deploy(endpoint, allAtOnce(models[1]));
      assert.equal(started.endpoint, endpoint);
      const status = await settle(fixture);
      assert.equal(status.state, "completed");
      assert.equal(status.deploymentId, started.deploymentId);
      assert.deepEqual(sharesOf(status), { [models[1]]: 1 });
    },
  },
  {
    name: "a canary takes its share, bakes, and then takes all",
    run: async (fixture) => {
      const { deployer, endpoint, models, advance } = fixture;
      await deployer.deploy(endpoint, canary(models[1]));
      await advance(30_000);
      assert.deepEqual(sharesOf(await statusOf(fixture)), { [models[0]]: 0.75, [models[1]]: 0.25 });
      const status = await settle(fixture);
      assert.equal(status.state, "completed");
      assert.deepEqual(sharesOf(status), { [models[1]]: 1 });
    },
  },
  {
    name: "while a deployment goes on another rejects with PORT_DEPLOYMENT_RUNNING and changes nothing",
    run: async (fixture) => {
      const { deployer, endpoint, models } = fixture;
      const started = await deployer.deploy(endpoint, canary(models[1]));
      await rejectsWithCode(deployer.deploy(endpoint, allAtOnce(models[2])), "PORT_DEPLOYMENT_RUNNING");
      const status = await settle(fixture);
      assert.equal(status.deploymentId, started.deploymentId);
      assert.deepEqual(sharesOf(status), { [models[1]]: 1 });
    },
  },
  {
    name: "rollback gives all traffic back to the model before, and says why",
    run: async (fixture) => {
      const { deployer, endpoint, models, advance } = fixture;
      await deployer.deploy(endpoint, canary(models[1]));
      await advance(30_000);
      await deployer.rollback(endpoint, "it answers nonsense");
      const status = await settle(fixture);
      assert.equal(status.state, "rolled-back");
      assert.match(status.reason ?? "", /it answers nonsense/);
      assert.deepEqual(sharesOf(status), { [models[0]]: 1 });
    },
  },
  {
    name: "while the model before waits for its end the new one has all traffic, and a rollback goes back",
    run: async (fixture) => {
      const { deployer, endpoint, models, advance } = fixture;
      await deployer.deploy(endpoint, { ...allAtOnce(models[1]), terminationWaitMs: 60_000 });
      await advance(30_000);
      const waiting = await statusOf(fixture);
      assert.equal(waiting.state, "baking");
      assert.deepEqual(sharesOf(waiting), { [models[1]]: 1 });
      await deployer.rollback(endpoint, "seen enough");
      assert.deepEqual(sharesOf(await settle(fixture)), { [models[0]]: 1 });
    },
  },
  {
    name: "a deployment that nothing would roll back says that it is unguarded",
    run: async (fixture) => {
      const { deployer, endpoint, models } = fixture;
      const started = await deployer.deploy(endpoint, canary(models[1]));
      assert.equal(started.unguarded, true);
      assert.equal((await settle(fixture)).unguarded, true);
    },
  },
  {
    name: "after a rollback the next deployment goes through",
    run: async (fixture) => {
      const { deployer, endpoint, models } = fixture;
      await deployer.deploy(endpoint, canary(models[1]));
      await deployer.rollback(endpoint, "it answers nonsense");
      await settle(fixture);
      await deployer.deploy(endpoint, allAtOnce(models[2]));
      assert.deepEqual(sharesOf(await settle(fixture)), { [models[2]]: 1 });
    },
  },
  {
    name: "an aborted signal rejects with its reason and starts nothing",
    run: async (fixture) => {
      const { deployer, endpoint, models } = fixture;
      const { signal, reason } = abortedSignal();
      await rejectsWithReason(deployer.deploy(endpoint, allAtOnce(models[1]), { signal }), reason);
      await rejectsWithReason(deployer.rollback(endpoint, "no", { signal }), reason);
      await rejectsWithReason(deployer.status(endpoint, { signal }), reason);
      await deployer.deploy(endpoint, allAtOnce(models[2]));
      assert.deepEqual(sharesOf(await settle(fixture)), { [models[2]]: 1 });
    },
  },
];
