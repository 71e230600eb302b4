import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createRandom } from "@millwright/contracts";
import { openDuckDb } from "@millwright/duckdb";
import type { InputOptions, StartOptions } from "@millwright/trainer";
import { expect, test } from "vitest";
import { fixture, flights, killAt, openSetting } from "./setting.ts";

test("TR-32: a run that streams its rows ends with the bits of one that keeps them", { timeout: 600_000 }, async () => {
  await using setting = await openSetting();
  const [train, validation] = [
    await setting.save("train", flights(3_000, 1)),
    await setting.save("validation", flights(500, 2)),
  ];
  const options: StartOptions = { data: { train, validation }, label: "late", epochs: 2, batchSize: 70, seed: 11 };
  const result = async (input: InputOptions, more: Partial<StartOptions> = {}) => {
    const run = await setting.trainer.start(fixture("network.train.js"), { ...options, ...more, input });
    const modes = [];
    for await (const { type, data } of run.events()) if (type === "run.started") modes.push(data["input"]);
    const { weightsDigest, metrics, epochs, digest } = await run.result();
    return { modes, weightsDigest, metrics, epochs, digest };
  };
  const target: Partial<StartOptions> = {
    plan: [
      { kind: "target", column: "carrier", target: "late" },
      { kind: "numeric", column: "wind" },
    ],
    maxRows: 1_111,
  };
  for (const [more, prefetch] of [
    [{}, true],
    [target, false],
  ] as const) {
    const { digest: _kept, ...kept } = await result({ mode: "matrix", shuffleRows: 700 }, more);
    const { digest: _streamed, ...streamed } = await result({ mode: "stream", shuffleRows: 700, prefetch }, more);
    expect(streamed).toEqual({ ...kept, modes: ["stream"] });
  }
  // The order is that of the buffers: one of all rows is the matrix's own.
  const [few, all] = [await result({ mode: "stream", shuffleRows: 10 }), await result({ mode: "stream" })];
  expect(few.weightsDigest).not.toBe(all.weightsDigest);
  expect(all.weightsDigest).toBe((await result({})).weightsDigest);
});

test(
  "TR-32: a run that streams, killed at random batches and resumed, ends with the bits of an uninterrupted one",
  { timeout: 600_000 },
  async () => {
    await using setting = await openSetting();
    const train = await setting.save("train", flights(2_500, 1));
    const options: StartOptions = {
      data: { train },
      label: "late",
      epochs: 3,
      batchSize: 50,
      seed: 11,
      checkpoints: { everySteps: 7 },
      progressEveryMs: 0,
      input: { mode: "stream", shuffleRows: 600 },
    };
    const start = (more: Partial<StartOptions>) =>
      setting.trainer.start(fixture("network.train.js"), { ...options, ...more });
    const whole = await (await start({})).result();
    const random = createRandom(32);
    const steps = Array.from({ length: 2 }, () => 5 + random.integer(130)).toSorted((a, b) => a - b);
    let resumeFrom: string | undefined;
    for (const step of steps) {
      const run = await start({ resumeFrom });
      await killAt(run, step);
      await expect(run.result()).rejects.toMatchObject({ code: "TRAINER_RUN_FAILED" });
      resumeFrom = join(run.directory, "checkpoints");
    }
    const resumed = await (await start({ resumeFrom })).result();
    expect(resumed.weightsDigest).toBe(whole.weightsDigest);
    expect(resumed.epochs).toEqual(whole.epochs);
    // Another order of the same rows is another training.
    const other = await start({ resumeFrom, input: { mode: "stream", shuffleRows: 500 } });
    await expect(other.result()).rejects.toThrow(/shuffle was .*600.* and is .*500/);
  },
);

test("TR-32: what a stream holds does not grow with the rows", { timeout: 600_000 }, async () => {
  await using setting = await openSetting();
  await using duckdb = await openDuckDb();
  const columns = Array.from({ length: 30 }, (_, at) => `((i * ${at + 3}) % 1009)::FLOAT AS c${at}`);
  const script = fileURLToPath(fixture("read-rows.js"));
  const growth = async (rows: number): Promise<number> => {
    const path = join(setting.directory, `${rows}.parquet`);
    await duckdb.writeParquet(`SELECT ${columns.join(", ")}, i % 2 = 0 AS late FROM range(${rows}) AS r(i)`, path);
    const ref = await (await duckdb.scan(path)).ref();
    const input = JSON.stringify({ ref, mode: "stream", directory: setting.directory });
    const { stdout } = await promisify(execFile)(process.execPath, [script, input]);
    return (JSON.parse(stdout) as { readonly growthBytes: number }).growthBytes;
  };
  // As a matrix they would have 37 and 161 MB; a stream may have 16 MB here, and DuckDB and the collector theirs.
  const [few, many] = [await growth(300_000), await growth(1_300_000)];
  expect(many - few).toBeLessThan(40e6);
});
