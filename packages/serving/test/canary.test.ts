import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DeploymentStatus } from "@millwright/contracts";
import { openSqlite } from "@millwright/storage";
import { expect, test } from "vitest";
import type { ModelServer, Prediction, Verdict, VerdictPlan } from "@millwright/serving";
import { ask, open, rowOf } from "./canary-server.ts";
import { expected, packFolder } from "./models.ts";

const deploy = (server: ModelServer, verdict: VerdictPlan, bakeMs = 60_000): Promise<DeploymentStatus> =>
  server.deploy("late", { model: "late/2", traffic: { type: "canary", share: 0.3, bakeMs }, verdict });

const verdictOf = async (server: ModelServer): Promise<Verdict> =>
  (await server.status("late"))?.evidence as unknown as Verdict;

test("SV-16: a canary as good as the baseline passes, and its verdict is kept", async () => {
  await using opened = await open();
  const { server, tick } = opened;
  expect((await deploy(server, { agreement: { minimum: 0.9 }, segments: { by: "0" } })).unguarded).toBeUndefined();
  for (let second = 0; second < 61; second += 1) {
    await ask(server, second * 20, second * 20 + 20);
    await tick();
  }
  expect((await server.status("late"))?.state).toBe("completed");
  const verdict = await verdictOf(server);
  expect(verdict).toMatchObject({ verdict: "pass" });
  expect(verdict.checks.filter(({ segment }) => segment === undefined).map(({ test: name }) => name)).toEqual([
    "errors",
    "latency",
    "scores",
    "agreement",
  ]);
  expect(verdict.requests.candidate + verdict.requests.baseline).toBeGreaterThanOrEqual(1200);
});

test("SV-16: a canary that nobody asks is inconclusive, and goes back", async () => {
  await using opened = await open();
  const { server, tick } = opened;
  await deploy(server, {}, 5000);
  for (let second = 0; second < 6; second += 1) await tick();
  expect(await server.status("late")).toMatchObject({
    state: "rolled-back",
    reason: expect.stringContaining("inconclusive") as string,
    evidence: { verdict: "inconclusive", requests: { baseline: 0, candidate: 0 } },
  });
});

test("SV-16: an inconclusive canary may proceed, or be held until there is enough to judge or its time is over", async () => {
  await using opened = await open();
  const { server, tick } = opened;
  await deploy(server, { inconclusive: "proceed" }, 3000);
  for (let second = 0; second < 4; second += 1) await tick();
  expect(await server.status("late")).toMatchObject({ state: "completed", evidence: { verdict: "inconclusive" } });
  await server.rollback("late", "again");
  const held = { model: "late/2", traffic: { type: "canary", share: 0.5, bakeMs: 3000 } } as const;
  await expect(server.deploy("late", { ...held, verdict: { inconclusive: "hold" } })).rejects.toMatchObject({
    code: "SERVING_DEPLOYMENT_INVALID",
  });
  await server.deploy("late", { ...held, verdict: { inconclusive: "hold" }, timeoutMs: 60_000 });
  for (let second = 0; second < 20; second += 1) await tick();
  expect((await server.status("late"))?.state).toBe("baking");
  await ask(server, 0, 800);
  for (let second = 0; second < 7; second += 1) await tick();
  expect(await server.status("late")).toMatchObject({ state: "completed", evidence: { verdict: "pass" } });
  await server.rollback("late", "again");
  await server.deploy("late", { ...held, verdict: { inconclusive: "hold" }, timeoutMs: 10_000 });
  for (let second = 0; second < 12; second += 1) await tick();
  expect(await server.status("late")).toMatchObject({
    state: "rolled-back",
    reason: expect.stringContaining("timeoutMs") as string,
  });
});

test("SV-16: a canary that fails some of its requests is rolled back within a tick of the evidence", async () => {
  await using opened = await open();
  const { server, behave, tick } = opened;
  await deploy(server, {});
  behave({ fails: ([row]) => (row?.[3] ?? 0) > 0.5 });
  for (let second = 0; second < 20 && (await server.status("late"))?.state === "baking"; second += 1) {
    await ask(server, second * 20, second * 20 + 20);
    await tick();
  }
  expect(await server.status("late")).toMatchObject({
    state: "rolled-back",
    reason: expect.stringMatching(/of the candidate's requests fail, and 0 % of the baseline's/) as string,
    evidence: { verdict: "fail" },
  });
  expect(new Set((await ask(server, 0, 100)).map((answer) => answer?.provenance.model.version))).toEqual(new Set([1]));
});

test("SV-16: what fails for both alike is no evidence against the canary", async () => {
  await using opened = await open();
  const { server, tick } = opened;
  await deploy(server, { latency: false, scores: false }, 20_000);
  for (let second = 0; second < 21; second += 1) {
    // The row is one number short for both.
    await Promise.all(
      Array.from({ length: 40 }, (_, at) =>
        server.predict("late", { instances: [[1, 2, 3]], stickyKey: `user ${second} ${at}` }).catch(() => {}),
      ),
    );
    await tick();
  }
  expect(await server.status("late")).toMatchObject({ state: "completed", evidence: { verdict: "pass" } });
});

test("SV-17: a canary with good latency and no errors, whose labels are flipped in one segment, is rolled back naming the segment", async () => {
  await using opened = await open();
  const { server, behave, tick } = opened;
  await deploy(server, { agreement: { minimum: 0.5 }, segments: { by: "0" }, scores: false });
  behave({
    outputs: (rows, probabilities) => {
      for (const [row, [segment]] of rows.entries())
        if (segment === 2) probabilities[row] = 1 - (probabilities[row] ?? 0);
    },
  });
  for (let second = 0; second < 59 && (await server.status("late"))?.state === "baking"; second += 1) {
    await ask(server, second * 20, second * 20 + 20);
    await tick();
  }
  const status = await server.status("late");
  expect(status).toMatchObject({ state: "rolled-back", reason: expect.stringContaining('segment "2"') as string });
  const { checks } = await verdictOf(server);
  const failed = checks.filter(({ verdict }) => verdict === "fail");
  expect(failed.map(({ test: name, segment }) => [name, segment])).toEqual([["agreement", "2"]]);
  expect(checks.find(({ test: name, segment }) => name === "errors" && segment === undefined)?.verdict).not.toBe(
    "fail",
  );
  expect(checks.find(({ test: name }) => name === "latency")?.verdict).not.toBe("fail");
});

test("SV-17: a canary whose scores move is rolled back by their distribution", async () => {
  await using opened = await open();
  const { server, behave, tick } = opened;
  await deploy(server, { latency: false });
  behave({ outputs: (_rows, probabilities) => void probabilities.fill(0.999) });
  for (let second = 0; second < 59 && (await server.status("late"))?.state === "baking"; second += 1) {
    await ask(server, second * 60, second * 60 + 60);
    await tick();
  }
  expect(await server.status("late")).toMatchObject({
    state: "rolled-back",
    reason: expect.stringContaining("scores are distributed otherwise") as string,
  });
});

test("SV-17: a canary that is calibrated worse, or earns less, is rolled back when labels and outcomes tell", async () => {
  await using opened = await open();
  const { server, behave, tick } = opened;
  const run = async (verdict: VerdictPlan, tell: (answer: Prediction) => void): Promise<string> => {
    await deploy(server, { errors: false, latency: false, scores: false, ...verdict });
    for (let second = 0; second < 59 && (await server.status("late"))?.state === "baking"; second += 1) {
      for (const answer of await ask(server, second * 60, second * 60 + 60)) if (answer !== undefined) tell(answer);
      await tick();
    }
    const { state, reason = "" } = (await server.status("late")) ?? {};
    expect(state).toBe("rolled-back");
    return reason;
  };
  behave({ outputs: (_rows, probabilities) => void probabilities.fill(0.99) });
  const calibration = await run({ calibration: { tolerance: 0.05 } }, ({ provenance: { requestId } }) => {
    // True as often as the baseline says, whoever answered.
    const index = Number(requestId.slice(1));
    const value = (index * 0.618_033_988_75) % 1 < expected(1, rowOf(index));
    server.label({ requestId, value, timeMs: 0 });
  });
  expect(calibration).toContain("calibrated worse");
  behave({});
  const kpi = { name: "order value", range: [0, 100], better: "higher" } as const;
  const earned = await run({ kpi }, ({ provenance: { requestId, variant } }) => {
    server.outcome({ requestId, name: "order value", value: variant === "candidate" ? 20 : 40 });
    server.outcome({ requestId, name: "something else", value: variant === "candidate" ? 100 : 0 });
  });
  expect(earned).toContain('"order value" is 20 with the candidate, and 40 with the baseline');
});

test("SV-16: what a process counted before it ended is judged with what the next one counts", async () => {
  const directory = await mkdtemp(join(tmpdir(), "millwright-canary-"));
  await using folder = await packFolder(2);
  try {
    const plan = { minimumRequests: 150, latency: false, scores: false } as const;
    {
      await using database = await openSqlite(join(directory, "db"));
      await using first = await open({ leaseTtlMs: 1000, pollMs: 1000 }, database, folder);
      await deploy(first.server, plan, 10_000);
      await ask(first.server, 0, 500);
      await first.tick();
    }
    await using database = await openSqlite(join(directory, "db"));
    await using second = await open({ leaseTtlMs: 1000, pollMs: 1000 }, database, folder);
    await ask(second.server, 500, 600);
    for (let tick = 0; tick < 30 && (await second.server.status("late"))?.state === "baking"; tick += 1)
      await second.tick();
    expect((await second.server.status("late"))?.state).toBe("completed");
    const { requests, verdict } = await verdictOf(second.server);
    expect(verdict).toBe("pass");
    expect(requests.baseline + requests.candidate).toBe(600);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test("a verdict that cannot be given is refused", async () => {
  await using opened = await open();
  const { server } = opened;
  const canary = { type: "canary", share: 0.3, bakeMs: 1000 } as const;
  await expect(
    server.deploy("late", { model: "late/2", traffic: { type: "all-at-once" }, verdict: {} }),
  ).rejects.toMatchObject({
    code: "SERVING_DEPLOYMENT_INVALID",
  });
  for (const verdict of [
    { alpha: 0 },
    { alpha: 0.7 },
    { minimumRequests: -1 },
    { latency: { quantile: 1 } },
    { agreement: { minimum: 1.5 } },
    { kpi: { name: "x", range: [1, 1], better: "higher" } },
    { segments: { by: "0", most: 0 } },
  ] as readonly VerdictPlan[])
    await expect(
      server.deploy("late", { model: "late/2", traffic: canary, verdict }),
      JSON.stringify(verdict),
    ).rejects.toMatchObject({
      code: "SERVING_DEPLOYMENT_INVALID",
    });
});
