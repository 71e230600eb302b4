import { createManualClock, createRandom, type RunId } from "@millwright/contracts";
import { expect, test } from "vitest";
import { openWorkshop, startMs } from "./workshop.ts";

test("a run is renamed, noted, tagged, told its data, deleted and restored, each with one event that says who and what", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry } = workshop;
  const run = await registry.startRun({ experiment: "late", name: "first", tags: { team: "mill", old: "x" } });
  const by = "ann";
  await registry.updateRun(run.id, { name: "second", notes: "It overfits." }, { by });
  await registry.tagRun(run.id, { set: { team: "saw", fresh: "y" }, remove: ["old", "never"] }, { by });
  await registry.tagRun(run.id, { set: { team: "saw" } }, { by });
  const digest = `sha256:${"a".repeat(64)}`;
  await registry.logDatasets(run.id, [{ name: "flights", digest, context: "training" }], { by });
  await clock.advance(5);
  await registry.deleteRun(run.id, { by });
  await registry.deleteRun(run.id, { by });
  expect((await registry.searchRuns()).runs).toEqual([]);
  expect(await registry.runs()).toEqual([]);
  expect((await registry.searchRuns({ view: "deleted" })).runs).toMatchObject([{ id: run.id, deletedMs: startMs + 5 }]);
  const deleted = { code: "REGISTRY_RUN_DELETED" };
  await expect(registry.updateRun(run.id, { name: "third" })).rejects.toMatchObject(deleted);
  await expect(registry.tagRun(run.id, { set: { a: "b" } })).rejects.toMatchObject(deleted);
  await expect(registry.logDatasets(run.id, [{ name: "a", digest }])).rejects.toMatchObject(deleted);
  await expect(registry.resumeRun?.(run.id)).rejects.toMatchObject(deleted);
  await registry.restoreRun(run.id, { by });
  await registry.restoreRun(run.id, { by });
  expect(await registry.run(run.id)).toMatchObject({
    name: "second",
    notes: "It overfits.",
    tags: { team: "saw", fresh: "y" },
    datasets: [{ name: "flights", digest, context: "training", sourceType: "", source: "" }],
    deletedMs: undefined,
  });
  expect((await registry.searchRuns({ filter: "datasets.context = 'training'" })).runs).toHaveLength(1);
  expect((await registry.searchRuns({ filter: "datasets.context != 'testing'" })).runs).toHaveLength(1);
  const events = (await workshop.events()).filter(({ subject }) => subject === run.id).slice(1);
  expect(events.map(({ type, data }) => [type, data["by"]])).toEqual([
    ["run.updated", by],
    ["run.updated", by],
    ["run.updated", by],
    ["run.deleted", by],
    ["run.restored", by],
  ]);
  expect(events[0]?.data).toMatchObject({ name: { from: "first", to: "second" }, notes: { from: null } });
  expect(events[1]?.data).toMatchObject({
    tags: { team: { from: "mill", to: "saw" }, fresh: { from: null, to: "y" }, old: { from: "x", to: null } },
  });
  // What a run read is what it was made from.
  const above = await registry.lineage({ kind: "run", id: run.id }, { direction: "ancestors" });
  expect(above.map(({ entity }) => entity.id)).toEqual([digest]);
  for (const call of [registry.deleteRun, registry.restoreRun])
    await expect(call("nobody")).rejects.toMatchObject({ code: "REGISTRY_RUN_UNKNOWN" });
});

test("an experiment is made, tagged, renamed, deleted with its runs and restored with them, each with one event", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry } = workshop;
  const by = "ann";
  const made = await registry.createExperiment("late", { tags: { team: "mill" }, artifactRoot: "s3://late", by });
  expect(made).toMatchObject({ name: "late", tags: { team: "mill" }, artifactRoot: "s3://late", createdMs: startMs });
  await expect(registry.createExperiment("late")).rejects.toMatchObject({ code: "REGISTRY_EXPERIMENT_EXISTS" });
  const gone = await registry.startRun({ experiment: "late", name: "gone" });
  await registry.deleteRun(gone.id);
  const kept = await registry.startRun({ experiment: "late", name: "kept" });
  await clock.advance(5);
  await registry.updateExperiment("late", { name: "later", set: { team: "saw" }, remove: ["never"] }, { by });
  await registry.updateExperiment("later", { set: { team: "saw" } }, { by });
  await registry.deleteExperiment("later", { by });
  await registry.deleteExperiment("later", { by });
  expect(await registry.experiment("later")).toMatchObject({ deletedMs: startMs + 5, tags: { team: "saw" } });
  expect((await registry.searchRuns()).runs).toEqual([]);
  const deleted = { code: "REGISTRY_EXPERIMENT_DELETED" };
  await expect(registry.startRun({ experiment: "later" })).rejects.toMatchObject(deleted);
  await expect(registry.updateExperiment("later", { name: "x" })).rejects.toMatchObject(deleted);
  expect((await registry.searchExperiments()).experiments).toEqual([]);
  await registry.restoreExperiment("later", { by });
  expect((await registry.searchRuns()).runs.map(({ id }) => id)).toEqual([kept.id]);
  await registry.createExperiment("other");
  await expect(registry.updateExperiment("later", { name: "other" })).rejects.toMatchObject({
    code: "REGISTRY_EXPERIMENT_EXISTS",
  });
  await expect(registry.experiment("nobody")).rejects.toMatchObject({ code: "REGISTRY_EXPERIMENT_UNKNOWN" });
  const events = (await workshop.events()).filter(({ subject }) => subject === `experiment/${made.id}`);
  expect(events.map(({ type, data }) => [type, data["by"]])).toEqual(
    ["created", "updated", "deleted", "restored"].map((what) => [`run.experiment-${what}`, by]),
  );
  expect(events[1]?.data).toMatchObject({ name: { from: "late", to: "later" } });
});

test("experiments, models and versions are found in the same language, page by page", async () => {
  const clock = createManualClock(startMs);
  await using workshop = await openWorkshop({ clock });
  const { registry } = workshop;
  for (const [name, team] of [
    ["a", "mill"],
    ["b", "saw"],
    ["c", "mill"],
  ] as const) {
    await clock.advance(1);
    await registry.createExperiment(name, { tags: { team } });
  }
  const names = async (filter: string, orderBy: readonly string[] = []) => {
    const found: string[] = [];
    for (let pageToken: string | undefined, more = true; more; more = pageToken !== undefined) {
      const page = await registry.searchExperiments({ filter, orderBy, limit: 1, pageToken });
      found.push(...page.experiments.map(({ name }) => name));
      pageToken = page.nextPageToken;
    }
    return found;
  };
  expect(await names("")).toEqual(["c", "b", "a"]);
  expect(await names("tags.team = 'mill'", ["name"])).toEqual(["a", "c"]);
  expect(await names(`creation_time > ${startMs + 1} and name like '%'`, ["tags.team DESC", "name"])).toEqual([
    "b",
    "c",
  ]);
  for (const content of ["one", "two", "three"])
    await registry.register("late", await workshop.pack(content), { tags: { size: content }, runId: "r1" as RunId });
  await registry.register("early", await workshop.pack("four"));
  await registry.approve("late", 2, { status: "approved", by: "ann" });
  const versions = async (filter: string, orderBy: readonly string[] = []) => {
    const found: string[] = [];
    for (let pageToken: string | undefined, more = true; more; more = pageToken !== undefined) {
      const page = await registry.searchVersions({ filter, orderBy, limit: 2, pageToken });
      found.push(...page.versions.map(({ name, version }) => `${name}/${version}`));
      pageToken = page.nextPageToken;
    }
    return found;
  };
  expect(await versions("", ["name", "version_number DESC"])).toEqual(["early/1", "late/3", "late/2", "late/1"]);
  expect(await versions("name = 'late' and version_number >= 2", ["version_number"])).toEqual(["late/2", "late/3"]);
  expect(await versions("tags.size IN ('one', 'three')", ["tags.size"])).toEqual(["late/1", "late/3"]);
  expect(await versions("approval = 'approved' or run_id = 'none'")).toEqual(["late/2"]);
  expect((await registry.searchModels({ filter: "name ILIKE '%L%' AND name != 'late'" })).models).toMatchObject([
    { name: "early", tags: {} },
  ]);
  expect((await registry.searchModels({ orderBy: ["name DESC"] })).models.map(({ name }) => name)).toEqual([
    "late",
    "early",
  ]);
  await expect(registry.searchModels({ filter: "metrics.a > 1" })).rejects.toMatchObject({
    code: "REGISTRY_QUERY_INVALID",
  });
});

test("MR-1: a million points of one run are kept, every double of them, and one of its ten series is read back whole", async () => {
  await using workshop = await openWorkshop({ flushMs: 60_000 });
  const { registry } = workshop;
  const random = createRandom(1);
  const series = Array.from({ length: 10 }, (_, index) => `metric ${index}`);
  const perSeries = 100_000;
  const special = [Number.NaN, Infinity, -Infinity, -0, 5e-324];
  const valueAt = (step: number): number =>
    step % 1000 < special.length ? (special[step % 1000] as number) : Math.fround(step / 7);
  const run = await registry.startRun({ experiment: "late" });
  for (let step = 0; step < perSeries; step += 1) {
    run.logMetrics(series.map((name) => ({ name, step, value: valueAt(step), timeMs: step })));
    // Written in pieces: what waits in memory stays small.
    if (step % 20_000 === 19_999) await run.flush();
  }
  await run.end("finished");
  const counted = await workshop.database.read
    .selectFrom("registry_series")
    .select(["name", "points", "nans"])
    .execute();
  expect(counted.map((row) => [row["points"], row["nans"]])).toEqual(series.map(() => [perSeries, perSeries / 1000]));
  const picked = `metric ${random.integer(10)}`;
  const points = await registry.series(run.id, picked);
  expect(points).toHaveLength(perSeries);
  const wrong = points.filter(
    ({ step, value, timeMs }, index) => step !== index || timeMs !== index || !Object.is(value, valueAt(index)),
  );
  expect(wrong).toEqual([]);
});

test("MR-1: whatever order changes come in, a run is what the last of each said", async () => {
  await using workshop = await openWorkshop();
  const { registry } = workshop;
  const random = createRandom(11);
  const expected = {
    name: "start",
    notes: undefined as string | undefined,
    tags: new Map<string, string>(),
    isDeleted: false,
  };
  const parent = await registry.startRun({ experiment: "late" });
  const run = await registry.startRun({ experiment: "late", name: "start", parentRunId: parent.id });
  for (let step = 0; step < 120; step += 1) {
    const text = `${step} 'ü' "💥" ;--`;
    const tag = `tag ${random.integer(5)}`;
    const changes = [
      async () => void (await registry.updateRun(run.id, { name: text }), (expected.name = text)),
      async () => void (await registry.updateRun(run.id, { notes: text }), (expected.notes = text)),
      async () => void (await registry.tagRun(run.id, { set: { [tag]: text } }), expected.tags.set(tag, text)),
      async () => void (await registry.tagRun(run.id, { remove: [tag] }), expected.tags.delete(tag)),
      async () => void (await registry.deleteRun(run.id), (expected.isDeleted = true)),
      async () => void (await registry.restoreRun(run.id), (expected.isDeleted = false)),
    ];
    const choice = random.integer(changes.length);
    const attempt = (changes[choice] as () => Promise<void>)();
    if (expected.isDeleted && choice < 4) await expect(attempt).rejects.toMatchObject({ code: "REGISTRY_RUN_DELETED" });
    else await attempt;
  }
  const read = await registry.run(run.id);
  expect(read).toMatchObject({ name: expected.name, notes: expected.notes, parentRunId: parent.id });
  expect(read.tags).toEqual(Object.fromEntries(expected.tags));
  expect(read.deletedMs !== undefined).toBe(expected.isDeleted);
});
