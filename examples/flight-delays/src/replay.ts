import type { Batch } from "@millwright/contracts";
import { collect, columnOf, selectColumns, sliceBatch, takeRows, valueAt } from "@millwright/data";
import type { FeatureStore } from "@millwright/feature-store";
import { lateFlights, views } from "./definitions.ts";
import type { Workshop } from "./features.ts";
import type { June } from "./june.ts";
import { type Production, type ReplayClock, endpoint } from "./production.ts";
import { percentilesOf, qualityOf } from "./quality.ts";
import type { ReplayReport } from "./report-data.ts";
import { count } from "./terminal.ts";
import { probabilitiesOf } from "./training.ts";

/** What one month of requests gave. */
export interface Replayed {
  /** By departure: probability of being late, and 1 where the candidate answered. */
  readonly probabilities: Float64Array;
  readonly byCandidate: Uint8Array;
  /** Milliseconds, by request. */
  readonly latencies: readonly number[];
  readonly outcomes: number;
  readonly durationMs: number;
  /** Feature vectors that were kept to be compared, by departure. */
  readonly vectors: ReadonlyMap<number, Batch>;
}

export interface ReplayOptions {
  readonly clock: ReplayClock;
  /** Every so many departures the vector is kept. */
  readonly keepEvery: number;
  /** Called at each quarter of an hour that has departures. */
  readonly onQuarter: (nowMs: number) => Promise<void>;
}

const quarterMs = 15 * 60_000;

/** Sends June through the server minute by minute: first the outcomes that became known before, then a request for each flight that leaves. */
export async function replayJune(
  workshop: Workshop,
  june: June,
  production: Production,
  { clock, keepEvery, onQuarter }: ReplayOptions,
): Promise<Replayed> {
  const { terminal, signal, store } = workshop;
  const { departedMs } = june;
  const total = departedMs.length;
  const probabilities = new Float64Array(total);
  const byCandidate = new Uint8Array(total);
  const latencies: number[] = [];
  const vectors = new Map<number, Batch>();
  const feed = createFeed(store, june, production);
  const startMs = performance.now();
  let quarter = 0;
  for (let at = 0; at < total;) {
    signal.throwIfAborted();
    const nowMs = departedMs[at] as number;
    await clock.advance(nowMs - clock.nowMs());
    await feed.until(nowMs);
    if (Math.floor(nowMs / quarterMs) !== quarter) {
      quarter = Math.floor(nowMs / quarterMs);
      await onQuarter(nowMs);
      terminal.progress(`${new Date(nowMs).toISOString().slice(0, 16)}  ${count(at)} of ${count(total)} requests`);
    }
    const first = at;
    while (at < total && departedMs[at] === nowMs) at += 1;
    const asked = Array.from({ length: at - first }, async (_, index) => {
      const departure = first + index;
      const sentMs = performance.now();
      const { outputs, provenance } = await ask(production, june, departure);
      latencies.push(performance.now() - sentMs);
      probabilities[departure] = probabilitiesOf(outputs)[0] as number;
      byCandidate[departure] = provenance.variant === "main" ? 0 : 1;
    });
    await Promise.all(asked);
    for (let departure = first; departure < at; departure += 1) {
      if (departure % keepEvery === 0) vectors.set(departure, await readVector(store, june, departure));
    }
  }
  return {
    probabilities,
    byCandidate,
    latencies,
    outcomes: feed.count(),
    durationMs: performance.now() - startMs,
    vectors,
  };
}

const ask = ({ server }: Production, june: June, departure: number) =>
  server.predict(endpoint, {
    entities: [june.entityOf(departure)],
    request: [june.requestOf(departure)],
    requestId: june.requestId(departure),
    // Half of the routes of an airport would always meet the candidate if routes stuck to their variant; requests do not.
    stickyKey: june.requestId(departure),
  });

const keyNames = lateFlights.entityKeys.map(({ name }) => name);
const inputNames = lateFlights.requestInputs.map(({ name }) => name);

async function readVector(store: FeatureStore, { departures, departedMs }: June, departure: number): Promise<Batch> {
  const row = sliceBatch(departures, departure, departure + 1);
  const { features } = await store.read(lateFlights.name, {
    entities: selectColumns(row, keyNames),
    request: selectColumns(row, inputNames),
    timeMs: departedMs[departure],
  });
  return features;
}

/** Brings what became known to where it is wanted: outcomes to the feature store, labels to the monitor. */
function createFeed(store: FeatureStore, { outcomes }: June, { monitor }: Production) {
  let next = 0;
  return {
    count: () => next,
    /** Everything known before `nowMs`. */
    async until(nowMs: number): Promise<void> {
      const first = next;
      while (next < outcomes.knownMs.length && (outcomes.knownMs[next] as number) < nowMs) next += 1;
      if (next === first) return;
      const batch = sliceBatch(outcomes.batch, first, next);
      for (const view of views) await store.push(view, batch);
      for (let outcome = first; outcome < next; outcome += 1) {
        monitor.label({
          requestId: outcomes.requestId(outcome),
          value: outcomes.late[outcome] as number,
          timeMs: outcomes.knownMs[outcome] as number,
        });
      }
    },
  };
}

/** Computes the kept vectors again from history, as a training set would have them, and compares every value. */
export async function compareWithHistory(
  { store, signal }: Workshop,
  { departures }: June,
  vectors: Replayed["vectors"],
): Promise<ReplayReport["parity"]> {
  const kept = [...vectors.keys()];
  const labels = selectColumns(takeRows(departures, Int32Array.from(kept)), [
    "departed_at",
    ...new Set([...keyNames, ...inputNames]),
  ]);
  const offline = await collect(await store.history(lateFlights, { labels, labelTime: "departed_at", signal }));
  let different = 0;
  for (const name of lateFlights.featureNames) {
    const column = columnOf(offline, name);
    for (const [row, departure] of kept.entries()) {
      const online = columnOf(vectors.get(departure) as Batch, name);
      if (!Object.is(valueAt(column, row), valueAt(online, 0))) different += 1;
    }
  }
  return { vectors: kept.length, values: kept.length * lateFlights.featureNames.length, different };
}

/** How good the champion's answers were, in all and by day. */
export function summarizeReplay(
  { departedMs, late }: June,
  { probabilities, byCandidate, latencies, durationMs, outcomes }: Replayed,
): Omit<ReplayReport, "http" | "parity"> {
  const champion = Array.from(probabilities.keys()).filter((at) => byCandidate[at] === 0);
  const byDay = groupByDay(champion, departedMs);
  const pick = (from: Float64Array, rows: readonly number[]): Float64Array =>
    Float64Array.from(rows, (at) => from[at] as number);
  const days = [...byDay].map(([day, rows]) => {
    const { auc, logLoss, observedShare, meanProbability } = qualityOf(pick(probabilities, rows), pick(late, rows));
    return { day, auc, logLoss, lateShare: observedShare, meanProbability };
  });
  return {
    requests: latencies.length,
    outcomes,
    requestsPerSecond: latencies.length / (durationMs / 1000),
    inProcess: percentilesOf(latencies),
    june: qualityOf(pick(probabilities, champion), pick(late, champion)),
    days: days.filter(({ auc }) => Number.isFinite(auc)),
  };
}

function groupByDay(rows: readonly number[], departedMs: Float64Array): Map<string, number[]> {
  const days = new Map<string, number[]>();
  for (const at of rows) {
    const day = new Date(departedMs[at] as number).toISOString().slice(0, 10);
    const list = days.get(day) ?? [];
    list.push(at);
    days.set(day, list);
  }
  return days;
}
