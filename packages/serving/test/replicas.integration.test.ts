import { isDeepStrictEqual } from "node:util";
import type { DeploymentStatus } from "@millwright/contracts";
import { expect } from "vitest";
import type { ServingDeploymentPlan, Verdict } from "@millwright/serving";
import { type Engine, postgresEngine, sqlite } from "../../storage/test/engines.ts";
import { packFolder } from "./models.ts";
import { startReplica } from "./replicas.ts";

interface Answer {
  readonly requestId: string;
  readonly variant: string;
  readonly score: number;
}

const patience = { timeout: 120_000, interval: 50 };

// The server's programs are looked for as MILLWRIGHT_POSTGRES says.
const engines: readonly Engine[] = [sqlite, postgresEngine()];

const verdict: ServingDeploymentPlan["verdict"] = {
  minimumRequests: 120,
  latency: false,
  scores: false,
  calibration: { tolerance: 0.5 },
};
const plan: ServingDeploymentPlan = {
  model: "late/2",
  traffic: { type: "canary", share: 0.5, bakeMs: 15_000 },
  verdict,
};
const rounds = 5;

interface Report {
  readonly units: Readonly<Record<string, number>>;
  readonly comparisons: readonly { readonly controlMean: number; readonly armMean: number }[];
}

for (const engine of engines)
  engine.test(
    `three replicas on one ${engine.name} share an experiment: each unit has one arm, figures come to any of them, and a bandit learns from all`,
    async () => {
      await using folder = await packFolder(2);
      await using place = await engine.makePlace();
      await using first = await startReplica(folder.root, place.name, "experiment");
      await using second = await startReplica(folder.root, place.name, "experiment");
      await using third = await startReplica(folder.root, place.name, "experiment");
      const replicas = [first, second, third];
      // Sixty units come to all three at once, where each draws an arm of its own; forty more to each.
      await Promise.all(
        replicas.map(async (replica, at) => {
          await replica.call("ask", { from: 0, to: 60 });
          await replica.call("ask", { from: 100 + 40 * at, to: 140 + 40 * at });
        }),
      );
      const clicks = (from: number, to: number): object[] =>
        Array.from({ length: to - from }, (_, at) => ({ unit: `user ${from + at}`, metric: "click", value: 1 }));
      // Half of them click, and one that never took part; the replica that is told is another than the one that answered.
      await Promise.all(
        replicas.map((replica, at) => {
          const other = 100 + 40 * ((at + 1) % 3);
          const nobody = { unit: "nobody", metric: "click", value: 1 };
          return replica.call("outcome", [...clicks(at * 10, at * 10 + 10), ...clicks(other, other + 20), nobody]);
        }),
      );
      const report = (replica: (typeof replicas)[number]): Promise<Report> => replica.call("report");
      const told = ({ units, comparisons: [means] }: Report): object => {
        const { control = 0, treatment = 0 } = units;
        const sum = control * (means?.controlMean ?? 0) + treatment * (means?.armMean ?? 0);
        return { units: control + treatment, clicks: Math.round(sum * 1e6) / 1e6 };
      };
      for (const replica of replicas)
        await expect.poll(async () => told(await report(replica)), patience).toEqual({ units: 180, clicks: 90 });
      // All come to say the same of each arm, and so does whoever reads the log anew.
      await expect
        .poll(async () => {
          const [one, ...others] = await Promise.all(replicas.map(report));
          return others.every(({ units }) => isDeepStrictEqual(units, one?.units));
        }, patience)
        .toBe(true);
      const reports = await Promise.all(replicas.map(report));
      await third.kill();
      await using fourth = await startReplica(folder.root, place.name, "experiment");
      for (const each of [...reports.slice(1), await report(fourth)]) {
        expect(each.units).toEqual(reports[0]?.units);
        expect(told(each)).toEqual({ units: 180, clicks: 90 });
      }
      // Each unit meets the same arm at every replica.
      const [one, two, three] = await Promise.all(
        [first, second, fourth].map((replica) => replica.call<Answer[]>("ask", { from: 0, to: 60 })),
      );
      const variants = (answers: readonly Answer[] | undefined): unknown => answers?.map(({ variant }) => variant);
      expect(variants(two)).toEqual(variants(one));
      expect(variants(three)).toEqual(variants(one));
    },
    600_000,
  );

for (const engine of engines)
  engine.test(
    `three replicas on one ${engine.name} judge a canary by the traffic and the labels of all, and go on when the one that decides is killed`,
    async () => {
      await using folder = await packFolder(2);
      await using place = await engine.makePlace();
      await using first = await startReplica(folder.root, place.name, "canary");
      await using second = await startReplica(folder.root, place.name, "canary");
      await using third = await startReplica(folder.root, place.name, "canary");
      const replicas = [first, second, third];
      await first.call("deploy", plan);
      // The others follow it.
      for (const replica of replicas)
        await expect
          .poll(async () => (await replica.call<DeploymentStatus | undefined>("status"))?.state, patience)
          .toBe("baking");
      await expect.poll(() => first.call("counted"), patience).toEqual({ replicas: 3, requests: 0, labels: 0 });
      // 300 requests in all: fewer of each variant at each replica than a verdict needs.
      const answers: Answer[][] = [[], [], []];
      for (let round = 0; round < rounds; round += 1)
        await Promise.all(
          replicas.map(async (replica, at) => {
            const from = (round * replicas.length + at) * 20;
            answers[at]?.push(...(await replica.call<Answer[]>("ask", { from, to: from + 20 })));
          }),
        );
      // Each label comes to another replica than the answer.
      const labels = (at: number): object[] =>
        (answers[at] ?? []).map(({ requestId, score }) => ({ requestId, value: score > 0.5 }));
      await Promise.all(replicas.map((replica, at) => replica.call("label", labels((at + 1) % 3))));
      await expect.poll(() => second.call("counted"), patience).toEqual({ replicas: 3, requests: 300, labels: 300 });
      // Before it was done with it.
      expect((await second.call<DeploymentStatus>("status")).state).toBe("baking");
      await first.kill();
      const state = async (): Promise<string | undefined> =>
        (await second.call<DeploymentStatus | undefined>("status"))?.state;
      await expect.poll(state, patience).not.toBe("baking");
      const status = await third.call<DeploymentStatus>("status");
      const { requests, checks } = status.evidence as unknown as Verdict;
      const counted = (variant: (name: string) => boolean): number =>
        answers.flat().filter(({ variant: name }) => variant(name)).length;
      expect(requests).toEqual({
        baseline: counted((name) => name !== "candidate"),
        candidate: counted((name) => name === "candidate"),
      });
      expect(requests.baseline + requests.candidate).toBe(300);
      expect(checks.map(({ test, verdict: word }) => [test, word])).toEqual([
        ["errors", "pass"],
        ["calibration", "pass"],
      ]);
      expect(status.state).toBe("completed");
    },
    600_000,
  );
