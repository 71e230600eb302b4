import { MillwrightError } from "./error.ts";

/** Codes that ports promise: every driver throws the same. */
export type PortErrorCode =
  | "PORT_ARTIFACT_CORRUPT"
  | "PORT_ARTIFACT_MISSING"
  | "PORT_BUDGET_EXHAUSTED"
  | "PORT_CLOSED"
  | "PORT_DEPLOYMENT_RUNNING"
  | "PORT_FEATURE_SERVICE_UNKNOWN"
  | "PORT_JOB_UNKNOWN"
  | "PORT_LEASE_LOST"
  | "PORT_MODEL_CORRUPT"
  | "PORT_MODEL_UNKNOWN"
  | "PORT_TRANSITION_ILLEGAL"
  | "PORT_UNSUPPORTED"
  | "PORT_VERSION_CONFLICT";

export class PortError extends MillwrightError<PortErrorCode> {
  override readonly name = "PortError";
}

export const artifactMissing = (digest: string): PortError =>
  new PortError("PORT_ARTIFACT_MISSING", `No artifact has the digest ${digest}.`, {
    category: "user",
    remedy: "Put it first, or open the store it was put into.",
  });

export const artifactCorrupt = (digest: string, actual: string): PortError =>
  new PortError(
    "PORT_ARTIFACT_CORRUPT",
    `The artifact ${digest} has been changed: its bytes have the digest ${actual}.`,
    {
      category: "data",
      remedy: "Delete it and put the original bytes again.",
    },
  );

export const budgetExhausted = (unit: string, asked: number, left: number): PortError =>
  new PortError("PORT_BUDGET_EXHAUSTED", `The budget has ${left} ${unit} left, and ${asked} were asked for.`, {
    category: "quota",
    remedy: "Raise the limit, or ask for less.",
  });

export const closed = (what: string): PortError =>
  new PortError("PORT_CLOSED", `${what} is closed.`, {
    category: "user",
    remedy: "Open it again, and dispose it only when all work is done.",
  });

export const deploymentRunning = (endpoint: string, deploymentId: string): PortError =>
  new PortError(
    "PORT_DEPLOYMENT_RUNNING",
    `The endpoint "${endpoint}" is in the middle of deployment ${deploymentId}.`,
    {
      category: "capacity",
      remedy: "Wait until it ends, or roll it back.",
      retryable: true,
    },
  );

export const featureServiceUnknown = (service: string, known: readonly string[]): PortError =>
  new PortError("PORT_FEATURE_SERVICE_UNKNOWN", `No feature service is named "${service}".`, {
    category: "user",
    remedy: known.length === 0 ? "Define one first." : `Known services: ${known.join(", ")}.`,
  });

export const jobUnknown = (id: string): PortError =>
  new PortError("PORT_JOB_UNKNOWN", `No job has the id "${id}".`, {
    category: "user",
    remedy: "Launch it first, from the same state directory.",
  });

export const leaseLost = (name: string, fence: number): PortError =>
  new PortError("PORT_LEASE_LOST", `The lease "${name}" with fence ${fence} ran out and is no longer held.`, {
    category: "transient",
    remedy: "Stop acting under it, and acquire it again.",
  });

export const modelUnknown = (ref: string, known: readonly string[]): PortError =>
  new PortError("PORT_MODEL_UNKNOWN", `No model answers to "${ref}".`, {
    category: "user",
    remedy: known.length === 0 ? "Register a version first." : `Known: ${known.join(", ")}.`,
  });

export const modelCorrupt = (what: string, problem: string, cause?: unknown): PortError =>
  new PortError("PORT_MODEL_CORRUPT", `The model package ${what} cannot be used: ${problem}.`, {
    category: "data",
    remedy: "Pack it again from the original files.",
    cause,
  });

export const transitionIllegal = (what: string, from: string, to: string, allowed: readonly string[]): PortError =>
  new PortError("PORT_TRANSITION_ILLEGAL", `${what} cannot go from ${from} to ${to}.`, {
    category: "user",
    remedy: allowed.length === 0 ? `${from} is final.` : `From ${from} it can go to ${allowed.join(", ")}.`,
  });

export const unsupported = (what: string, remedy: string): PortError =>
  new PortError("PORT_UNSUPPORTED", `${what} is not supported.`, { category: "user", remedy });

export const versionConflict = (key: string, expected: number, actual: number): PortError =>
  new PortError("PORT_VERSION_CONFLICT", `"${key}" is at version ${actual}, not at ${expected}.`, {
    category: "transient",
    remedy: "Read it again and decide anew.",
  });
