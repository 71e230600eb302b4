import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JobRetries, PreviousAttempt } from "@millwright/contracts";
import { inputInvalid, writeFailure } from "../errors.ts";
import { memoryOfCause, type MemoryKind } from "./out-of-memory.ts";

/** What is done where memory runs out while training. */
export interface MemoryGuardOptions {
  /** Fewest rows to be learned from at once; where they are too many still, the run fails with `TRAINER_OUT_OF_MEMORY`. Default: 1. */
  readonly smallest?: number | undefined;
}

/** The rows learned from at once were halved, since memory had run out. */
export interface MemoryDecision {
  readonly memory: MemoryKind;
  /** Rows learned from at once before, and from then on. */
  readonly before: number;
  readonly after: number;
  /** What the attempt ended with. */
  readonly reason: string;
}

/** How batches are learned from by now. */
export interface MemoryReport {
  /** Rows a step: what was asked for, whatever memory there is. */
  readonly batchSize: number;
  /** Rows learned from at once. */
  readonly microBatch: number;
  /** Parts that a batch of `batchSize` rows is learned from in. */
  readonly accumulate: number;
  /** First first. */
  readonly decisions: readonly MemoryDecision[];
}

/** Throws `TRAINER_INPUT_INVALID`. */
export function checkMemoryGuard(guard: boolean | MemoryGuardOptions): void {
  if (typeof guard === "boolean") return;
  const { smallest = 1 } = guard;
  if (!Number.isInteger(smallest) || smallest < 1)
    throw inputInvalid("memoryGuard.smallest", smallest, "a whole number from 1");
}

/** The retries of a run with a guard: those there are, and one for each halving. */
export function guardedRetries(retries: number | JobRetries, batchSize: number): JobRetries {
  const { max, categories, ...delays }: JobRetries = typeof retries === "number" ? { max: retries } : retries;
  const halvings = Math.ceil(Math.log2(Math.max(2, batchSize)));
  return {
    ...delays,
    max: max + halvings,
    categories: { transient: max, interruption: max, capacity: halvings, ...categories },
  };
}

interface GuardNote {
  readonly formatVersion: 1;
  readonly decisions: readonly MemoryDecision[];
}

const noteIn = (directory: string): string => join(directory, "memory-guard.json");

async function readNote(directory: string): Promise<readonly MemoryDecision[]> {
  const text = await readFile(noteIn(directory), "utf8").catch(() => undefined);
  return text === undefined ? [] : (JSON.parse(text) as GuardNote).decisions;
}

/**
 * What this attempt learns from at once: half of what the last one did, where memory ran out for that; else what was decided before. New decisions are kept in the
 * run's directory before they are acted on. Throws `TRAINER_WRITE_FAILED`.
 * @param rows What would be learned from at once without a guard.
 */
export async function decideMicroBatch(
  { directory, smallest }: { readonly directory: string; readonly smallest: number },
  previous: PreviousAttempt | undefined,
  rows: number,
): Promise<{ readonly microBatch: number; readonly decisions: readonly MemoryDecision[]; readonly made: boolean }> {
  const decisions = await readNote(directory);
  const now = decisions.at(-1)?.after ?? rows;
  const memory = memoryOfCause(previous?.cause);
  const from = Math.min(previous?.size ?? now, now);
  if (previous === undefined || memory === undefined || previous.size === undefined || from <= smallest)
    return { microBatch: now, decisions, made: false };
  const to = Math.max(smallest, Math.floor(from / 2));
  const all = [
    ...decisions,
    { memory: kindIn(previous.reason) ?? memory, before: from, after: to, reason: previous.reason },
  ];
  const path = noteIn(directory);
  try {
    await mkdir(directory, { recursive: true });
    await writeFile(`${path}.draft`, JSON.stringify({ formatVersion: 1, decisions: all } satisfies GuardNote));
    await rename(`${path}.draft`, path);
  } catch (error) {
    throw writeFailure(path, error);
  }
  return { microBatch: to, decisions: all, made: true };
}

/** The launcher knows of no WebAssembly. */
const kindIn = (reason: string): MemoryKind | undefined => (reason.includes("(wasm)") ? "wasm" : undefined);

export const memoryReport = (
  batchSize: number,
  microBatch: number,
  decisions: readonly MemoryDecision[],
): MemoryReport => ({ batchSize, microBatch, accumulate: Math.ceil(batchSize / microBatch), decisions });
