import { expect, test } from "vitest";
import { endedWell, startChild } from "./child.ts";
import { openWorkshop } from "./workshop.ts";

interface Line {
  readonly id?: string;
  readonly logged?: number;
}

const linesOf = (output: string): Line[] =>
  output
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);

test(
  "MR-2: eight processes log 100,000 points each into one run and are killed on the way: every point is there once",
  { timeout: 600_000 },
  async () => {
    await using workshop = await openWorkshop();
    const { registry, folder } = workshop;
    const run = await registry.startRun({ experiment: "crowd" });
    const points = 100_000;
    const kills = 16;
    let killed = 0;
    const one = async (writer: number): Promise<void> => {
      for (;;) {
        const child = startChild("crowd-logger.mjs", [folder, run.id, String(writer), String(points)]);
        if (killed < kills) {
          killed += 1;
          // Somewhere on its way: after so many of its batches.
          const batches = 1 + ((killed * 7) % 11);
          await child.said(`"batch":${batches}}`);
          child.process.kill("SIGKILL");
          expect(await child.ended).toMatchObject({ signal: "SIGKILL" });
          continue;
        }
        expect(await child.ended).toEqual(endedWell);
        return;
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, writer) => one(writer)));
    expect(killed).toBe(kills);
    // Each wrote its own range of one metric's steps, and a metric of its own.
    const shared = await registry.series(run.id, "shared");
    expect(shared).toHaveLength(8 * points);
    expect(shared.every(({ step, value }, index) => step === index && value === step / 3)).toBe(true);
    for (let writer = 0; writer < 8; writer += 1)
      expect(await registry.series(run.id, `own-${writer}`)).toHaveLength(points / 100);
    const events = await workshop.events();
    expect(events.map(({ type }) => type)).toEqual(["run.started"]);
    expect((await registry.run(run.id)).metrics["shared"]).toBe((8 * points - 1) / 3);
  },
);

test(
  "MR-3: a program that forgets to end its run exits by itself with everything written, whatever durability it asked for",
  { timeout: 600_000 },
  async () => {
    await using workshop = await openWorkshop();
    for (const durability of ["fire", "buffered", "fsync"]) {
      const child = startChild("durable-logger.mjs", [workshop.folder, durability, "forget"]);
      expect(await child.ended).toEqual(endedWell);
      const lines = linesOf(child.output());
      const id = lines[0]?.id ?? "";
      expect(await workshop.registry.series(id, "loss")).toHaveLength(300);
      expect(await workshop.registry.run(id)).toMatchObject({ status: "running", params: { last: 299 } });
      // From the last line of the program to its end; the time itself is the machine's, so a generous bound that a hang would break.
      const { leftMs } = lines.at(-1) as { readonly leftMs: number };
      expect(Date.now() - leftMs).toBeLessThan(20_000);
    }
  },
);

test(
  "what was acknowledged as buffered or fsync is there after the process is killed; what was fired is there up to a cut between calls",
  { timeout: 600_000 },
  async () => {
    await using workshop = await openWorkshop();
    for (const durability of ["buffered", "fsync", "fire"]) {
      const child = startChild("durable-logger.mjs", [workshop.folder, durability, "forever"]);
      await child.said(`"logged":200}`);
      child.process.kill("SIGKILL");
      await child.ended;
      const lines = linesOf(child.output());
      const logged = lines.at(-1)?.logged ?? 0;
      const series = await workshop.registry.series(lines[0]?.id ?? "", "loss");
      if (durability !== "fire") expect(series.length).toBeGreaterThanOrEqual(logged);
      expect(series).toEqual(series.map((_, step) => ({ step, value: step / 7, timeMs: step })));
      const { params } = await workshop.registry.run(lines[0]?.id ?? "");
      expect(params["last"]).toBe(series.length === 0 ? undefined : series.length - 1);
    }
  },
);

test("a call that cannot be written as a whole writes nothing, and says so before it waits", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const run = await registry.startRun({ experiment: "late" });
  const bad = { params: { rate: 1 }, metrics: [{ name: "loss", value: 1, step: 0.5 }] };
  await expect(run.log(bad)).rejects.toThrowError(RangeError);
  await expect(run.log({}, { durability: "always" as "fire" })).rejects.toThrowError(/fire, buffered or fsync/);
  await run.log({ params: { rate: 2 } }, { durability: "fsync" });
  expect(await registry.run(run.id)).toMatchObject({ params: { rate: 2 }, metrics: {} });
  await run.end("finished");
  await expect(run.log({ params: { rate: 3 } })).rejects.toMatchObject({ code: "REGISTRY_RUN_ENDED" });
});
