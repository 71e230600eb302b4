import { setImmediate as turn } from "node:timers/promises";
import type { CallOptions, CapturedLabel, JsonObject, Logger } from "@millwright/contracts";
import type { HeldLabel } from "./early-labels.ts";

export interface FindAnswersOptions extends CallOptions {
  /** The features that are wanted of each; others may be left out. Default: all. */
  readonly features?: readonly string[] | undefined;
}

/** Finds captured answers again, many at a time. */
export interface AnswerSource {
  /** @returns those of the requests that were captured, as the capture drivers give them, in any order. Throws what reading throws. */
  findAll(requestIds: readonly string[], options?: FindAnswersOptions): AsyncIterable<JsonObject>;
}

export interface AnswerLookupOptions {
  readonly source: AnswerSource;
  readonly features: readonly string[];
  /** Most labels that wait to be looked up. */
  readonly most: number;
  readonly logger: Logger;
  /** Told of each answer that was found, with the labels that asked for it. */
  readonly found: (row: JsonObject, labels: readonly CapturedLabel[]) => void;
  /** Told of labels without an answer, and of those beyond the most. */
  readonly missing: (label: CapturedLabel) => void;
}

/** Asks a log for the answers of labels, by batches, behind the request's back. */
export interface AnswerLookup {
  /** Labels that wait. */
  readonly size: number;
  ask(label: CapturedLabel, nowMs: number): void;
  /** Asks for what waits, unless that is going on, or has failed a moment ago. */
  start(nowMs: number): void;
  /** Asks for what waits now, once. */
  finish(): Promise<void>;
  /** Ends the reading that goes on; nothing is asked for any more. */
  stop(): void;
  list(): readonly HeldLabel[];
}

/** Requests that are asked for at once: where labels come in no order, each question may touch all of a log. */
const batchRequests = 100_000;
const answersPerTurn = 256;
const retryMs = 10_000;

export function createAnswerLookup(options: AnswerLookupOptions): AnswerLookup {
  const { source, features, most, logger, found, missing } = options;
  const pending = createPending(most, missing);
  let running: Promise<void> | undefined;
  let notBeforeMs = Number.NEGATIVE_INFINITY;
  const stopped = new AbortController();
  const { signal } = stopped;
  const tell = (row: JsonObject, labels: readonly CapturedLabel[]): void => {
    try {
      found(row, labels);
    } catch (error) {
      logger.warn({ labels: labels.length, error: String(error) }, "A captured answer could not be read.");
      for (const label of labels) missing(label);
    }
  };
  const read = async (): Promise<void> => {
    const requestIds = pending.oldest(batchRequests);
    const answered = new Set<string>();
    for await (const row of source.findAll(requestIds, { features, signal })) {
      const { requestId } = row;
      const labels = typeof requestId === "string" ? pending.take(requestId) : [];
      if (labels.length === 0) continue;
      answered.add(requestId as string);
      tell(row, labels);
      if (answered.size % answersPerTurn === 0) await turn();
    }
    // Labels of the others may have come while their answers were read: they are asked for next.
    for (const requestId of requestIds)
      if (!answered.has(requestId)) for (const label of pending.take(requestId)) missing(label);
  };
  const readAll = async (): Promise<void> => {
    while (pending.size > 0 && !signal.aborted) await read();
  };
  const run = (): Promise<void> =>
    (running ??= readAll().finally(() => {
      running = undefined;
    }));
  const warn = (error: unknown): void =>
    logger.warn(
      { labels: pending.size, error: String(error) },
      "Answers of late labels could not be read; they are asked for again.",
    );
  return {
    get size() {
      return pending.size;
    },
    ask: pending.add,
    start(nowMs) {
      if (pending.size === 0 || running !== undefined || nowMs < notBeforeMs || signal.aborted) return;
      notBeforeMs = nowMs + retryMs;
      run().then(() => {
        notBeforeMs = Number.NEGATIVE_INFINITY;
      }, warn);
    },
    finish: () => run().catch(warn),
    stop: () => stopped.abort(),
    list: pending.list,
  };
}

/** Labels by request, the oldest first. */
interface Pending {
  readonly size: number;
  add(label: CapturedLabel, nowMs: number): void;
  take(requestId: string): readonly CapturedLabel[];
  oldest(requests: number): readonly string[];
  list(): readonly HeldLabel[];
}

function createPending(most: number, lost: (label: CapturedLabel) => void): Pending {
  const waiting = new Map<string, HeldLabel[]>();
  let size = 0;
  const take = (requestId: string): readonly CapturedLabel[] => {
    const labels = waiting.get(requestId) ?? [];
    waiting.delete(requestId);
    size -= labels.length;
    return labels.map(({ label }) => label);
  };
  return {
    get size() {
      return size;
    },
    add(label, nowMs) {
      const known = waiting.get(label.requestId);
      if (known === undefined) waiting.set(label.requestId, [{ label, sinceMs: nowMs }]);
      else known.push({ label, sinceMs: nowMs });
      size += 1;
      while (size > most) {
        const [oldest] = waiting.keys();
        if (oldest === undefined) return;
        for (const each of take(oldest)) lost(each);
      }
    },
    take,
    oldest: (requests) => [...waiting.keys()].slice(0, requests),
    list: () => [...waiting.values()].flat(),
  };
}
