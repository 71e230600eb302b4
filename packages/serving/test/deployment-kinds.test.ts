import { createManualClock } from "@millwright/contracts";
import type { DeploymentPlan, ManualClock } from "@millwright/contracts";
import { describe, expect, test } from "vitest";
import { type ModelServer, openModelServer } from "@millwright/serving";
import { planFromSageMaker, planToSageMaker } from "@millwright/serving/rollout";
import { createAlerts } from "./alerts.ts";
import { denseRuntime, packFolder } from "./models.ts";

const row = [0.5, -1, 2, 0.25];

interface Opened extends AsyncDisposable {
  readonly server: ModelServer;
  readonly clock: ManualClock;
  readonly alerts: ReturnType<typeof createAlerts>;
}

async function open(): Promise<Opened> {
  const folder = await packFolder(2);
  const clock = createManualClock(1_000_000);
  const alerts = createAlerts(clock);
  const server = await openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: { late: { variants: { main: { model: "late/1", weight: 1 } } } },
    clock,
    alerts: alerts.source,
  });
  return {
    server,
    clock,
    alerts,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** What the status says of the candidate's share, and what 200 keys really get. */
async function shares(server: ModelServer): Promise<{ readonly told: number; readonly real: number }> {
  const status = await server.status("late");
  const told = status?.variants.find(({ model }) => model === "late/2")?.weight ?? 0;
  let second = 0;
  for (let key = 0; key < 200; key += 1) {
    const { provenance } = await server.predict("late", { instances: [row], stickyKey: `user ${key}` });
    if (provenance.model.version === 2) second += 1;
  }
  return { told, real: second / 200 };
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

const expectShare = (
  { told, real }: { readonly told: number; readonly real: number },
  share: number,
  at: number,
): void => {
  expect(told, `second ${at}`).toBeCloseTo(share, 12);
  // The same 200 keys each time: four standard deviations of their share.
  expect(Math.abs(real - share), `second ${at}`).toBeLessThanOrEqual(4 * Math.sqrt((share * (1 - share)) / 200));
};

describe("SV-13: traffic by the second", () => {
  const kinds: readonly [string, DeploymentPlan["traffic"], number, (second: number) => number][] = [
    ["all at once, then the wait before the old one ends", { type: "all-at-once" }, 30, () => 1],
    ["a canary", { type: "canary", share: 0.5, bakeMs: 60_000 }, 30, (second) => (second < 60 ? 0.5 : 1)],
    ["a small canary", { type: "canary", share: 0.05, bakeMs: 45_000 }, 0, (second) => (second < 45 ? 0.05 : 1)],
    [
      "linear steps",
      { type: "linear", stepShare: 0.3, stepMs: 20_000 },
      10,
      (second) => (second < 20 ? 0.3 : second < 40 ? 0.6 : second < 60 ? 0.9 : 1),
    ],
    [
      "linear steps of a tenth",
      { type: "linear", stepShare: 0.1, stepMs: 9_000 },
      0,
      (second) => Math.min(1, (Math.floor(second / 9) + 1) / 10),
    ],
  ];
  for (const [name, traffic, terminationWaitS, share] of kinds) {
    test(`SV-13: ${name}: the share at each second is the plan's`, async () => {
      await using opened = await open();
      const { server, clock } = opened;
      await server.deploy("late", { model: "late/2", traffic, terminationWaitMs: terminationWaitS * 1000 });
      for (let second = 0; second <= 100; second += 1) {
        expectShare(await shares(server), share(second), second);
        await clock.advance(1000);
        await turns();
      }
      expect((await server.status("late"))?.state).toBe("completed");
    });
  }

  test("SV-13: while the old model waits for its end the deployment bakes with all traffic, and goes back at once", async () => {
    await using opened = await open();
    const { server, clock, alerts } = opened;
    await server.deploy("late", {
      model: "late/2",
      traffic: { type: "all-at-once" },
      terminationWaitMs: 3_600_000,
      rollbackOn: ["errors"],
    });
    await clock.advance(3_599_000);
    expect(await server.status("late")).toMatchObject({ state: "baking", variants: [{ weight: 0 }, { weight: 1 }] });
    alerts.fire("errors", "endpoint/late/variant/candidate");
    await turns();
    expect(await shares(server)).toEqual({ told: 0, real: 0 });
    expect((await server.status("late"))?.state).toBe("rolled-back");
  });

  test("SV-13: ranges are SageMaker's, and what is out of them is refused", async () => {
    await using opened = await open();
    const { server } = opened;
    const canary = { type: "canary", share: 0.1, bakeMs: 60_000 } as const;
    const refused: readonly Partial<DeploymentPlan>[] = [
      { traffic: { type: "canary", share: 0.51, bakeMs: 0 } },
      { traffic: { type: "canary", share: 0, bakeMs: 0 } },
      { traffic: { type: "canary", share: 0.1, bakeMs: -1 } },
      { traffic: { type: "canary", share: 0.1, bakeMs: Number.NaN } },
      { traffic: { type: "linear", stepShare: 0.09, stepMs: 0 } },
      { traffic: { type: "linear", stepShare: 0.51, stepMs: 0 } },
      { traffic: canary, terminationWaitMs: 3_600_001 },
      { traffic: canary, terminationWaitMs: -1 },
      { traffic: canary, timeoutMs: 60_000 },
      { traffic: { type: "linear", stepShare: 0.5, stepMs: 60_000 }, terminationWaitMs: 1000, timeoutMs: 61_000 },
      { traffic: canary, missingAlerts: "guess" as never },
    ];
    for (const plan of refused)
      await expect(
        server.deploy("late", { model: "late/2", traffic: { type: "all-at-once" }, ...plan }),
        JSON.stringify(plan),
      ).rejects.toMatchObject({ code: "SERVING_DEPLOYMENT_INVALID" });
    expect(await server.status("late")).toBeUndefined();
  });
});

describe("SageMaker's DeploymentConfig", () => {
  const canary = {
    BlueGreenUpdatePolicy: {
      TrafficRoutingConfiguration: {
        Type: "CANARY",
        WaitIntervalInSeconds: 600,
        CanarySize: { Type: "CAPACITY_PERCENT", Value: 30 },
      },
      TerminationWaitInSeconds: 300,
      MaximumExecutionTimeoutInSeconds: 1800,
    },
    AutoRollbackConfiguration: { Alarms: [{ AlarmName: "errors" }, { AlarmName: "latency" }] },
  } as const;
  const linear = {
    BlueGreenUpdatePolicy: {
      TrafficRoutingConfiguration: {
        Type: "LINEAR",
        WaitIntervalInSeconds: 300,
        LinearStepSize: { Type: "CAPACITY_PERCENT", Value: 20 },
      },
    },
  } as const;

  test("SV-13: is read as the plan it means, and written again", () => {
    expect(planFromSageMaker(canary, { model: "late/2" })).toEqual({
      model: "late/2",
      traffic: { type: "canary", share: 0.3, bakeMs: 600_000 },
      terminationWaitMs: 300_000,
      timeoutMs: 1_800_000,
      rollbackOn: ["errors", "latency"],
    });
    for (const config of [canary, linear])
      expect(planToSageMaker(planFromSageMaker(config, { model: "late/2" }))).toEqual(config);
    const counted = planFromSageMaker(
      {
        BlueGreenUpdatePolicy: {
          TrafficRoutingConfiguration: {
            Type: "CANARY",
            WaitIntervalInSeconds: 0,
            CanarySize: { Type: "INSTANCE_COUNT", Value: 1 },
          },
        },
      },
      { model: "late/2", instances: 4 },
    );
    expect(counted.traffic).toEqual({ type: "canary", share: 0.25, bakeMs: 0 });
    expect(planFromSageMaker({}, { model: "late/2" })).toEqual({ model: "late/2", traffic: { type: "all-at-once" } });
  });

  test("SV-13: out of its ranges it is refused, naming the member", () => {
    type Edit = (
      policy: Record<string, unknown>,
      routing: Record<string, unknown>,
      config: Record<string, unknown>,
    ) => void;
    const wrong: readonly [string, Edit][] = [
      ["WaitIntervalInSeconds", (_, routing) => (routing["WaitIntervalInSeconds"] = 3601)],
      ["WaitIntervalInSeconds", (_, routing) => delete routing["WaitIntervalInSeconds"]],
      ["WaitIntervalInSeconds", (_, routing) => (routing["WaitIntervalInSeconds"] = 1.5)],
      ["CanarySize", (_, routing) => (routing["CanarySize"] = { Type: "CAPACITY_PERCENT", Value: 51 })],
      ["CanarySize", (_, routing) => delete routing["CanarySize"]],
      ["CanarySize", (_, routing) => (routing["CanarySize"] = { Type: "INSTANCE_COUNT", Value: 1 })],
      ["CanarySize.Value", (_, routing) => (routing["CanarySize"] = { Type: "CAPACITY_PERCENT", Value: 0 })],
      ["CanarySize.Type", (_, routing) => (routing["CanarySize"] = { Type: "PERCENT", Value: 5 })],
      ["Type", (_, routing) => (routing["Type"] = "SHADOW")],
      ["TerminationWaitInSeconds", (policy) => (policy["TerminationWaitInSeconds"] = 3601)],
      ["MaximumExecutionTimeoutInSeconds", (policy) => (policy["MaximumExecutionTimeoutInSeconds"] = 599)],
      ["MaximumExecutionTimeoutInSeconds", (policy) => (policy["MaximumExecutionTimeoutInSeconds"] = 28_801)],
      ["MaximumExecutionTimeoutInSeconds", (policy) => (policy["MaximumExecutionTimeoutInSeconds"] = 900)],
      ["Alarms", (_policy, _routing, config) => (config["AutoRollbackConfiguration"] = { Alarms: [] })],
      [
        "AlarmName",
        (_policy, _routing, config) => (config["AutoRollbackConfiguration"] = { Alarms: [{ AlarmName: " " }] }),
      ],
    ];
    for (const [member, edit] of wrong) {
      const config = JSON.parse(JSON.stringify(canary)) as typeof canary;
      edit(
        config.BlueGreenUpdatePolicy as never,
        config.BlueGreenUpdatePolicy.TrafficRoutingConfiguration as never,
        config as never,
      );
      expect(() => planFromSageMaker(config, { model: "late/2" }), JSON.stringify(config)).toThrow(
        expect.objectContaining({
          code: "SERVING_DEPLOYMENT_INVALID",
          message: expect.stringContaining(`\`${member}\``) as string,
        }),
      );
    }
    expect(() =>
      planFromSageMaker(
        {
          BlueGreenUpdatePolicy: {
            TrafficRoutingConfiguration: {
              Type: "LINEAR",
              WaitIntervalInSeconds: 1,
              LinearStepSize: { Type: "CAPACITY_PERCENT", Value: 9 },
            },
          },
        },
        { model: "late/2" },
      ),
    ).toThrow("LinearStepSize");
    expect(() => planToSageMaker({ model: "late/2", traffic: { type: "canary", share: 0.125, bakeMs: 1000 } })).toThrow(
      "whole percents",
    );
    expect(() =>
      planToSageMaker({ model: "late/2", traffic: { type: "canary", share: 0.1, bakeMs: 7_200_000 } }),
    ).toThrow("WaitIntervalInSeconds");
  });
});
