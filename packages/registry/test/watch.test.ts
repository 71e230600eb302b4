import type { Logger, ResolvedModel } from "@millwright/contracts";
import { expect, test } from "vitest";
import { openWorkshop, registerVersions } from "./workshop.ts";

/** Keeps what was warned about; `once` runs its argument after the next warning. */
function warnings() {
  const given: unknown[] = [];
  const waiting: (() => Promise<unknown>)[] = [];
  const silent = (): void => undefined;
  const warn = (fields: object): void => {
    given.push(fields);
    void waiting.shift()?.();
  };
  const logger: Logger = { debug: silent, info: silent, error: silent, warn };
  return { logger, given, once: (mend: () => Promise<unknown>): void => void waiting.push(mend) };
}

test("a watcher goes on through errors, and sees what the alias came to mean", async () => {
  const { logger, given, once } = warnings();
  await using workshop = await openWorkshop({ logger });
  const { registry, artifacts, database } = workshop;
  await registerVersions(workshop, 3);
  await registry.setAlias("late", "champion", 1);
  const stop = new AbortController();
  const seen: (number | undefined)[] = [];
  for await (const model of registry.watch("late@champion", { signal: stop.signal })) {
    seen.push(model.version);
    if (seen.length === 1) {
      // Its bytes are not there at first, as while a store is being copied.
      const { manifest } = await registry.version("late/2");
      const notes = manifest.files.find(({ path }) => path === "notes.txt");
      await artifacts.delete(notes?.digest as NonNullable<typeof notes>["digest"]);
      await registry.setAlias("late", "champion", 2);
      once(() => artifacts.put(new TextEncoder().encode("model 2")));
    } else if (seen.length === 2) {
      // And here the table cannot be read for a while.
      await database.writeBatch([{ sql: "alter table registry_aliases rename to away" }]);
      once(async () => {
        await database.writeBatch([{ sql: "alter table away rename to registry_aliases" }]);
        await registry.setAlias("late", "champion", 3);
      });
    } else stop.abort();
  }
  expect(seen).toEqual([1, 2, 3]);
  const codes = new Set(given.map((fields) => (fields as { error: { code: string } }).error.code));
  expect(codes).toEqual(new Set(["PORT_ARTIFACT_MISSING", "STORAGE_SQL_REFUSED"]));
});

test("an alias that goes and comes back between two looks is no change", async () => {
  await using workshop = await openWorkshop({ pollMs: 150 });
  const { registry } = workshop;
  await registerVersions(workshop, 3);
  await registry.setAlias("late", "champion", 1);
  const stop = new AbortController();
  const seen: ResolvedModel[] = [];
  for await (const model of registry.watch("late@champion", { signal: stop.signal })) {
    seen.push(model);
    if (seen.length > 1) break;
    await registry.setAlias("late", "champion", 2);
    await registry.setAlias("late", "champion", 1);
    setTimeout(() => void registry.setAlias("late", "champion", 3), 400);
  }
  expect(seen.map(({ version }) => version)).toEqual([1, 3]);
});

test("watching what nothing answers to rejects at once", async () => {
  await using workshop = await openWorkshop();
  const watcher = workshop.registry.watch("late@champion")[Symbol.asyncIterator]();
  await expect(watcher.next()).rejects.toMatchObject({ code: "PORT_MODEL_UNKNOWN" });
});
