/**
 * Why a trial failed: its objective gave NaN, threw, took longer than allowed or ran out of memory, or the worker that ran it died (`maxAttempts` times).
 */
export type FailureKind = "nan" | "throw" | "timeout" | "out-of-memory" | "worker-lost";

/**
 * What becomes of a failed trial: it is kept as failed, which samplers leave out; it is begun again with the same parameters, up to `maxRetries` times; or
 * it is kept as failed and shown to samplers as if it had given the worst value known, so that they learn to stay away.
 */
export type FailureAction = "fail" | "retry" | "impute-worst";

/** One action for all kinds, or one for each; a kind that is not named fails. */
export type OnFailure =
  | FailureAction
  | { readonly [Kind in Exclude<FailureKind, "worker-lost">]?: FailureAction | undefined };

export const failureKinds: readonly FailureKind[] = ["nan", "throw", "timeout", "out-of-memory", "worker-lost"];

const actions: readonly unknown[] = ["fail", "retry", "impute-worst"];
const kinds: readonly string[] = ["nan", "throw", "timeout", "out-of-memory"];

/** Throws RangeError, TypeError for what is no policy. */
export function checkOnFailure(policy: OnFailure | undefined): void {
  if (policy === undefined || actions.includes(policy)) return;
  if (typeof policy !== "object" || policy === null)
    throw new RangeError(
      `onFailure is ${String(policy)}; it must be fail, retry or impute-worst, or one of them by kind.`,
    );
  for (const [kind, action] of Object.entries(policy)) {
    if (!kinds.includes(kind)) throw new RangeError(`onFailure names the kind ${kind}; kinds are ${kinds.join(", ")}.`);
    if (action !== undefined && !actions.includes(action))
      throw new RangeError(`onFailure of ${kind} is ${String(action)}; it must be fail, retry or impute-worst.`);
  }
}

export function actionFor(policy: OnFailure | undefined, kind: FailureKind): FailureAction {
  if (policy === undefined || kind === "worker-lost") return "fail";
  return typeof policy === "string" ? policy : (policy[kind] ?? "fail");
}

const memoryMessage =
  /\bout of memory\b|\bOOM\b|heap limit|array buffer allocation failed|invalid (?:typed )?array (?:buffer )?length|\bENOMEM\b|cannot allocate memory/i;

/** The kind of an objective's error. An abort for another reason than time is a throw. */
export function kindOfError(error: unknown): FailureKind {
  if (!(error instanceof Error)) return "throw";
  if ("code" in error && (error.code === "ERR_WORKER_OUT_OF_MEMORY" || error.code === "ENOMEM")) return "out-of-memory";
  if (memoryMessage.test(error.message)) return "out-of-memory";
  return error.name === "TimeoutError" ? "timeout" : "throw";
}
