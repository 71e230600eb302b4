import { open } from "node:fs/promises";
import type { ErrorCategory, JobResult, JobState, JsonValue } from "@millwright/contracts";
import type { WorkerFailure } from "./protocol.ts";

/** Why the supervisor itself ended an attempt. */
export type Intervention =
  | { readonly kind: "hung"; readonly silentMs: number }
  | { readonly kind: "memory"; readonly bytes: number; readonly limitBytes: number }
  | { readonly kind: "protocol"; readonly problem: string }
  | { readonly kind: "spawn"; readonly problem: string; readonly missing: boolean };

/** How one attempt's process ended. */
export interface Ending {
  readonly exitCode: number | undefined;
  readonly exitSignal: string | undefined;
  /** The last frame of a module, if it got so far. */
  readonly result: { readonly value?: JsonValue | undefined } | undefined;
  readonly failure: WorkerFailure | undefined;
  readonly intervention: Intervention | undefined;
}

export type Verdict =
  | { readonly good: true; readonly value?: JsonValue | undefined }
  | { readonly good: false; readonly category: ErrorCategory; readonly reason: string; readonly retryable: boolean };

/** sysexits.h's EX_TEMPFAIL: how a command says that trying again may help. */
const temporaryFailureCode = 75;
const crashSignals: readonly string[] = ["SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGTRAP", "SIGSYS"];

const bad = (category: ErrorCategory, reason: string, retryable = category === "transient"): Verdict => ({
  good: false,
  category,
  reason,
  retryable,
});

function judgeIntervention(intervention: Intervention): Verdict {
  switch (intervention.kind) {
    case "hung":
      return bad("transient", `The module gave no sign of life for ${Math.round(intervention.silentMs)} ms.`);
    case "memory":
      return bad(
        "capacity",
        `The processes held ${intervention.bytes} bytes of memory; the limit is ${intervention.limitBytes}.`,
      );
    case "protocol":
      return bad("bug", intervention.problem);
    case "spawn":
      return bad(intervention.missing ? "user" : "capacity", intervention.problem);
  }
}

/** Whether an attempt went well and, if not, what kind of failure it was. `written` is the beginning of `output/failure`, if there is one. */
export function judge(ending: Ending, written: string | undefined): Verdict {
  const { exitCode, exitSignal, result, failure, intervention } = ending;
  if (intervention !== undefined) return judgeIntervention(intervention);
  if (result !== undefined) return { good: true, value: result.value };
  if (failure !== undefined) {
    const category = failure.category ?? "user";
    return bad(category, written ?? failure.message, failure.retryable === true || category === "transient");
  }
  if (exitCode === 0) return { good: true };
  if (exitCode !== undefined) {
    const category = exitCode === temporaryFailureCode ? "transient" : "user";
    return bad(category, written ?? `The process ended with exit code ${exitCode}.`);
  }
  const signal = exitSignal ?? "an unknown signal";
  if (crashSignals.includes(signal)) return bad("bug", written ?? `The process crashed with ${signal}.`);
  const category = signal === "SIGKILL" ? "capacity" : "transient";
  return bad(category, written ?? `The process was ended from outside with ${signal}.`);
}

const reasonLength = 1_024;

/** The first 1,024 UTF-16 characters, without half of a pair at the end. */
export function cutReason(text: string): string {
  const cut = text.slice(0, reasonLength);
  const last = cut.charCodeAt(cut.length - 1);
  return last >= 0xd800 && last <= 0xdbff ? cut.slice(0, -1) : cut;
}

/** The beginning of what a job wrote as its failure; undefined where it wrote nothing. */
export async function readFailure(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, "r");
    try {
      // A character of UTF-8 has four bytes at most.
      const { buffer, bytesRead } = await file.read(Buffer.alloc(4 * reasonLength), 0, 4 * reasonLength, 0);
      const text = buffer.toString("utf8", 0, bytesRead).trimEnd();
      return text === "" ? undefined : text;
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

/** The verdict on an attempt, and how its process ended. */
export type AttemptVerdict = Verdict & {
  readonly exitCode: number | undefined;
  readonly exitSignal: string | undefined;
};

/** What a job that ends in a state gives as its result. */
export function resultOf(
  state: JobState,
  verdict: AttemptVerdict | undefined,
  reason: string | undefined,
  attempts: number,
): JobResult {
  const category: ErrorCategory | undefined =
    state === "failed" && verdict?.good === false ? verdict.category : undefined;
  return {
    state,
    ...(verdict?.good === true && verdict.value !== undefined ? { value: verdict.value } : {}),
    ...(verdict?.exitCode === undefined ? {} : { exitCode: verdict.exitCode }),
    ...(verdict?.exitSignal === undefined ? {} : { exitSignal: verdict.exitSignal }),
    ...(reason === undefined ? {} : { failureReason: cutReason(reason) }),
    ...(category === undefined ? {} : { failureCategory: category }),
    attempts,
  };
}
