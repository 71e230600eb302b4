import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, openEventLog, openSqlite } from "@millwright/storage";
import { expect, test } from "vitest";
import { type ModelServer, openModelServer } from "@millwright/serving";
import { type ModelFolder, denseRuntime, packFolder } from "./models.ts";

const row = [0.5, -1, 2, 0.25];

const openOn = (
  folder: ModelFolder,
  weights: Readonly<Record<string, number>>,
  database?: Database,
): Promise<ModelServer> =>
  openModelServer({
    source: folder.source,
    runtimes: [denseRuntime()],
    endpoints: {
      late: {
        variants: Object.fromEntries(
          Object.entries(weights).map(([name, weight], at) => [name, { model: `late/${at + 1}`, weight }]),
        ),
      },
    },
    ...(database === undefined ? {} : { database, pollMs: 20 }),
  });

async function assigned(server: ModelServer, keys: number, sticky = true): Promise<readonly string[]> {
  const found: string[] = [];
  for (let from = 0; from < keys; from += 1000) {
    const asked = Array.from({ length: Math.min(1000, keys - from) }, (_, at) =>
      server.predict("late", { instances: [row], ...(sticky ? { stickyKey: `user ${from + at}` } : {}) }),
    );
    found.push(...(await Promise.all(asked)).map(({ provenance }) => provenance.variant));
  }
  return found;
}

const shareOf = (found: readonly string[], variant: string): number =>
  found.filter((each) => each === variant).length / found.length;

const deviation = (share: number, count: number): number => Math.sqrt((share * (1 - share)) / count);

test(
  "SV-12: of 100,000 requests each variant gets its share within three standard deviations",
  { timeout: 600_000 },
  async () => {
    await using folder = await packFolder(3);
    await using server = await openOn(folder, { a: 70, b: 25, c: 5 });
    const found = await assigned(server, 100_000, false);
    for (const [variant, share] of [
      ["a", 0.7],
      ["b", 0.25],
      ["c", 0.05],
    ] as const)
      expect(Math.abs(shareOf(found, variant) - share), variant).toBeLessThan(3 * deviation(share, found.length));
  },
);

test("SV-12: weights change while it serves: keys stay while they are fixed, and no more move than must", async () => {
  await using folder = await packFolder(3);
  await using server = await openOn(folder, { a: 5, b: 3, c: 2 });
  const keys = 5000;
  const before = await assigned(server, keys);
  expect(await assigned(server, keys)).toEqual(before);
  // c doubles: its share goes from 2/10 to 4/12, and what it gains is all that may move.
  expect(await server.setWeights("late", { c: 4 })).toEqual({ a: 5, b: 3, c: 4 });
  const after = await assigned(server, keys);
  const moved = before.flatMap((variant, at) => (variant === after[at] ? [] : [after[at]]));
  expect(new Set(moved)).toEqual(new Set(["c"]));
  const gained = 4 / 12 - 2 / 10;
  expect(Math.abs(moved.length / keys - gained)).toBeLessThan(3 * deviation(gained, keys));
  expect(Math.abs(shareOf(after, "c") - 4 / 12)).toBeLessThan(3 * deviation(4 / 12, keys));
  // Back again: every key is where it was.
  await server.setWeights("late", { c: 2 });
  expect(await assigned(server, keys)).toEqual(before);
  await server.setWeights("late", { b: 0, c: 0 });
  expect(new Set(await assigned(server, 200))).toEqual(new Set(["a"]));
  // Who takes no traffic may be asked for by name all the same.
  const asked = await server.handle(
    new Request("http://server/endpoints/late/predict", {
      method: "POST",
      headers: { "x-amzn-sagemaker-target-variant": "b" },
      body: JSON.stringify({ instances: [row] }),
    }),
  );
  expect(await asked.json()).toMatchObject({ provenance: { variant: "b" } });
});

test("SV-12: weights that were set outlive the process and reach the others, until the configuration names other variants", async () => {
  await using folder = await packFolder(3);
  const directory = await mkdtemp(join(tmpdir(), "millwright-weights-"));
  try {
    await using first = await openSqlite(join(directory, "db"));
    await using second = await openSqlite(join(directory, "db"));
    {
      await using server = await openOn(folder, { a: 1, b: 1 }, first);
      await using other = await openOn(folder, { a: 1, b: 1 }, second);
      await Promise.all([server.setWeights("late", { a: 0.2 }), other.setWeights("late", { b: 0.8 })]);
      const agree = async (): Promise<boolean> => `${await assigned(server, 500)}` === `${await assigned(other, 500)}`;
      await expect.poll(agree, { timeout: 100_000 }).toBe(true);
      expect(Math.abs(shareOf(await assigned(other, 1000), "b") - 0.8)).toBeLessThan(4 * deviation(0.8, 1000));
    }
    {
      await using again = await openOn(folder, { a: 1, b: 1 }, first);
      expect(Math.abs(shareOf(await assigned(again, 1000), "b") - 0.8)).toBeLessThan(4 * deviation(0.8, 1000));
    }
    await using changed = await openOn(folder, { a: 1, b: 1, c: 0 }, first);
    expect(Math.abs(shareOf(await assigned(changed, 1000), "b") - 0.5)).toBeLessThan(4 * deviation(0.5, 1000));
    const told = [];
    for await (const { event } of openEventLog(first).read({ types: ["deployment.shifted"] })) told.push(event);
    expect(told).toHaveLength(2);
    expect(told[1]).toMatchObject({ subject: "late", data: { variants: [{ weight: 0.2 }, { weight: 0.8 }] } });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test("weights that cannot be are refused, and change nothing", async () => {
  await using folder = await packFolder(2);
  await using server = await openOn(folder, { a: 1, b: 1 });
  await expect(server.setWeights("other", { a: 1 })).rejects.toMatchObject({ code: "SERVING_ENDPOINT_UNKNOWN" });
  await expect(server.setWeights("late", { c: 1 })).rejects.toMatchObject({ code: "SERVING_VARIANT_UNKNOWN" });
  for (const weights of [{ a: -1 }, { a: Number.NaN }, { a: Number.POSITIVE_INFINITY }, { a: 0, b: 0 }])
    await expect(server.setWeights("late", weights)).rejects.toMatchObject({ code: "SERVING_DEPLOYMENT_INVALID" });
  expect(await server.setWeights("late", {})).toEqual({ a: 1, b: 1 });
  await using single = await openOn(folder, { a: 1 });
  await expect(single.setWeights("late", { a: 2 })).rejects.toMatchObject({ code: "SERVING_DEPLOYMENT_INVALID" });
});
