import { cp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ReportData } from "../src/report-data.ts";
import { eventLog } from "./events.cases.ts";
import { type Ended, fewest, runJob, temporaryFolder } from "./job-process.ts";
import { refusals } from "./refusals.cases.ts";
import { serving } from "./serving.cases.ts";
import { trouble } from "./trouble.cases.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let ended: Ended;
const finished = (): string => join(folder.path, "finished");

/** A copy of the finished run, to be broken. */
async function copy(name: string): Promise<string> {
  const target = join(folder.path, name);
  await rm(target, { recursive: true, force: true });
  await cp(finished(), target, { recursive: true });
  return target;
}

beforeAll(async () => {
  folder = await temporaryFolder();
  ended = await runJob([...fewest, "--output", finished()]);
}, 600_000);

afterAll(() => folder?.[Symbol.asyncDispose]());

const reportOf = async (): Promise<ReportData> =>
  JSON.parse(await readFile(join(finished(), "report.json"), "utf8")) as ReportData;

test("the job runs from the raw file to the report", async () => {
  expect(ended.status, ended.output).toBe(0);
  expect(ended.output).toContain(`Report: ${join(finished(), "report.html")}`);
  expect(ended.output).not.toMatch(/^\s+at /m);
});

test("the report is one file that asks for nothing from outside", async () => {
  const page = await readFile(join(finished(), "report.html"), "utf8");
  expect(page).not.toMatch(/<script|<link|<img|<iframe|@import|url\(/i);
  // The namespaces of SVG are names, not addresses that are read.
  expect(page.replaceAll(/xmlns(:\w+)?="[^"]*"/g, "")).not.toMatch(/https?:\/\//);
  expect(page.match(/<svg/g)?.length).toBeGreaterThanOrEqual(6);
  expect(page).not.toMatch(/\bNaN\b|undefined/);
});

test("what it learnt is better than both baselines, and knows nothing of the future", async () => {
  const { data, leakage, training, rows, timings } = await reportOf();
  expect(rows).toBeGreaterThan(19_000);
  expect(rows).toBeLessThan(21_000);
  expect(data.months.reduce((sum, { flights }) => sum + flights, 0)).toBe(data.flights);
  expect(leakage).toMatchObject({ labels: 500, values: 500 * 36, different: 0 });
  expect(leakage.closestMinutes).toBeGreaterThan(0);
  expect(training.trials).toHaveLength(12);
  expect(training.trials.filter(({ study }) => study === "late-trees")).toHaveLength(4);
  for (const { state, value, epochs } of training.trials) {
    expect(["completed", "pruned"]).toContain(state);
    expect(value).toBeGreaterThan(0);
    expect(epochs).toBe(state === "completed" ? 3 : Math.min(3, epochs));
  }
  // Both kinds were trained, and the better one was taken.
  expect(training.models.map(({ name }) => name).toSorted()).toEqual(["network", "trees"]);
  const [chosen, other] = training.models;
  expect(training.model).toEqual(chosen?.quality);
  expect(chosen!.quality.logLoss).toBeLessThanOrEqual(other!.quality.logLoss);
  expect(training.worth.baselines.map(({ kind, verdict }) => `${kind} ${verdict}`)).toEqual(
    expect.arrayContaining(["trivial better", "trivial better"]) as string[],
  );
  expect(training.worth.baselines.map(({ kind }) => kind)).toEqual(["trivial", "trivial", "linear"]);
  expect(training.baselines).toHaveLength(2);
  for (const { auc, logLoss } of training.baselines) {
    expect(training.model.auc).toBeGreaterThan(auc + 0.03);
    expect(training.model.logLoss).toBeLessThan(logLoss);
  }
  expect(timings.map(({ name }) => name)).toEqual([
    "ingest",
    "features",
    "leakage",
    "tune",
    "train",
    "register",
    "replay",
  ]);
});

test("the champion is approved, the bad candidate is taken back, and the features served are those of history", async () => {
  const { registry, replay, canary, watch } = await reportOf();
  expect(registry).toMatchObject({ version: "late/1", approvedBy: "flight-delays" });
  expect(registry.lineage.length).toBeGreaterThan(0);
  expect(replay.parity.different).toBe(0);
  expect(replay.parity.values).toBeGreaterThan(50_000);
  expect(replay.requests).toBe(replay.june.rows + canary.requests);
  expect(replay.june.auc).toBeGreaterThan(0.58);
  expect(canary).toMatchObject({ candidate: "late/2", state: "rolled-back", aliasAfter: "late/1" });
  expect(canary.requests).toBeGreaterThan(0);
  expect(canary.reason).toContain('"quality" fired');
  expect(canary.rolledBackMs).toBeGreaterThan(canary.deployedMs);
  expect(canary.events.map(({ type }) => type)).toEqual(
    expect.arrayContaining(["alert.firing", "deployment.rolled-back"]),
  );
  expect(watch.slos.map(({ name }) => name)).toEqual(["answers", "fast answers"]);
  expect(watch.drift.length).toBeGreaterThan(30);
  expect(watch.advice.join("\n")).toContain("late/2 was taken back");
});

eventLog({ copy });
serving({ copy });
trouble({ copy });
refusals();
