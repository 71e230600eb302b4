import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, type TestContext } from "vitest";
import {
  defineObjective,
  googleProfile,
  histogramCounters,
  type Objective,
  type ObjectiveOptions,
  prometheusRulesYaml,
  promtoolTests,
  pyrraProfile,
  replayTrace,
  servingErrorCounters,
  slothProfile,
  sustainedProfile,
  thresholdOf,
} from "../src/slo.ts";
import { incidentTrace, type Trace, traceKinds } from "./incident-traces.ts";

const promtool = process.env["MILLWRIGHT_PROMTOOL"] ?? "promtool";
const found = spawnSync(promtool, ["--version"]).status === 0;

function needsPromtool({ skip }: TestContext): void {
  if (process.env["CI"] === "true") return;
  skip(!found, `there is no ${promtool}: apt-get install prometheus, or name the program in MILLWRIGHT_PROMTOOL`);
}

/** What promtool does takes a busy machine minutes. */
const patience = { timeout: 1_200_000 };

const given = (objective: Objective) => ({ objective, counters: servingErrorCounters("late"), service: "late" });

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "millwright-rules-"));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Told {
  readonly code: number;
  readonly text: string;
}

function call(folder: string, ...words: readonly string[]): Told {
  const { status, stdout, stderr } = spawnSync(promtool, words, { cwd: folder, encoding: "utf8", maxBuffer: 1 << 28 });
  return { code: status ?? -1, text: `${stdout}${stderr}` };
}

/** Replays traces in the engine and in promtool, and gives what promtool says. */
async function compared(objective: Objective, traces: readonly Trace[], startAt: number): Promise<Told> {
  let told: Told = { code: -1, text: "" };
  await inFolder(async (folder) => {
    await writeFile(join(folder, "rules.yml"), prometheusRulesYaml([given(objective)]));
    const files = traces.map((_, index) => `trace-${index}.yml`);
    for (const [index, { name, minutes }] of traces.entries())
      await writeFile(
        join(folder, `trace-${index}.yml`),
        promtoolTests(given(objective), minutes, { rulesFile: "rules.yml", name, startAt }),
      );
    told = call(folder, "test", "rules", ...files);
  });
  return told;
}

const minute = 60_000;
const hour = 60 * minute;
/** Sloth's table in a tenth of its time, so that tickets come within a day too. */
const quickened = slothProfile().map((row) => ({
  ...row,
  longMs: row.longMs / 6,
  shortMs: Math.max(minute, row.shortMs / 5 - ((row.shortMs / 5) % minute)),
}));
const profiles: Readonly<Record<string, Partial<ObjectiveOptions>>> = {
  google: { profile: googleProfile() },
  "sloth, six times as fast": { profile: quickened },
  sustained: { profile: [...sustainedProfile(), ...googleProfile().slice(0, 1)] },
  "with an alarm for silence": { profile: pyrraProfile().slice(0, 2), missingData: "alarm", minimumEvents: 0 },
  "with Wilson's interval": { profile: googleProfile().slice(0, 2), lowTraffic: { wilsonZ: 1.96 } },
};

test.for(Object.entries(profiles))(
  "MO-51: rules of %s fire in promtool at the minutes at which the engine does",
  patience,
  async ([name, options], context) => {
    needsPromtool(context);
    const seeds = name.startsWith("google") || name.startsWith("sloth") ? [1, 2] : [3];
    const objective = defineObjective({
      name: "late-available",
      objective: 0.999,
      periodMs: 30 * 24 * hour,
      ...options,
    });
    const traces = traceKinds.flatMap((kind) => seeds.map((seed) => incidentTrace(kind, seed, 600)));
    const fired = traces.map(
      ({ minutes }) => replayTrace(objective, minutes).filter(({ page, ticket }) => page || ticket).length,
    );
    // Nothing is proven by alerts that never fire.
    expect(fired.filter((count) => count > 0).length, name).toBeGreaterThan(traces.length / 3);
    expect(await compared(objective, traces, 1_000_000)).toEqual({
      code: 0,
      text: expect.stringContaining("SUCCESS") as string,
    });
  },
);

test(
  "MO-51: what exactly meets a threshold fires in both, and what is one event below it in neither",
  patience,
  async (context) => {
    needsPromtool(context);
    const row = { severity: "page", longMs: 5 * minute, shortMs: 5 * minute, burnRate: 14.4 } as const;
    const objective = defineObjective({ name: "late-available", objective: 0.999, minimumEvents: 0, profile: [row] });
    // 14.4 * (1 - 0.999) is 0.014400000000000013; 144 of 10,000 are 0.0144.
    const nothing = { bad: 0, total: 0 };
    const meets = Array.from({ length: 30 }, (_, at) => (at < 6 ? nothing : { bad: 144, total: 10_000 }));
    const below = meets.map((each, at) => (at === 20 ? { bad: 143, total: 10_000 } : each));
    const firing = (trace: typeof meets): number => replayTrace(objective, trace).filter(({ page }) => page).length;
    expect([firing(meets), firing(below)]).toEqual([24, 19]);
    const traces = [meets, below].map((minutes) => ({ name: "exact", minutes, incidents: [] }));
    for (const startAt of [0, 5_000_000]) expect(await compared(objective, traces, startAt)).toMatchObject({ code: 0 });
  },
);

test(
  "MO-51: promtool finds nothing wrong with the rules, whatever the profile and the counters",
  patience,
  async (context) => {
    needsPromtool(context);
    await inFolder(async (folder) => {
      for (const [index, options] of Object.values(profiles).entries()) {
        const objective = defineObjective({ name: 'P99 of {{late}} "quoted"', objective: 0.99, ...options });
        const counters = histogramCounters("millwright_serving_latency_seconds", 0.5, { endpoint: "late" });
        const text = prometheusRulesYaml(
          [
            given(defineObjective({ name: "other", objective: 0.95, ...options })),
            { objective, counters, service: "late", labels: { team: "ml" } },
          ],
          { intervalMs: 30_000, runbookUrl: ({ name }) => `https://runbooks.example/${encodeURIComponent(name)}` },
        );
        await writeFile(join(folder, `rules-${index}.yml`), text);
        const { code, text: said } = call(folder, "check", "rules", "--lint=all", "--lint-fatal", `rules-${index}.yml`);
        expect({ code, said }).toEqual({ code: 0, said: expect.stringContaining("SUCCESS") as string });
      }
    });
  },
);

test("MO-51: the thresholds of expressions are the engine's", () => {
  for (const profile of [googleProfile(), slothProfile(), pyrraProfile(), sustainedProfile()]) {
    const objective = defineObjective({ name: "late", objective: 0.9995, profile });
    const text = prometheusRulesYaml([given(objective)]);
    for (const row of profile) expect(text).toContain(`>= ${thresholdOf(0.9995, row)} `);
  }
});

test("MO-51: good counters tell the same as bad ones", patience, async (context) => {
  needsPromtool(context);
  const objective = defineObjective({ name: "late-fast", objective: 0.99, profile: googleProfile().slice(0, 2) });
  const counters = histogramCounters("millwright_serving_latency_seconds", 0.5, { endpoint: "late" });
  const { minutes } = incidentTrace("outage", 4, 300);
  expect(replayTrace(objective, minutes).some(({ page }) => page)).toBe(true);
  await inFolder(async (folder) => {
    await writeFile(join(folder, "rules.yml"), prometheusRulesYaml([{ objective, counters, service: "late" }]));
    await writeFile(
      join(folder, "test.yml"),
      promtoolTests({ objective, counters, service: "late" }, minutes, { rulesFile: "rules.yml", startAt: 1e6 }),
    );
    expect(call(folder, "test", "rules", "test.yml")).toEqual({
      code: 0,
      text: expect.stringContaining("SUCCESS") as string,
    });
  });
});
