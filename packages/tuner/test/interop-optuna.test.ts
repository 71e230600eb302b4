import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { hasCode } from "@millwright/contracts";
import {
  type Space,
  type Trial,
  bool,
  categorical,
  constant,
  float,
  int,
  openStudy,
  ordinal,
  permutation,
  randomSampler,
  subset,
  when,
} from "@millwright/tuner";
import {
  type ImportedStudy,
  fromOptuna,
  readOptunaDatabase,
  readOptunaJournal,
  toOptuna,
  writeOptunaDatabase,
  writeOptunaJournal,
} from "@millwright/tuner/interop";
import { DatabaseSync } from "@photostructure/sqlite";
import { expect, test } from "vitest";

const golden = (name: string): URL => new URL(`./golden/optuna-5.0.0-studies.${name}`, import.meta.url);
const unzipped = (name: string): Buffer => gunzipSync(readFileSync(golden(name)));

interface ToldTrial {
  readonly state: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly values: readonly string[] | null;
  readonly intermediates: Readonly<Record<string, string>>;
  readonly attributes: Readonly<Record<string, unknown>>;
}

interface Told {
  readonly name: string;
  readonly directions: readonly string[];
  readonly trials: readonly ToldTrial[];
}

/** What Optuna itself said of its studies. */
const told = JSON.parse(readFileSync(golden("json"), "utf8")) as Readonly<
  Record<"journal" | "sqlite", readonly Told[]>
>;
const states: Readonly<Record<string, string>> = {
  COMPLETE: "completed",
  PRUNED: "pruned",
  FAIL: "failed",
  WAITING: "waiting",
};
const numberOf = (text: string): number =>
  text === "nan" ? Number.NaN : text === "inf" ? Infinity : text === "-inf" ? -Infinity : Number(text);

function expectSame(imported: ImportedStudy, study: Told): void {
  expect(imported.name).toBe(study.name);
  expect(imported.directions).toEqual(study.directions);
  expect(imported.trials).toHaveLength(study.trials.length);
  for (const [number, trial] of study.trials.entries()) {
    const own = imported.trials[number] as Trial;
    expect(own.state).toBe(states[trial.state]);
    if (trial.state !== "WAITING") expect(own.params).toEqual(trial.params);
    if (trial.state === "COMPLETE") expect(own.values).toEqual(trial.values?.map(numberOf));
    expect(own.intermediates).toEqual(
      Object.entries(trial.intermediates).map(([step, value]) => [Number(step), numberOf(value)]),
    );
    expect(own.attributes ?? {}).toEqual(trial.attributes);
  }
}

test("HT-30: Optuna's journal file is read: every trial and value as Optuna tells them", () => {
  const studies = readOptunaJournal(unzipped("journal.gz").toString());
  expect(studies).toHaveLength(2);
  for (const [index, study] of told.journal.entries()) expectSame(studies[index] as ImportedStudy, study);
  const [one, two] = studies as [ImportedStudy, ImportedStudy];
  // It was only asked for beside one choice of another parameter, and the import finds that out.
  expect(one.space["share"]?.conditions).toEqual([{ parameter: "kind", values: ["a"] }]);
  expect(one.trials.at(-1)?.params).toEqual({ rate: 0.02, units: 24, kind: 3 });
  expect(one.losses).toEqual([]);
  expect(two.trials.every(({ constraintValues }) => constraintValues?.length === 1)).toBe(true);
});

test("HT-30: Optuna's database is read: the best trial and all values are the same", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millwright-optuna-"));
  await writeFile(join(folder, "study.sqlite"), unzipped("sqlite.gz"));
  const database = new DatabaseSync(join(folder, "study.sqlite"));
  try {
    const studies = await readOptunaDatabase((sql) => database.prepare(sql).all());
    for (const [index, study] of told.sqlite.entries()) expectSame(studies[index] as ImportedStudy, study);
  } finally {
    database.close();
    await rm(folder, { recursive: true });
  }
  await expect(
    readOptunaDatabase(() => {
      throw new RangeError("no such table");
    }),
  ).rejects.toSatisfy((error) => hasCode(error, "TUNER_IMPORT_INVALID"));
});

const space = {
  rate: float(1e-4, 1, { log: true }),
  near: float(0, 0.99, { reverseLog: true }),
  share: float(0, 1, { step: 0.3 }),
  layers: int(1, 8, { log: true }),
  units: int(8, 60, { step: 16 }),
  kind: categorical(["a", null, true, 3]),
  size: ordinal([1, 10]),
  extra: when("kind", ["a"], bool()),
  version: constant("v1"),
  order: permutation(["p", "q", "r"]),
  inputs: subset(["x", "y"], { min: 1 }),
} satisfies Space;

async function madeStudy(): Promise<{ readonly name: string; readonly trials: readonly Trial[] }> {
  await using study = await openStudy({
    name: "ours",
    space,
    direction: "maximize",
    sampler: randomSampler(),
    pruner: false,
  });
  await study.optimize(
    async ({ params, number, report }) => {
      await report(0, number);
      await report(1, number / 2);
      if (number === 3) return Infinity;
      return params.rate + params.layers;
    },
    { trials: 12 },
  );
  await study.enqueue((await study.trials())[0]?.params as never);
  return { name: "ours", trials: await study.trials() };
}

test("what is written as Optuna's journal or database is read back as it was, but for what Optuna has no place for", async () => {
  const { name, trials } = await madeStudy();
  const record = { name, space, directions: ["maximize"] as const, trials };
  const journal = writeOptunaJournal(record);
  const database = new DatabaseSync(":memory:");
  const written = writeOptunaDatabase(record);
  for (const statement of written.statements) database.exec(statement);
  const read = [
    ...readOptunaJournal(journal.text),
    ...(await readOptunaDatabase((sql) => database.prepare(sql).all())),
  ];
  database.close();
  expect(read).toHaveLength(2);
  for (const back of read) {
    expect(back.directions).toEqual(["maximize"]);
    for (const [index, trial] of trials.entries()) {
      const own = back.trials[index] as Trial;
      expect([own.state, own.values, own.intermediates]).toEqual([trial.state, trial.values, trial.intermediates]);
      const { order, inputs, ...rest } = trial.params;
      if (trial.state === "completed")
        expect(own.params).toEqual({ ...rest, order: JSON.stringify(order), inputs: JSON.stringify(inputs) });
      else expect(own.params).toEqual(trial.params);
    }
  }
  expect(journal.losses).toEqual(written.losses);
  expect(journal.losses.map(({ path }) => path)).toEqual(["near", "size", "extra", "order", "inputs"]);
});

test("Optuna's distributions of all releases become parameters, and foreign ones are refused by name", () => {
  const attributes = { low: 1, high: 9, q: 2, step: 2, log: true };
  expect(fromOptuna("x", { name: "DiscreteUniformDistribution", attributes: { low: 0, high: 1, q: 0.25 } })).toEqual(
    float(0, 1, { step: 0.25 }),
  );
  expect(fromOptuna("x", { name: "LogUniformDistribution", attributes })).toEqual(float(1, 9, { log: true }));
  expect(fromOptuna("x", { name: "IntUniformDistribution", attributes: { low: 1, high: 9, step: 2 } })).toEqual(
    int(1, 9, { step: 2 }),
  );
  expect(fromOptuna("x", { name: "IntLogUniformDistribution", attributes })).toEqual(int(1, 9, { log: true }));
  expect(toOptuna("units", space.units).distribution.attributes).toEqual({ step: 16, low: 8, high: 56, log: false });
  for (const wrong of [
    { name: "GammaDistribution", attributes },
    { name: "FloatDistribution", attributes: { low: "a", high: 1 } },
    { name: "CategoricalDistribution", attributes: {} },
  ])
    expect(() => fromOptuna("x", wrong)).toThrow(expect.objectContaining({ code: "TUNER_IMPORT_INVALID" }));
  expect(() => toOptuna("many", permutation([1, 2, 3, 4, 5, 6, 7, 8]))).toThrow("more than 1000");
});

test("a journal's broken line is named, and an unfinished last one is left alone", () => {
  const whole = unzipped("journal.gz").toString();
  expect(readOptunaJournal(`${whole}{"op_code": 4, "study`)).toHaveLength(2);
  expect(() => readOptunaJournal(`{"op_code"\n${whole}`)).toThrow("line 1");
  expect(() => readOptunaJournal('{"op_code":6,"trial_id":9,"state":1}\n')).toThrow("trial 9");
});
