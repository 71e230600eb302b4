import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type ServerConfiguration, type Stage, createModelCatalog } from "../src/index.ts";
import { packFolder } from "./models.ts";
import { row, one, openOn, answerOf, near, countingRuntime } from "./reload-setting.ts";

test("SV-47: an invalid configuration is refused with everything that is wrong with it, and the old one serves on", async () => {
  await using folder = await packFolder(3);
  await using server = await openOn(folder);
  // Its golden request fails.
  const manifestPath = join(folder.root, "late", "3", "manifest.json");
  const refused = async (configuration: unknown): Promise<readonly (readonly [string, string | undefined])[]> => {
    const error = await server.reconfigure(configuration as ServerConfiguration).then(
      () => undefined,
      (thrown: unknown) => thrown as { code: string; problems: readonly { path: string; code?: string }[] },
    );
    expect(error?.code).toBe("SERVING_CONFIGURATION_INVALID");
    expect(await answerOf(server)).toEqual(near(1));
    expect(server.configuration).toMatchObject({ number: 1, document: { endpoints: { late: one("late/1") } } });
    return error?.problems.map(({ path, code }) => [path, code] as const) ?? [];
  };
  expect(await refused(undefined)).toEqual([["", undefined]]);
  expect(await refused({ endpoints: {} })).toEqual([["/endpoints", undefined]]);
  const wrong = {
    endpoints: {
      late: {
        variants: { main: { model: "", weight: -1 }, candidate: { model: "late/1", weight: 1 } },
        maxBatchRows: 0,
      },
      "a/b": {
        variants: { x: { model: "late/1", weight: 0 } },
        surprise: 1,
        stages: [{ part: "none" }],
        unknownFields: "x",
      },
      c: {
        variants: { x: { model: "late/1", weight: 1 } },
        readFeaturesAs: "caller",
        rollbackOn: ["p99"],
        admission: { maxQueue: -1 },
      },
    },
    defaultEndpoint: "d",
  };
  expect((await refused(wrong)).map(([path]) => path)).toEqual([
    "/endpoints/late/variants/main/model",
    "/endpoints/late/variants/main/weight",
    "/endpoints/late/variants/candidate",
    "/endpoints/late/maxBatchRows",
    "/endpoints/a~1b/surprise",
    "/endpoints/a~1b/stages/0",
    "/endpoints/a~1b/unknownFields",
    "/endpoints/a~1b/variants",
    "/endpoints/c/readFeaturesAs",
    "/endpoints/c/rollbackOn",
    "/endpoints/c/admission/maxQueue",
    "/defaultEndpoint",
  ]);
  // Models that are not there, or do not answer as they should, all of them.
  await writeFile(manifestPath, "{}");
  const models = {
    endpoints: {
      late: one("late/9"),
      more: { variants: { a: { model: "late/3", weight: 1 }, b: { model: "late/2", weight: 1 } } },
    },
  };
  expect(await refused(models)).toEqual([
    ["/endpoints/late/variants/main/model", "PORT_MODEL_UNKNOWN"],
    ["/endpoints/more/variants/a/model", expect.stringMatching(/^(PORT|MODEL)_/)],
  ]);
  await expect(server.predict("more", { instances: [row] })).rejects.toMatchObject({
    code: "SERVING_ENDPOINT_UNKNOWN",
  });
});

test("SV-47: a dry run names each difference and changes nothing; versions have a number, a digest, a time and who; any is gone back to", async () => {
  await using folder = await packFolder(3);
  const counting = countingRuntime();
  await using server = await openOn(folder, { runtimes: [counting.runtime] });
  const next = {
    endpoints: { late: one("late/2", { maxBatchRows: 16 }), more: one("late/3") },
    defaultEndpoint: "more",
  };
  const dry = await server.reconfigure(next, { dryRun: true });
  expect(dry).toMatchObject({ applied: false, number: 1 });
  expect(dry.differences).toEqual([
    { path: "/defaultEndpoint", kind: "added", after: "more" },
    { path: "/endpoints/late/maxBatchRows", kind: "added", after: 16 },
    { path: "/endpoints/late/variants/main/model", kind: "changed", before: "late/1", after: "late/2" },
    { path: "/endpoints/more", kind: "added", after: one("late/3") },
  ]);
  expect([await answerOf(server), counting.open()]).toEqual([near(1), 1]);
  expect(await server.reconfigure(next, { by: "ann", reason: "spring", ifNumber: 1 })).toMatchObject({
    applied: true,
    number: 2,
  });
  expect([await answerOf(server), await answerOf(server, "more")]).toEqual([near(2), near(3)]);
  expect(await server.reconfigure(next)).toMatchObject({ applied: false, number: 2, differences: [] });
  await expect(server.reconfigure({ endpoints: { late: one("late/1") } }, { ifNumber: 1 })).rejects.toMatchObject({
    code: "SERVING_CONFIGURATION_CONFLICT",
  });
  const back = await server.rollbackConfiguration({ by: "bob" });
  expect(back).toMatchObject({ applied: true, number: 3 });
  expect(await answerOf(server)).toEqual(near(1));
  await expect(server.predict("more", { instances: [row] })).rejects.toMatchObject({
    code: "SERVING_ENDPOINT_UNKNOWN",
  });
  await expect(server.rollbackConfiguration({ to: 9 })).rejects.toMatchObject({
    code: "SERVING_CONFIGURATION_UNKNOWN",
  });
  const history = await server.configurations();
  expect(history.map(({ number, by, reason, rolledBackTo }) => [number, by, reason, rolledBackTo])).toEqual([
    [3, "bob", undefined, 1],
    [2, "ann", "spring", undefined],
    [1, undefined, undefined, undefined],
  ]);
  expect(history[0]?.digest).toBe(history[2]?.digest);
  expect(history[1]?.digest).not.toBe(history[2]?.digest);
  expect(history.every(({ appliedMs }) => appliedMs > 1e12)).toBe(true);
  expect(await server.configurations({ limit: 1 })).toHaveLength(1);
});

test("SV-47: what stands in both configurations goes on; objects that were closed or stand elsewhere are refused", async () => {
  await using folder = await packFolder(3);
  const made: string[] = [];
  const closed: string[] = [];
  const stageOf = (name: string): Stage => ({ name, close: async () => void closed.push(name) });
  const counting = countingRuntime();
  await using server = await openOn(folder, {
    runtimes: [counting.runtime],
    parts: {
      stages: {
        cache: (options) => {
          made.push(JSON.stringify(options));
          return stageOf(`cache ${JSON.stringify(options)}`);
        },
      },
      catalogs: { tenants: () => createModelCatalog({ memoryBytes: 1_000_000 }) },
    },
    endpoints: {
      late: one("late/1", { stages: [{ part: "cache", options: { size: 1 } }], models: { part: "tenants" } }),
    },
  });
  const ask = async (target: string): Promise<string> =>
    String((await server.predict("late", { instances: [row], targetModel: target })).provenance.model.version);
  expect(await ask("late/2")).toBe("2");
  const own = stageOf("own");
  const cache = { part: "cache", options: { size: 1 } };
  await server.reconfigure({
    endpoints: { late: one("late/1", { maxQueueRows: 5, stages: [cache, own], models: { part: "tenants" } }) },
  });
  // The catalog, its models, the cache and the variant's model are the same ones.
  expect([made, closed, counting.open()]).toEqual([['{"size":1}'], [], 2]);
  expect([await ask("late/2"), counting.open()]).toEqual(["2", 2]);
  await expect(
    server.reconfigure({
      endpoints: {
        late: one("late/1", { stages: [cache, own], models: { part: "tenants" } }),
        more: one("late/1", { stages: [own] }),
      },
    }),
  ).rejects.toMatchObject({ code: "SERVING_CONFIGURATION_INVALID", problems: [{ path: "/endpoints/more" }] });
  await server.reconfigure({
    endpoints: { late: one("late/1", { stages: [{ part: "cache", options: { size: 2 } }] }) },
  });
  await expect.poll(() => closed).toEqual(["own", 'cache {"size":1}']);
  await expect.poll(counting.open).toBe(1);
  await expect(server.reconfigure({ endpoints: { late: one("late/1", { stages: [own] }) } })).rejects.toMatchObject({
    problems: [{ problem: expect.stringContaining("closed") }],
  });
  await expect(server.rollbackConfiguration()).rejects.toMatchObject({ code: "SERVING_CONFIGURATION_INVALID" });
  expect(made).toEqual(['{"size":1}', '{"size":2}', '{"size":1}']);
});

test("SV-47: an endpoint whose model could not be loaded is mended by a configuration; an abort changes nothing", async () => {
  await using folder = await packFolder(2);
  await using server = await openOn(folder, {
    endpoints: { late: one("late/9") },
    onLoadFailure: "degrade",
    loadRetryMs: 60_000,
  });
  expect(server.ready).toBe(false);
  const aborted = AbortSignal.abort(new Error("no more"));
  await expect(server.reconfigure({ endpoints: { late: one("late/2") } }, { signal: aborted })).rejects.toThrow(
    "no more",
  );
  expect(server.ready).toBe(false);
  await server.reconfigure({ endpoints: { late: one("late/2") } });
  expect([server.ready, await answerOf(server)]).toEqual([true, near(2)]);
  await server.drain();
  await expect(server.reconfigure({ endpoints: { late: one("late/1") } })).rejects.toMatchObject({
    code: "SERVING_DRAINING",
  });
});
