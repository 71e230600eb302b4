/** Which requests a fault befalls: those to which all of it applies. */
export interface FaultMatch {
  readonly endpoint?: string | undefined;
  readonly tenant?: string | undefined;
  readonly principal?: string | undefined;
  /** The request's `chaos`; over HTTP the header `x-millwright-chaos`. */
  readonly mark?: string | undefined;
}

/** What every fault has. */
export interface FaultBase {
  /** In metrics, logs and game days; faults have names of their own. */
  readonly name: string;
  /** Not before, UTC milliseconds. Default: at once. */
  readonly fromMs?: number | undefined;
  /** No longer from here on, UTC milliseconds. Default: never. */
  readonly untilMs?: number | undefined;
}

/** A fault of single calls. */
export interface SharedFault extends FaultBase {
  /** Share of the calls that it befalls, above 0 and at most 1. Default: 1. */
  readonly share?: number | undefined;
}

/** A fault of single requests. Which ones the seed, its name and the request's id decide. */
export interface RequestFault extends SharedFault {
  /** Default: every request. */
  readonly match?: FaultMatch | undefined;
  /** Around the model, where errors count for the variant, or around everything. Default: `"model"`. */
  readonly at?: "model" | "request" | undefined;
}

/** The answer comes later, by `delayMs` and up to `jitterMs` more. */
export interface DelayFault extends RequestFault {
  readonly kind: "delay";
  /** Milliseconds, at least 0. */
  readonly delayMs: number;
  /** Milliseconds, at least 0. Default: 0. */
  readonly jitterMs?: number | undefined;
}

/** The request fails. */
export interface ErrorFault extends RequestFault {
  readonly kind: "error";
  /** What is thrown. Default: `SERVING_FAULT_INJECTED`. */
  readonly error?: (() => unknown) | undefined;
}

/** One number of each floating-point output becomes another: not a number, or one with a flipped bit of its mantissa or exponent. */
export interface CorruptFault extends RequestFault {
  readonly kind: "corrupt";
  /** Default: `"nan"`. */
  readonly how?: "nan" | "bit-flip" | undefined;
}

/** A worker of an isolated runtime is killed with SIGKILL, right before the request reaches the model. */
export interface KillWorkerFault extends RequestFault {
  readonly kind: "kill-worker";
  /** An isolated runtime whose workers are processes. */
  readonly runtime: { workers(): readonly { readonly pid: number | undefined }[] };
}

/** Wall time is off; durations are not. For `chaos.clock`. */
export interface ClockSkewFault extends FaultBase {
  readonly kind: "clock-skew";
  /** Milliseconds that the wall clock runs ahead; below 0 behind. */
  readonly skewMs: number;
}

/** Writing fails with `ENOSPC`. For `chaos.artifacts` and `chaos.predictions`. */
export interface DiskFullFault extends SharedFault {
  readonly kind: "disk-full";
}

/** Features cannot be read, do not come, or are old. For `chaos.features`. */
export interface FeaturesDownFault extends SharedFault {
  readonly kind: "features-down";
  /** Default: `"error"`. */
  readonly how?: "error" | "hang" | "stale" | undefined;
  /** How long a reading hangs before it fails, unless it is aborted first, milliseconds. Default: 30,000. */
  readonly hangMs?: number | undefined;
  /** How much older the rows become, whose status is then `stale`, milliseconds. Default: a day. */
  readonly staleMs?: number | undefined;
}

export type Fault =
  | DelayFault
  | ErrorFault
  | CorruptFault
  | KillWorkerFault
  | ClockSkewFault
  | DiskFullFault
  | FeaturesDownFault;

export type FaultKind = Fault["kind"];

const kinds: Readonly<Record<FaultKind, true>> = {
  delay: true,
  error: true,
  corrupt: true,
  "kill-worker": true,
  "clock-skew": true,
  "disk-full": true,
  "features-down": true,
};

export const isFaultKind = (value: unknown): value is FaultKind =>
  typeof value === "string" && Object.hasOwn(kinds, value);

/** Throws `TypeError` and `RangeError` for what is no list of faults. */
export function checkFaults(faults: readonly Fault[]): void {
  if (!Array.isArray(faults) || faults.length === 0)
    throw new TypeError("faults must be a list of at least one fault.");
  const names = new Set<string>();
  for (const fault of faults as readonly Fault[]) {
    if (typeof fault !== "object" || fault === null || typeof fault.name !== "string" || fault.name === "")
      throw new TypeError("Every fault needs a name.");
    if (names.has(fault.name)) throw new TypeError(`Two faults have the name "${fault.name}".`);
    names.add(fault.name);
    checkFault(fault);
  }
}

function checkFault(fault: Fault): void {
  if (!isFaultKind(fault.kind))
    throw new TypeError(`The fault "${fault.name}" is of no known kind; there are ${Object.keys(kinds).join(", ")}.`);
  const { share = 1, at = "model" } = fault as RequestFault;
  if (!(typeof share === "number" && share > 0 && share <= 1))
    throw new RangeError(`share must be above 0 and at most 1, not ${String(share)}.`);
  if (at !== "model" && at !== "request") throw new TypeError(`at must be "model" or "request", not ${String(at)}.`);
  for (const [name, value, least] of numbersOf(fault))
    if (value !== undefined && !(typeof value === "number" && value >= least && Number.isFinite(value)))
      throw new RangeError(`${name} of "${fault.name}" must be a number from ${least}, not ${String(value)}.`);
  if (fault.kind === "kill-worker" && typeof fault.runtime?.workers !== "function")
    throw new TypeError(`The fault "${fault.name}" needs the isolated runtime whose workers it kills.`);
  const how = "how" in fault ? (fault.how as string | undefined) : undefined;
  const known = fault.kind === "corrupt" ? ["nan", "bit-flip"] : ["error", "hang", "stale"];
  if (how !== undefined && !known.includes(how))
    throw new TypeError(`how must be one of ${known.join(", ")}, not ${how}.`);
  if (fault.kind === "error" && fault.error !== undefined && typeof fault.error !== "function")
    throw new TypeError(`error of "${fault.name}" must be a function that makes what is thrown.`);
}

function numbersOf(fault: Fault): readonly (readonly [string, number | undefined, number])[] {
  const { fromMs, untilMs } = fault;
  const schedule = [
    ["fromMs", fromMs, -Number.MAX_VALUE],
    ["untilMs", untilMs, -Number.MAX_VALUE],
  ] as const;
  const required = (value: number | undefined): number => value ?? Number.NaN;
  if (fault.kind === "delay")
    return [...schedule, ["delayMs", required(fault.delayMs), 0], ["jitterMs", fault.jitterMs, 0]];
  if (fault.kind === "clock-skew") return [...schedule, ["skewMs", required(fault.skewMs), -Number.MAX_VALUE]];
  if (fault.kind === "features-down") return [...schedule, ["hangMs", fault.hangMs, 0], ["staleMs", fault.staleMs, 0]];
  return schedule;
}
