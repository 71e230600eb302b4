import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type {
  EventId,
  JobSpec,
  MetricPoint,
  MillwrightEvent,
  RunHandle,
  RunOptions,
  RunTracker,
  TrialHandle,
  TrialVerdict,
} from "@millwright/contracts";
import type { StartOptions } from "@millwright/trainer";
import { expect, test } from "vitest";
import { fixture, flights, openSetting } from "./setting.ts";

interface Report {
  readonly step: number;
  readonly value: number;
  readonly checkpoint: string | undefined;
}

function trialThat(
  verdictOf: (step: number) => TrialVerdict,
  checkpoint?: string,
): { trial: TrialHandle; reports: Report[] } {
  const reports: Report[] = [];
  const trial: TrialHandle = {
    id: "trial-1",
    number: 0,
    params: {},
    signal: new AbortController().signal,
    checkpoint,
    report(step, value, options = {}) {
      reports.push({ step, value, checkpoint: options.checkpoint });
      return Promise.resolve(verdictOf(step));
    },
  };
  return { trial, reports };
}

test(
  "a trial is told the objective after each epoch; prune ends the run, pause lets it go on later",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const [train, validation] = [
      await setting.save("train", flights(1_000, 1)),
      await setting.save("validation", flights(300, 2)),
    ];
    const options: StartOptions = { data: { train, validation }, label: "late", epochs: 4, batchSize: 100 };
    const start = async (more: Partial<StartOptions>) =>
      (await setting.trainer.start(fixture("network.train.js"), { ...options, ...more })).result();
    const whole = await start({});

    const pruning = trialThat((step) => (step === 2 ? "prune" : "continue"));
    const pruned = await start({ trial: pruning.trial });
    expect(pruned.outcome).toBe("pruned");
    expect(pruning.reports.map(({ step }) => step)).toEqual([1, 2]);
    expect(pruning.reports.map(({ value }) => value)).toEqual(
      whole.epochs.slice(0, 2).map(({ metrics }) => metrics["logLoss"]),
    );

    const pausing = trialThat((step) => (step === 2 ? "pause" : "continue"));
    const paused = await start({ trial: pausing.trial });
    expect(paused).toMatchObject({ outcome: "paused", modelDirectory: undefined });
    const resuming = trialThat(() => "continue", pausing.reports.at(-1)?.checkpoint);
    const resumed = await start({ trial: resuming.trial });
    expect(resuming.reports.map(({ step }) => step)).toEqual([3, 4]);
    expect(resumed.weightsDigest).toBe(whole.weightsDigest);
  },
);

test("a tracker is told parameters, the metrics of each epoch, and the end", { timeout: 600_000 }, async () => {
  await using setting = await openSetting();
  const train = await setting.save("train", flights(500, 1));
  const told: { options?: RunOptions; params: object[]; points: MetricPoint[]; ends: string[] } = {
    params: [],
    points: [],
    ends: [],
  };
  const tracker = {
    startRun(options: RunOptions): Promise<RunHandle> {
      told.options = options;
      return Promise.resolve({
        id: "tracked-7" as RunHandle["id"],
        eventId: "run-started" as EventId,
        logParams: (params) => void told.params.push(params),
        logMetrics: (points) => void told.points.push(...points),
        logArtifact: () => Promise.reject(new Error("none is expected")),
        flush: () => Promise.resolve(),
        end: (status) => Promise.resolve(void told.ends.push(status)),
      });
    },
  };
  const run = await setting.trainer.start(fixture("network.train.js"), {
    data: { train, validation: Promise.resolve(train) },
    label: "late",
    epochs: 2,
    tracker,
    experiment: "late flights",
    params: { learningRate: 0.02 },
    trial: { ...trialThat(() => "continue").trial, eventId: "trial-started" as EventId },
  });
  const { metrics } = await run.result();
  expect(told.options).toMatchObject({ experiment: "late flights", from: [{ kind: "dataset", id: train.digest }, {}] });
  expect(told.params[0]).toMatchObject({ learningRate: 0.02, epochs: 2, seed: 1 });
  expect(told.points.filter(({ name }) => name === "auc").map(({ step }) => step)).toEqual([1, 2]);
  expect(told.points).toContainEqual({ name: "final.auc", value: metrics["auc"], step: 2 });
  expect(told.ends).toEqual(["finished"]);
  // The trial's event causes the run's, that one the job and what the run tells.
  expect(told.options?.causedBy).toBe("trial-started");
  const [folder = ""] = (await readdir(join(setting.directory, "jobs"))).filter((name) => name.startsWith(run.id));
  const { spec } = JSON.parse(await readFile(join(setting.directory, "jobs", folder, "spec.json"), "utf8")) as {
    spec: JobSpec;
  };
  expect(spec.causedBy).toBe("run-started");
  const events: MillwrightEvent[] = [];
  for await (const event of run.events()) events.push(event);
  expect(events[0]).toMatchObject({ type: "run.started", causationid: "run-started" });
  expect(events.at(-1)?.type).toBe("run.finished");
  for (const { causationid } of events.slice(1)) expect(causationid).toBe(events[0]?.id);
});

test(
  "starting the same id again goes on with the tracked run there is, where the tracker can",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", flights(300, 1));
    const told: string[] = [];
    const handle = (id: string): RunHandle => ({
      id: id as RunHandle["id"],
      logParams: () => {},
      logMetrics: () => {},
      logArtifact: () => Promise.reject(new Error("none is expected")),
      flush: () => Promise.resolve(),
      end: (status) => Promise.resolve(void told.push(`${status} ${id}`)),
    });
    let started = 0;
    const tracker: RunTracker = {
      startRun: async () => {
        started += 1;
        told.push(`started tracked-${started}`);
        return handle(`tracked-${started}`);
      },
      resumeRun: async (id) => {
        told.push(`resumed ${id}`);
        return handle(id);
      },
    };
    const start = async (id: string) =>
      (
        await setting.trainer.start(fixture("network.train.js"), {
          data: { train },
          label: "late",
          epochs: 1,
          id,
          tracker,
        })
      ).result();
    await start("nightly");
    await start("nightly");
    await start("weekly");
    expect(told).toEqual([
      "started tracked-1",
      "finished tracked-1",
      "resumed tracked-1",
      "finished tracked-1",
      "started tracked-2",
      "finished tracked-2",
    ]);
  },
);

test("early stopping ends with the weights of the best epoch", { timeout: 600_000 }, async () => {
  await using setting = await openSetting();
  const [train, validation] = [
    await setting.save("train", flights(300, 1)),
    await setting.save("validation", flights(300, 2)),
  ];
  const run = await setting.trainer.start(fixture("network.train.js"), {
    data: { train, validation },
    label: "late",
    params: { units: [64, 64], dropout: 0, learningRate: 0.05 },
    epochs: 60,
    batchSize: 50,
    earlyStopping: { patience: 4 },
  });
  const { outcome, epochs, bestEpoch, metrics } = await run.result();
  expect(outcome).toBe("stopped-early");
  expect(epochs.length).toBe(bestEpoch + 4);
  const losses = epochs.map(({ metrics: { logLoss } }) => logLoss ?? Number.NaN);
  expect(losses[bestEpoch - 1]).toBe(Math.min(...losses));
  expect(metrics["logLoss"]).toBe(losses[bestEpoch - 1]);
});
