import type {
  ErrorCategory,
  JobFailureCause,
  JobRetries,
  JobRetryKind,
  JobSpec,
  PreviousAttempt,
} from "@millwright/contracts";
import { specInvalid } from "../errors.ts";
import type { StateLine } from "../job-record.ts";

/** A failed attempt, as far as trying again depends on it. */
export interface FailedAttempt {
  readonly category: ErrorCategory;
  readonly cause: JobFailureCause;
  /** Whether the same may go well the next time, as who failed says. */
  readonly retryable: boolean;
  /** What the attempt had said of its size. */
  readonly size?: number | undefined;
}

const kinds: readonly JobRetryKind[] = ["transient", "capacity", "quota", "data", "bug", "interruption", "killed"];
const outOfMemory: ReadonlySet<JobFailureCause> = new Set([
  "memory-limit",
  "gpu-memory-limit",
  "heap-out-of-memory",
  "kernel-out-of-memory",
  "host-out-of-memory",
  "gpu-out-of-memory",
]);

export const isOutOfMemory = (cause: JobFailureCause): boolean => outOfMemory.has(cause);

/** The retries of a spec, however they are written. */
export function retriesOf({ retries = 0 }: Pick<JobSpec, "retries">): JobRetries {
  return typeof retries === "number" ? { max: retries } : retries;
}

const kindOf = ({ cause, category }: FailedAttempt): JobRetryKind | "user" => {
  if (cause === "interrupted") return "interruption";
  return cause === "killed" ? "killed" : category;
};

/** Whether an attempt of the kind is tried again where the spec says nothing of it. */
function isTriedByDefault({ category, cause, retryable, size }: FailedAttempt): boolean {
  if (cause === "interrupted" || category === "transient" || retryable) return true;
  return isOutOfMemory(cause) && size !== undefined;
}

/**
 * Whether a job is started again after the last of these failures. Pure: the failures before it are those of all launchers that had the job.
 * With `spot`, interruptions are neither counted nor bounded.
 */
export function isTriedAgain(
  spec: Pick<JobSpec, "retries" | "spot">,
  failures: readonly [...FailedAttempt[], FailedAttempt],
): boolean {
  const last = failures.at(-1) as FailedAttempt;
  const kind = kindOf(last);
  const free = (failure: FailedAttempt): boolean => spec.spot !== undefined && kindOf(failure) === "interruption";
  if (free(last)) return true;
  if (kind === "user" || last.cause === "same-size" || (isOutOfMemory(last.cause) && last.size === undefined))
    return false;
  const { max, categories = {} } = retriesOf(spec);
  const counted = failures.filter((failure) => !free(failure));
  if (counted.length > max) return false;
  const most = categories[kind] ?? (isTriedByDefault(last) ? max : 0);
  return counted.filter((failure) => kindOf(failure) === kind).length <= most;
}

/** The failed attempts of a job, oldest first. Of one whose launcher died, or was closed, there is nothing but that it was interrupted. */
export function failuresOf(states: readonly StateLine[]): readonly FailedAttempt[] {
  return states
    .filter(({ state, failure }) => state === "interrupted" || failure !== undefined)
    .map(({ failure }) => failure ?? { category: "transient", cause: "interrupted", retryable: true });
}

/** Whether a job that was interrupted is started again: the last of its failures may have been one of a launcher's that allowed none. */
export const mayGoOn = (spec: Pick<JobSpec, "retries" | "spot">, [...failures]: readonly FailedAttempt[]): boolean => {
  const last = failures.pop();
  return last !== undefined && isTriedAgain(spec, [...failures, last]);
};

/** What the next attempt is told of the last one. */
export function previousOf(states: readonly StateLine[]): PreviousAttempt | undefined {
  const last = states.findLast(({ state }) => state !== "starting");
  if (last?.failure === undefined) return undefined;
  const { category, cause, size } = last.failure;
  return { category, cause, reason: last.reason ?? "", ...(size === undefined ? {} : { size }) };
}

export function smallestFailedSize(failures: readonly FailedAttempt[]): number | undefined {
  const sizes = failures.flatMap(({ cause, size }) => (isOutOfMemory(cause) ? (size ?? []) : []));
  return sizes.length === 0 ? undefined : Math.min(...sizes);
}

/**
 * Time before the try that follows `failures` failures: doubled for each, less up to half of it at random. Pure.
 * @param random From 0 to 1.
 */
export function retryDelayMs(retries: JobRetries, failures: number, launcherDelayMs: number, random: number): number {
  const { delayMs = launcherDelayMs, maxDelayMs = 30_000 } = retries;
  const ceilingMs = Math.min(maxDelayMs, delayMs * 2 ** Math.min(60, failures - 1));
  return ceilingMs * (0.5 + 0.5 * random);
}

const whole = (field: string, value: unknown, most: number): void => {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > most)
    throw specInvalid(field, value, `a whole number from 0${most === Infinity ? "" : ` to ${most}`}`);
};

/** Throws `JOBS_SPEC_INVALID`. */
export function checkRetries(retries: JobSpec["retries"]): void {
  if (retries === undefined) return;
  if (typeof retries !== "object" || retries === null) return whole("retries", retries, Infinity);
  const { max, categories = {}, delayMs = 0, maxDelayMs = 0 } = retries;
  whole("retries.max", max, 1_000);
  for (const [kind, most] of Object.entries(categories)) {
    if (!kinds.includes(kind as JobRetryKind))
      throw specInvalid(`retries.categories.${kind}`, most, `of one of ${kinds.join(", ")}`);
    whole(`retries.categories.${kind}`, most, 1_000);
  }
  for (const [field, value] of Object.entries({ delayMs, maxDelayMs }))
    if (!(value >= 0 && Number.isFinite(value))) throw specInvalid(`retries.${field}`, value, "a finite number from 0");
}
