import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqlite } from "@millwright/storage";
import {
  type Params,
  type Trial,
  categorical,
  constant,
  float,
  int,
  lineageOf,
  linear,
  openStudy,
  ordinal,
  pbtSampler,
  when,
} from "@millwright/tuner";
import { createRandom } from "@millwright/contracts";
import { expect, test } from "vitest";
import { explore } from "../src/evolution/explore.ts";
import { validateParams } from "../src/space-check.ts";

/** What a model is here: how long it trained, how far it got, and the rates it was trained with. */
interface Model {
  readonly steps: number;
  readonly progress: number;
  readonly rates: readonly number[];
}

const space = { rate: float(1e-4, 1, { log: true }) };
const rounds = 20;
const stretch = 10;

/** The best rate falls from 0.1 to 0.001 while a model trains: each step gains the more, the nearer its rate is to that. */
function train({ steps, progress, rates }: Model, rate: number): Model {
  let gained = progress;
  for (let step = steps; step < steps + stretch; step += 1) {
    const best = -1 - (2 * step) / (rounds * stretch);
    gained += Math.exp(-2 * (Math.log10(rate) - best) ** 2);
  }
  return { steps: steps + stretch, progress: gained, rates: [...rates, rate] };
}

const empty: Model = { steps: 0, progress: 0, rates: [] };

async function population(seed: number, database?: Awaited<ReturnType<typeof openSqlite>>) {
  await using study = await openStudy({
    name: `pbt-${seed}`,
    space,
    direction: "maximize",
    sampler: pbtSampler({ population: 8 }),
    pruner: false,
    seed,
    database,
  });
  await study.optimize(
    async ({ params, checkpoint, report }) => {
      const model = train(checkpoint === undefined ? empty : (JSON.parse(checkpoint) as Model), params.rate);
      await report(model.steps, model.progress, { checkpoint: JSON.stringify(model) });
      return model.progress;
    },
    { trials: database === undefined ? 8 * rounds : 60 },
  );
  return study.trials();
}

test("HT-29: a population beats every fixed parameter where the best one moves, and the lineage rebuilds each member", async () => {
  // Far more fixed rates than the population has members, each trained as long as a member.
  const fixed = Array.from({ length: 401 }, (_, index) => {
    let model = empty;
    for (let round = 0; round < rounds; round += 1) model = train(model, 10 ** (-4 + index / 100));
    return model.progress;
  });
  const best = Math.max(...fixed);
  for (const seed of [1, 2, 3, 4, 5]) {
    const trials = await population(seed);
    const last = trials.slice(-8);
    expect(Math.max(...last.map(({ value }) => value ?? 0))).toBeGreaterThan(1.1 * best);
    for (const trial of trials) {
      const lineage = lineageOf(trials, trial.number);
      const rebuilt = lineage.reduce((model, { params }) => train(model, params["rate"] as number), empty);
      expect(JSON.parse(trial.checkpoint ?? "")).toEqual(rebuilt);
      expect(lineage.map(({ params }) => params["rate"])).toEqual(rebuilt.rates);
    }
    for (const { explanation, params } of trials.filter((trial) => trial.explanation["action"] === "exploit")) {
      const { rank, of, parent, donor, member } = explanation;
      const source = trials[Number(parent)] as Trial;
      expect(of).toBe(8);
      // The worst quarter takes over from the best quarter.
      expect(rank).toBeGreaterThanOrEqual(6);
      expect(source.explanation["member"]).toBe(donor);
      expect(donor).not.toBe(member);
      // At the edge of the range there is no further.
      if (Number(source.params["rate"]) > 1.01e-4) expect(params["rate"]).not.toBe(source.params["rate"]);
    }
  }
});

test("numbers are multiplied by 0.8 or 1.2, or drawn anew a quarter of the time", () => {
  const random = createRandom(3);
  const options = { factors: [0.8, 1.2], resample: 0.25, kept: new Set<string>(), constraints: [] };
  let [down, up, anew] = [0, 0, 0];
  for (let draw = 0; draw < 4_000; draw += 1) {
    const { rate } = explore(space, { rate: 0.01 }, options, random) as { rate: number };
    if (Math.abs(rate - 0.008) < 1e-12) down += 1;
    else if (Math.abs(rate - 0.012) < 1e-12) up += 1;
    else anew += 1;
  }
  // Three standard errors of each share.
  expect(Math.abs(down / 4_000 - 0.375)).toBeLessThan(0.023);
  expect(Math.abs(up / 4_000 - 0.375)).toBeLessThan(0.023);
  expect(Math.abs(anew / 4_000 - 0.25)).toBeLessThan(0.021);
});

test("what is explored stays in the domain, keeps constraints and conditions, and moves by a step at least", () => {
  const wide = {
    rate: float(1e-4, 1, { log: true }),
    layers: int(1, 5),
    share: float(-1, 1, { step: 0.25 }),
    size: ordinal(["s", "m", "l"]),
    optimizer: categorical(["adam", "sgd"]),
    momentum: when("optimizer", ["sgd"], float(0, 0.99)),
    version: constant(3),
    width: int(8, 64, { step: 8 }),
  };
  const constraints = [linear({ layers: 1, share: 1 }, { atMost: 4.5 })];
  const random = createRandom(5);
  const options = { factors: [0.8, 1.2], resample: 0.25, kept: new Set(["width"]), constraints };
  let from: Params = { rate: 0.01, layers: 2, share: 0.5, size: "m", optimizer: "adam", version: 3, width: 32 };
  const layers = new Set<unknown>();
  for (let draw = 0; draw < 5_000; draw += 1) {
    from = explore(wide, from, options, random);
    validateParams(wide, from);
    expect(Number(from["layers"]) + Number(from["share"])).toBeLessThanOrEqual(4.5);
    expect(from["width"]).toBe(32);
    layers.add(from["layers"]);
  }
  expect(layers.size).toBe(5);
  const step = { ...options, resample: 0, constraints: [] };
  expect([1, 3]).toContain(explore({ layers: int(1, 5) }, { layers: 2 }, step, random)["layers"]);
  expect(["s", "l"]).toContain(explore({ size: ordinal(["s", "m", "l"]) }, { size: "m" }, step, random)["size"]);
});

test("members train side by side, a failed one takes over from another, and no member trains twice at a time", async () => {
  await using study = await openStudy({
    name: "side",
    space,
    direction: "maximize",
    sampler: pbtSampler({ population: 4 }),
    pruner: false,
  });
  const busy = new Set<unknown>();
  let failed = 0;
  await study.optimize(
    async (trial) => {
      const { explanation } = (await study.trials())[trial.number] as Trial;
      expect(busy.has(explanation["member"])).toBe(false);
      busy.add(explanation["member"]);
      await new Promise((resolve) => setTimeout(resolve, trial.number % 3));
      busy.delete(explanation["member"]);
      if (trial.number === 9) {
        failed = Number(explanation["member"]);
        throw new Error("out of memory");
      }
      const model = train(
        trial.checkpoint === undefined ? empty : (JSON.parse(trial.checkpoint) as Model),
        trial.params.rate,
      );
      await trial.report(model.steps, model.progress, { checkpoint: JSON.stringify(model) });
      return model.progress;
    },
    { trials: 40, parallelism: 6 },
  );
  const trials = await study.trials();
  const after = trials.find(({ number, explanation }) => number > 9 && explanation["member"] === failed);
  expect(after?.explanation).toMatchObject({ action: "exploit", replaced: 9 });
  expect(after?.explanation["parent"]).not.toBe(9);
  expect(new Set(trials.map(({ explanation }) => explanation["member"])).size).toBeGreaterThanOrEqual(4);
});

test("a study on disk goes on with the same population", async () => {
  const path = join(await mkdtemp(join(tmpdir(), "pbt-")), "pbt.db");
  {
    await using database = await openSqlite(path);
    await population(7, database);
  }
  await using database = await openSqlite(path);
  await using study = await openStudy({
    name: "pbt-7",
    space,
    direction: "maximize",
    sampler: pbtSampler({ population: 8 }),
    pruner: false,
    seed: 7,
    database,
  });
  const next = await study.ask();
  const whole = await population(7);
  expect(next.number).toBe(60);
  expect(next.params).toEqual(whole[60]?.params);
  const parent = (await study.trials())[60]?.explanation["parent"];
  expect(next.checkpoint).toBe(whole[Number(parent)]?.checkpoint);
});

test("options that make no sense are refused", () => {
  for (const options of [
    { population: 1 },
    { quantile: 0 },
    { quantile: 0.6 },
    { factors: [] },
    { factors: [0] },
    { resampleProbability: 2 },
  ])
    expect(() => pbtSampler(options)).toThrow(RangeError);
  expect(() => pbtSampler({ fixed: [1 as never] })).toThrow(TypeError);
  expect(() => lineageOf([], 3)).toThrow("There is no trial 3");
});
