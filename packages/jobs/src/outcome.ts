import { open } from "node:fs/promises";
import { constants } from "node:os";
import type { ErrorCategory, JobFailureCause, JobResult, JobState, JsonValue } from "@millwright/contracts";
import type { WorkerFailure } from "./protocol.ts";
import { outOfMemoryIn } from "./supervision/out-of-memory.ts";

/** Why the supervisor itself ended an attempt. */
export type Intervention =
  | { readonly kind: "hung"; readonly silentMs: number }
  | { readonly kind: "memory"; readonly bytes: number; readonly limitBytes: number }
  | { readonly kind: "protocol"; readonly problem: string }
  | { readonly kind: "same-size"; readonly size: number; readonly failedSize: number }
  | { readonly kind: "gpu-memory"; readonly bytes: number; readonly limitBytes: number }
  | { readonly kind: "devices"; readonly problem: string }
  | { readonly kind: "spawn"; readonly problem: string; readonly missing: boolean };

/** How one attempt's process ended. */
export interface Ending {
  readonly exitCode: number | undefined;
  readonly exitSignal: string | undefined;
  /** The last frame of a module, if it got so far. */
  readonly result: { readonly value?: JsonValue | undefined } | undefined;
  readonly failure: WorkerFailure | undefined;
  readonly intervention: Intervention | undefined;
  /** Why it was told to leave, if it was. */
  readonly interruption?: string | undefined;
  /** The newest of what it wrote to stdout and stderr. */
  readonly lines?: string | undefined;
  /** Whether the kernel killed a process for memory meanwhile; undefined where that cannot be known. */
  readonly memoryKilled?: boolean | undefined;
  /** What the module said of its size. */
  readonly size?: number | undefined;
}

export type Verdict =
  | { readonly good: true; readonly value?: JsonValue | undefined }
  | {
      readonly good: false;
      readonly category: ErrorCategory;
      readonly cause: JobFailureCause;
      readonly reason: string;
      readonly retryable: boolean;
    };

/** sysexits.h's EX_TEMPFAIL: how a command says that trying again may help. */
const temporaryFailureCode = 75;
const crashSignals: readonly string[] = ["SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGTRAP", "SIGSYS"];

const bad = (
  category: ErrorCategory,
  cause: JobFailureCause,
  reason: string,
  retryable = category === "transient",
): Verdict => ({ good: false, category, cause, reason, retryable });

function judgeIntervention(intervention: Intervention): Verdict {
  switch (intervention.kind) {
    case "hung":
      return bad("transient", "hung", `The module gave no sign of life for ${Math.round(intervention.silentMs)} ms.`);
    case "memory":
      return bad(
        "capacity",
        "memory-limit",
        `The processes held ${intervention.bytes} bytes of memory; the limit is ${intervention.limitBytes}.`,
      );
    case "same-size":
      return bad(
        "capacity",
        "same-size",
        `An attempt of size ${intervention.failedSize} ran out of memory, and this one is no smaller: ${intervention.size}.`,
      );
    case "gpu-memory":
      return bad(
        "capacity",
        "gpu-memory-limit",
        `The processes held ${intervention.bytes} bytes of device memory; the limit is ${intervention.limitBytes}.`,
      );
    case "devices":
      return bad("transient", "devices-lost", intervention.problem);
    case "protocol":
      return bad("bug", "protocol", intervention.problem);
    case "spawn":
      return bad(intervention.missing ? "user" : "capacity", "not-started", intervention.problem);
  }
}

/** Whether an attempt went well and, if not, what kind of failure it was. `written` is the beginning of `output/failure`, if there is one. */
export function judge(ending: Ending, written: string | undefined): Verdict {
  const { exitCode, result, failure, intervention, interruption, lines = "" } = ending;
  if (intervention !== undefined) return judgeIntervention(intervention);
  if (result !== undefined) return { good: true, value: result.value };
  if (interruption !== undefined) return bad("transient", "interrupted", interruption);
  if (failure !== undefined) return judgeFailure(failure, written, lines);
  if (exitCode === 0) return { good: true };
  const signal = signalOf(ending);
  if (signal !== undefined) return judgeSignal(signal, ending, written);
  const memory = outOfMemoryIn(written ?? "") ?? outOfMemoryIn(lines);
  const category = exitCode === temporaryFailureCode ? "transient" : memory === undefined ? "user" : "capacity";
  const cause = category === "capacity" ? memory : undefined;
  return bad(category, cause ?? "exit-code", written ?? `The process ended with exit code ${exitCode}.`);
}

function judgeFailure(failure: WorkerFailure, written: string | undefined, lines: string): Verdict {
  const { category: told, message } = failure;
  // An error that says nothing of its kind may still say that memory had run out; of one that says `capacity`, the lines may say which.
  const memory = outOfMemoryIn(message) ?? (told === "capacity" ? outOfMemoryIn(lines) : undefined);
  const category = told ?? (memory === undefined ? "user" : "capacity");
  const cause = category === "capacity" ? (memory ?? "error") : "error";
  return bad(category, cause, written ?? message, failure.retryable === true || category === "transient");
}

/** The signal that ended it: its own, or its child's where a shell says so with an exit code above 128. */
function signalOf({ exitCode, exitSignal }: Ending): string | undefined {
  if (exitCode === undefined) return exitSignal ?? "an unknown signal";
  const number = exitCode - 128;
  return ([...crashSignals, "SIGKILL", "SIGTERM"] as NodeJS.Signals[]).find(
    (name) => constants.signals[name] === number,
  );
}

function judgeSignal(signal: string, { lines = "", memoryKilled }: Ending, written: string | undefined): Verdict {
  const memory = outOfMemoryIn(lines);
  if (crashSignals.includes(signal)) {
    const reason = written ?? `The process crashed with ${signal}.`;
    return memory === undefined ? bad("bug", "crashed", reason) : bad("capacity", memory, reason);
  }
  if (signal !== "SIGKILL")
    return bad("transient", "terminated", written ?? `The process was ended from outside with ${signal}.`);
  if (memoryKilled === true)
    return bad("capacity", "kernel-out-of-memory", written ?? "The kernel killed the process: memory had run out.");
  const reason = written ?? "The process was ended from outside with SIGKILL.";
  return bad(memoryKilled === undefined ? "capacity" : "transient", "killed", reason);
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
  readonly size: number | undefined;
};

/** What a job that ends in a state gives as its result. */
export function resultOf(
  state: JobState,
  verdict: AttemptVerdict | undefined,
  reason: string | undefined,
  attempts: number,
): JobResult {
  const failed = verdict?.good === false ? verdict : undefined;
  return {
    state,
    ...(verdict?.good === true && verdict.value !== undefined ? { value: verdict.value } : {}),
    ...(verdict?.exitCode === undefined ? {} : { exitCode: verdict.exitCode }),
    ...(verdict?.exitSignal === undefined ? {} : { exitSignal: verdict.exitSignal }),
    ...(reason === undefined ? {} : { failureReason: cutReason(reason) }),
    ...(failed !== undefined && state === "failed" ? { failureCategory: failed.category } : {}),
    ...(failed !== undefined && (state === "failed" || state === "interrupted") ? { failureCause: failed.cause } : {}),
    attempts,
  };
}
