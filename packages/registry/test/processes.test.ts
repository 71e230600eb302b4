import { expect, test } from "vitest";
import { type Child, endedWell, startChild } from "./child.ts";
import { openWorkshop, registerVersions } from "./workshop.ts";

test(
  "MR-11: versions that four processes register at once are 1 to n without gaps, and none can be changed",
  { timeout: 600_000 },
  async () => {
    await using workshop = await openWorkshop();
    const { registry, pack, folder } = workshop;
    const perProcess = 5;
    const children: Child[] = [];
    const packages: string[][] = [];
    for (let process = 0; process < 4; process += 1) {
      const own = [await pack("the same for all")];
      for (let index = 1; index < perProcess; index += 1) own.push(await pack(`model ${process} ${index}`));
      packages.push(own);
    }
    for (const own of packages) children.push(startChild("registrar.mjs", [folder, ...own]));
    for (const child of children) expect(await child.ended).toEqual(endedWell);
    const given = children.map((child) => JSON.parse(child.output()) as number[]);

    const versions = await registry.versions("late");
    expect(versions.map(({ version }) => version)).toEqual(Array.from({ length: 17 }, (_, index) => index + 1));
    expect(new Set(versions.map(({ digest }) => digest)).size).toBe(17);
    // The package they all had got one version, and every other one of its own.
    expect(new Set(given.map(([first]) => first)).size).toBe(1);
    expect(new Set(given.flat()).size).toBe(17);
    const events = await workshop.events();
    expect(events.map(({ subject }) => subject)).toEqual(versions.map(({ version }) => `late/${version}`));

    const described = await registry.version("late/1");
    const { manifest } = described;
    const frozen: readonly (readonly [target: object, change: object])[] = [
      [described, { digest: "sha256:0" }],
      [described.tags, { team: "other" }],
      [manifest, { format: "onnx" }],
      [manifest.signature, { inputs: [] }],
      [manifest.files[0] as object, { path: "other" }],
      [manifest.provenance.metrics, { loss: 0 }],
      [versions[0] as object, { version: 7 }],
      [(await registry.resolve("late/1")).manifest, { files: [] }],
    ];
    for (const [target, change] of frozen) expect(() => Object.assign(target, change)).toThrowError(TypeError);
    expect(await registry.version("late/1")).toEqual(described);
  },
);

test(
  "MR-15: of two processes that move an alias from the same version one wins, the other is told, and the history is whole",
  { timeout: 600_000 },
  async () => {
    await using workshop = await openWorkshop();
    const { registry, folder } = workshop;
    await registerVersions(workshop, 3);
    const rounds = 25;
    for (let round = 0; round < rounds; round += 1) await registry.setAlias("late", `champion-${round}`, 1);
    const startMs = Date.now() + 2500;
    const racers = [2, 3].map((version) => startChild("racer.mjs", [folder, `${version}`, `${rounds}`, `${startMs}`]));
    for (const racer of racers) expect(await racer.ended).toEqual(endedWell);
    const [two, three] = racers.map((racer) => JSON.parse(racer.output()) as { won: number[]; lost: number[] });
    for (let round = 0; round < rounds; round += 1) {
      const winners = [two?.won.includes(round) === true ? 2 : 0, three?.won.includes(round) === true ? 3 : 0];
      const winner = Math.max(...winners);
      expect(winners.filter((version) => version > 0)).toHaveLength(1);
      expect((winner === 2 ? three : two)?.lost).toContain(round);
      const history = await registry.aliasHistory("late", `champion-${round}`);
      expect(history.map(({ version }) => version)).toEqual([1, winner]);
      const { digest, version } = await registry.resolve(`late@champion-${round}`);
      expect([version, digest]).toEqual([winner, (await registry.version(`late/${winner}`)).digest]);
    }
    expect((await workshop.events()).filter(({ type }) => type === "model.alias-set")).toHaveLength(2 * rounds);
  },
);

test(
  "what four processes flushed before they were killed is there, whole and in order",
  { timeout: 600_000 },
  async () => {
    await using workshop = await openWorkshop();
    const { registry, folder } = workshop;
    const children = Array.from({ length: 4 }, () => startChild("logger.mjs", [folder]));
    await Promise.all(children.map((child) => child.said(`{"flushed":1000}`)));
    for (const child of children) child.process.kill("SIGKILL");
    for (const child of children) {
      expect(await child.ended).toMatchObject({ signal: "SIGKILL", errors: "" });
      const lines = child
        .output()
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as { id?: string; flushed?: number });
      const id = lines[0]?.id ?? "";
      const flushed = lines.at(-1)?.flushed ?? 0;
      expect(flushed).toBeGreaterThanOrEqual(1000);
      const loss = await registry.series(id, "loss");
      const twice = await registry.series(id, "twice");
      // Each batch is one transaction, so that a cut falls between batches and never within one.
      expect(loss.length).toBeGreaterThanOrEqual(flushed);
      expect(twice).toHaveLength(loss.length);
      expect(loss).toEqual(loss.map((_, step) => ({ step, value: step / 7, timeMs: step })));
      expect(twice).toEqual(twice.map((_, step) => ({ step, value: step, timeMs: step })));
      const run = await registry.run(id);
      expect(run.status).toBe("running");
      expect(Number(run.params["last"])).toBeGreaterThanOrEqual(flushed);
    }
    const next = await registry.startRun({ experiment: "crash" });
    await next.end("finished");
  },
);

test(
  "a program that forgets to end its run ends by itself, with everything written",
  { timeout: 600_000 },
  async () => {
    await using workshop = await openWorkshop();
    expect(await startChild("forgetter.mjs", [workshop.folder]).ended).toEqual(endedWell);
    const [run] = await workshop.registry.runs({ experiment: "forgotten" });
    expect(run).toMatchObject({ status: "running", params: { units: 8 }, metrics: { loss: 1 / 30_000 } });
    expect(await workshop.registry.series(run?.id ?? "", "loss")).toHaveLength(30_000);
  },
);
