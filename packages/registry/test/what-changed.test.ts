import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type EntityReference,
  type EventDraft,
  type Random,
  createIdSource,
  createManualClock,
  createRandom,
  digestOf,
} from "@millwright/contracts";
import { openRegistry } from "@millwright/registry";
import { openEventLog, openMemoryArtifactStore, openSqlite } from "@millwright/storage";
import { expect, test } from "vitest";
import { openWorkshop } from "./workshop.ts";

const hourMs = 3_600_000;
const beginMs = Date.UTC(2026, 3, 1);
const onsetMs = beginMs + 48 * hourMs;

const model = (name: string, version: number): EntityReference => ({
  kind: "model",
  id: digestOf(`${name}/${version}`),
  name: `${name}/${version}`,
});
const view = (name: string, version: number): EntityReference => ({
  kind: "feature-view",
  id: digestOf(`view ${name} ${version}`),
  name,
});
const draft = (type: EventDraft["type"], subject: string, data: EventDraft["data"]): EventDraft => ({
  source: "test",
  type,
  subject,
  data,
});
const applied = (name: string, version: number): EventDraft =>
  draft("feature.view-applied", name, {
    digest: view(name, version).id,
    features: { [`f${version}`]: ["c"] },
    made: [view(name, version)],
  });
const ingested = (name: string, rows: number, batch: number): EventDraft => {
  const digest = digestOf(`${name} ${rows} ${batch}`);
  const from = [{ kind: "dataset", id: digest, name: `${batch}` }] as const;
  return draft("feature.ingested", name, { batchId: `${batch}`, digest, rows, made: [view(name, 1)], from });
};
const registered = (name: string, version: number): EventDraft => {
  const from = [{ kind: "feature-service", id: digestOf(`service ${name}`), name }] as const;
  return draft("model.registered", `${name}/${version}`, { made: [model(name, version)], from });
};
const traffic = (endpoint: string, name: string, weights: Readonly<Record<number, number>>): EventDraft =>
  draft("deployment.completed", endpoint, {
    environment: "production",
    shares: Object.entries(weights).map(([version, share]) => ({
      variant: `v${version}`,
      model: `${name}/${version}`,
      share,
    })),
    made: [{ kind: "endpoint", id: endpoint }],
    from: Object.keys(weights).map((version) => model(name, Number(version))),
  });
const alias = (name: string, previous: number, version: number): EventDraft =>
  draft("model.alias-set", `${name}@champion`, { name, version, previous, digest: model(name, version).id });

const others = ["m0", "m1", "m2", "m3"];
const names = ["late", ...others];

/** What was so long before: each model has a service of two views, an endpoint and batches of a thousand rows. */
function background(random: Random): EventDraft[] {
  return names.flatMap((name) => {
    const views = [`${name}-a`, `${name}-b`];
    const service = { kind: "feature-service", id: digestOf(`service ${name}`), name } as const;
    return [
      ...views.map((each) => applied(each, 1)),
      draft("feature.service-applied", name, {
        digest: service.id,
        features: {},
        made: [service],
        from: views.map((each) => view(each, 1)),
      }),
      ...views.flatMap((each) => [1, 2, 3, 4, 5].map((batch) => ingested(each, 950 + random.integer(100), batch))),
      registered(name, 1),
      registered(name, 2),
      traffic(`${name}-endpoint`, name, { 1: 1 }),
      alias(name, 2, 1),
    ];
  });
}

/** Something that happens every day, and harms nobody. */
function noise(random: Random, number: number): { readonly hour: number; readonly event: EventDraft } {
  const hour = 24 + random.next() * 24;
  const name = others[random.integer(others.length)] as string;
  const any = names[random.integer(names.length)] as string;
  const part = random.integer(2) === 0 ? "a" : "b";
  const kinds: readonly (() => EventDraft)[] = [
    () => ingested(`${any}-${part}`, 900 + random.integer(200), 100 + number),
    () => traffic(`${name}-endpoint`, name, { 2: 1 }),
    () => alias(name, 1, 2),
    () =>
      draft(random.integer(2) === 0 ? "model.approved" : "model.rejected", `${any}/2`, {
        name: any,
        version: 2,
        digest: model(any, 2).id,
        previous: "pending",
      }),
    () => applied(`${name}-${part}`, 2),
    () => draft("job.processed", `job-${number}`, { state: "failed", from: [{ kind: "job", id: `job-${number}` }] }),
  ];
  // A canary of a twentieth, in the morning: on the way to what is affected, small and long ago.
  if (random.integer(8) === 0)
    return { hour: 24 + random.next() * 10, event: traffic("late-endpoint", "late", { 1: 0.95, 2: 0.05 }) };
  return { hour, event: (kinds[random.integer(kinds.length)] as () => EventDraft)() };
}

const injected: readonly { readonly kind: string; readonly subject: string; readonly event: EventDraft }[] = [
  { kind: "traffic", subject: "late-endpoint", event: traffic("late-endpoint", "late", { 2: 1 }) },
  { kind: "alias", subject: "late@champion", event: alias("late", 1, 2) },
  { kind: "features", subject: "late-a", event: applied("late-a", 2) },
  { kind: "data", subject: "late-b", event: ingested("late-b", 20, 99) },
];

test("MR-36: of one harmful change and twenty others the harmful one comes first, whatever it is and whatever they are", async () => {
  const folder = await mkdtemp(join(tmpdir(), "millwright-changes-"));
  try {
    for (let seed = 1; seed <= 24; seed += 1) {
      const random = createRandom(seed);
      const clock = createManualClock(beginMs);
      const ids = createIdSource(clock, createRandom(seed));
      await using database = await openSqlite(join(folder, `${seed}.db`), { clock, ids, durability: "normal" });
      const artifacts = openMemoryArtifactStore();
      await using registry = await openRegistry({ database, artifacts, directory: join(folder, "staged"), clock });
      const log = openEventLog(database);
      await log.append(background(random));
      const harm = injected[seed % injected.length]!;
      const happened = [
        ...Array.from({ length: 20 }, (_, number) => noise(random, number)),
        { hour: 48 - (5 + random.integer(35)) / 60, event: harm.event },
      ].toSorted((a, b) => a.hour - b.hour);
      for (const { hour, event } of happened) {
        await clock.advance(beginMs + hour * hourMs - clock.nowMs());
        await log.append([event]);
      }
      const subject = { kind: "endpoint", id: "late-endpoint" } as const;
      const changes = await registry.whatChanged({ from: onsetMs - 24 * hourMs, to: onsetMs, subject });
      expect([seed, changes[0]?.kind, changes[0]?.subject]).toEqual([seed, harm.kind, harm.subject]);
      // Endpoints that move to where they are change nothing.
      expect(changes.length).toBeGreaterThan(8);
      expect(changes.length).toBeLessThanOrEqual(21);
      for (const { score, reasons } of changes) {
        const factors = reasons.map((reason) => Number(/\(×(.*)\)$/.exec(reason)?.[1]));
        expect(factors).toHaveLength(4);
        expect(factors.reduce((product, factor) => product * factor, 1)).toBeCloseTo(score, 1);
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
});

test("MR-36: between two versions, code, data, parameters and environment are told by how much of them changed", async () => {
  await using workshop = await openWorkshop();
  const { registry, pack } = workshop;
  const datasets = { train: digestOf("train"), validation: digestOf("validation") };
  const first = {
    datasets,
    code: digestOf("code"),
    environment: { node: "20.19.0", tfjs: "4.22.0" },
    hyperparameters: { rate: 0.1, units: 8, depth: 3 },
    seed: 1,
  };
  await registry.register("late", await pack("one", first));
  const second = {
    ...first,
    datasets: { ...datasets, train: digestOf("other") },
    code: digestOf("code 2"),
    environment: { node: "22.0.0", tfjs: "4.22.1" },
    hyperparameters: { rate: 0.001, units: 8, extra: true },
  };
  await registry.register("late", await pack("two", second));
  const changes = await registry.whatChanged({ from: "late/1", to: "late/2" });
  expect(changes.map(({ kind, subject }) => `${kind} ${subject}`)).toEqual([
    "code code",
    "params depth",
    "params extra",
    "environment node",
    "params rate",
    "data train",
    "environment tfjs",
  ]);
  expect(changes[4]).toMatchObject({ before: 0.1, after: 0.001, size: 0.99, what: "params: rate changed" });
  // The same comes with the move of an alias or of traffic that put the one in the other's place.
  const from = Date.now();
  await registry.setAlias("late", "champion", 1);
  await registry.setAlias("late", "champion", 2, { by: "ann" });
  const moved = await registry.whatChanged({ from: from - 1000, to: from + 60_000 });
  expect(moved.filter(({ by }) => by === "ann").map(({ kind, subject }) => `${kind} ${subject}`)).toEqual([
    "alias late@champion",
    ...changes.map(({ kind, subject }) => `${kind} ${subject}`),
  ]);
  await expect(registry.whatChanged({ from: "late/1", to: "late/9" })).rejects.toMatchObject({
    code: "PORT_MODEL_UNKNOWN",
  });
  await expect(registry.whatChanged({ from: 2, to: 1 })).rejects.toThrow(RangeError);
});
