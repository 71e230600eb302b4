import type { CallOptions, Clock, RecordStore } from "@millwright/contracts";
import type { Prediction } from "../engine/prediction.ts";
import { answerFromJson, answerToJson, bytesOf, copyOutputs } from "./stored-answer.ts";

export type KeptAnswer = Pick<Prediction, "outputs" | "provenance">;

/** Where a response cache keeps answers. */
export interface AnswerStore {
  /** The answer, if it is there and not too old. */
  read(key: string, options?: CallOptions): KeptAnswer | undefined | Promise<KeptAnswer | undefined>;
  write(key: string, answer: KeptAnswer, options?: CallOptions): void | Promise<void>;
  readonly bytes: number;
  readonly entries: number;
}

export interface AnswerStoreOptions {
  readonly clock: Clock;
  readonly ttlMs: number;
}

/** In this process, what was used longest ago leaves first. */
export function memoryAnswerStore({
  clock,
  ttlMs,
  maxBytes,
}: AnswerStoreOptions & { readonly maxBytes: number }): AnswerStore {
  const kept = new Map<string, { readonly answer: KeptAnswer; readonly untilMs: number; readonly bytes: number }>();
  let bytes = 0;
  const drop = (key: string): void => {
    bytes -= kept.get(key)?.bytes ?? 0;
    kept.delete(key);
  };
  return {
    get bytes() {
      return bytes;
    },
    get entries() {
      return kept.size;
    },
    read(key) {
      const found = kept.get(key);
      if (found === undefined) return undefined;
      if (clock.monotonicMs() >= found.untilMs) {
        drop(key);
        return undefined;
      }
      kept.delete(key);
      kept.set(key, found);
      return { ...found.answer, outputs: copyOutputs(found.answer.outputs) };
    },
    write(key, answer) {
      drop(key);
      const size = bytesOf(answer.outputs) + 2 * key.length;
      if (size > maxBytes) return;
      kept.set(key, {
        answer: { ...answer, outputs: copyOutputs(answer.outputs) },
        untilMs: clock.monotonicMs() + ttlMs,
        bytes: size,
      });
      bytes += size;
      for (const oldest of kept.keys()) {
        if (bytes <= maxBytes) break;
        drop(oldest);
      }
    },
  };
}

/** In records that several processes share; what is too old goes when it is met. */
export function recordAnswerStore(records: RecordStore, { clock, ttlMs }: AnswerStoreOptions): AnswerStore {
  return {
    bytes: 0,
    entries: 0,
    async read(key, { signal } = {}) {
      const record = await records.read(key, { signal });
      if (record === undefined) return undefined;
      const { atMs, answer } = record.value as { readonly atMs?: unknown; readonly answer?: unknown };
      const age = clock.nowMs() - Number(atMs);
      // A clock that was set back makes no answer younger than new.
      const kept = age >= 0 && age < ttlMs ? answerFromJson(answer) : undefined;
      if (kept === undefined) await records.delete(key, { ifVersion: record.version, signal }).catch(() => {});
      return kept;
    },
    async write(key, answer, { signal } = {}) {
      await records.write(key, { atMs: clock.nowMs(), answer: answerToJson(answer) }, { signal });
    },
  };
}
