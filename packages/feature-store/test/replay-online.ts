import { type Batch, type FeatureVectors, type Random } from "@millwright/contracts";
import type { DuckDb } from "@millwright/duckdb";
import { expect } from "vitest";
import { openLogOnlineStore } from "../src/drivers/log.ts";
import { openMemoryOnlineStore } from "../src/drivers/memory.ts";
import { type FeatureService, openFeatureStore } from "../src/index.ts";
import { batches, columnsOf, columnsOfDataset, temporaryDirectory } from "./rows.ts";
import { MINUTE } from "./window-oracle.ts";

interface Timed {
  readonly timeMs: number;
}

export interface Replay<Event extends Timed, Label extends Timed> {
  readonly kind: "memory" | "log";
  readonly duckdb: DuckDb;
  readonly random: Random;
  readonly service: FeatureService;
  readonly events: readonly Event[];
  readonly batchOf: (events: readonly Event[]) => Batch;
  /** The history speaks for what happened before; from then on events are pushed as they become known, up to ten minutes late. */
  readonly fromMs: number;
  readonly endMs: number;
  readonly stepMs: number;
  /** One step in so many loads the history anew. Default: none does. */
  readonly reloadsOneIn?: number | undefined;
  readonly entitiesAt: (timeMs: number) => readonly Label[];
  readonly batchOfLabels: (labels: readonly Label[]) => Batch;
  readonly onRead?: ((vectors: FeatureVectors) => void) | undefined;
}

export interface Replayed<Label> {
  readonly labels: readonly Label[];
  /** By feature, one value a label: what was read while events came in, and what the training set has. */
  readonly online: Readonly<Record<string, unknown[]>>;
  readonly offline: Readonly<Record<string, unknown[]>>;
}

/** Ingests all events, lives through them again online, with restarts where the store outlives its process, and asks both sides for the same vectors. */
export async function replayOnline<Event extends Timed, Label extends Timed>(
  replay: Replay<Event, Label>,
): Promise<Replayed<Label>> {
  const { kind, duckdb, random, service, batchOf, fromMs, endMs, stepMs, entitiesAt, batchOfLabels } = replay;
  await using directory = await temporaryDirectory();
  const openOnline = () =>
    kind === "memory" ? openMemoryOnlineStore() : openLogOnlineStore(`${directory.path}/online`, { flush: "system" });
  const history = `${directory.path}/history`;
  const open = async (given: Awaited<ReturnType<typeof openOnline>>) =>
    openFeatureStore({ history, services: [service], duckdb, online: given, latenessMs: 20 * MINUTE });
  let online = await openOnline();
  let store = await open(online);
  const { views } = service;
  for (const view of views) await store.ingest(view, batches(batchOf(replay.events)));
  for (const view of views) await store.materialize(view, { upToMs: fromMs });
  const arrivals = replay.events
    .filter((event) => event.timeMs >= fromMs)
    .map((event) => ({ event, at: event.timeMs + random.integer(10) * MINUTE }))
    .sort((a, b) => a.at - b.at);
  const labels: Label[] = [];
  const vectors: Record<string, unknown[]> = {};
  let next = 0;
  for (let nowMs = fromMs + 10 * MINUTE; nowMs < endMs; nowMs += stepMs) {
    const arrived: Event[] = [];
    for (; next < arrivals.length && arrivals[next]!.at <= nowMs; next++) arrived.push(arrivals[next]!.event);
    for (const view of views) await store.push(view, batchOf(arrived));
    if (replay.reloadsOneIn !== undefined && random.integer(replay.reloadsOneIn) === 0)
      for (const view of views) await store.materialize(view, { upToMs: nowMs - 40 * MINUTE });
    if (kind === "log" && random.integer(7) === 0) {
      await store[Symbol.asyncDispose]();
      await online[Symbol.asyncDispose]();
      online = await openOnline();
      store = await open(online);
    }
    // All rows up to ten minutes ago have arrived: at such a time the answer is final, whatever has come since.
    const timeMs = nowMs - 10 * MINUTE - random.integer(6) * MINUTE;
    if (timeMs < fromMs) continue;
    const asked = entitiesAt(timeMs);
    const found = await store.read(service.name, { entities: batchOfLabels(asked), timeMs });
    labels.push(...asked);
    expect(Object.keys(found.features.columns)).toEqual(service.features.map((field) => field.name));
    for (const [name, values] of Object.entries(columnsOf(found.features))) (vectors[name] ??= []).push(...values);
    replay.onRead?.(found);
  }
  expect(next).toBe(arrivals.length);
  const dataset = await store.history(service, { labels: batchOfLabels(labels), labelTime: "time" });
  const offline = await columnsOfDataset(dataset);
  await store[Symbol.asyncDispose]();
  await online[Symbol.asyncDispose]();
  for (const { name } of service.features) {
    expect(
      vectors[name]!.some((value) => value !== null),
      name,
    ).toBe(true);
  }
  return { labels, online: vectors, offline };
}
