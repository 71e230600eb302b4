import { MillwrightError } from "@millwright/contracts";

export type RegistryErrorCode =
  | "REGISTRY_JOURNAL_INVALID"
  | "REGISTRY_NAME_INVALID"
  | "REGISTRY_PAGE_TOKEN_INVALID"
  | "REGISTRY_QUERY_INVALID"
  | "REGISTRY_RUN_ENDED"
  | "REGISTRY_RUN_UNKNOWN"
  | "REGISTRY_WEBHOOK_REFUSED"
  | "REGISTRY_WEBHOOK_UNKNOWN"
  | "REGISTRY_WRITE_FAILED";

export class RegistryError extends MillwrightError<RegistryErrorCode> {
  override readonly name = "RegistryError";
}

export const journalInvalid = (path: string, problem: string, cause?: unknown): RegistryError =>
  new RegistryError("REGISTRY_JOURNAL_INVALID", `The journal "${path}" cannot be read: ${problem}.`, {
    category: "data",
    remedy: "Move it away and sync the others; upgrade @millwright/registry where a newer one wrote it.",
    cause,
  });

export const nameInvalid = (what: string, name: unknown, remedy: string): RegistryError =>
  new RegistryError("REGISTRY_NAME_INVALID", `${JSON.stringify(name)} cannot be the name of ${what}.`, {
    category: "user",
    remedy,
  });

export const pageTokenInvalid = (why: string): RegistryError =>
  new RegistryError("REGISTRY_PAGE_TOKEN_INVALID", `The page token cannot be used: ${why}.`, {
    category: "user",
    remedy: "Give nextPageToken as it came, with the same query; or begin again without one.",
  });

/** @param what What is wrong, in MLflow's words where it has some. */
export const queryInvalid = (what: string): RegistryError =>
  new RegistryError("REGISTRY_QUERY_INVALID", what, {
    category: "user",
    remedy: "See the guide of the registry for what a filter and an order are made of.",
  });

export const runEnded = (id: string): RegistryError =>
  new RegistryError("REGISTRY_RUN_ENDED", `The run ${id} has ended.`, {
    category: "user",
    remedy: "Log before end(), or start another run.",
  });

export const runUnknown = (id: string): RegistryError =>
  new RegistryError("REGISTRY_RUN_UNKNOWN", `No run has the id "${id}".`, {
    category: "user",
    remedy: "Take the id from startRun() or runs().",
  });

export const webhookRefused = (problem: string): RegistryError =>
  new RegistryError("REGISTRY_WEBHOOK_REFUSED", `The webhook's message is not to be trusted: ${problem}.`, {
    category: "user",
    remedy: "Answer 401 and do nothing of what it says; compare the secret and the clocks of both sides.",
  });

export const webhookUnknown = (id: string, known: readonly string[]): RegistryError =>
  new RegistryError("REGISTRY_WEBHOOK_UNKNOWN", `No webhook has the id "${id}".`, {
    category: "user",
    remedy: known.length === 0 ? "None was given to openWebhooks()." : `Known webhooks: ${known.join(", ")}.`,
  });

export const writeFailed = (id: string, cause: unknown): RegistryError =>
  new RegistryError("REGISTRY_WRITE_FAILED", `What was logged to the run ${id} could not be written.`, {
    category: "transient",
    remedy: "See the cause; what was not written is kept and written by the next flush().",
    retryable: true,
    cause,
  });
