import { MillwrightError } from "@millwright/contracts";

export type RegistryErrorCode =
  | "REGISTRY_ACTOR_MISSING"
  | "REGISTRY_CHART_INVALID"
  | "REGISTRY_CHART_UNKNOWN"
  | "REGISTRY_CARD_INVALID"
  | "REGISTRY_CARD_REFUSED"
  | "REGISTRY_CARD_UNKNOWN"
  | "REGISTRY_CHANGED_MEANWHILE"
  | "REGISTRY_COPY_DIFFERS"
  | "REGISTRY_DEPLOYMENT_INVALID"
  | "REGISTRY_GATE_CLOSED"
  | "REGISTRY_HOLD_UNKNOWN"
  | "REGISTRY_EXPERIMENT_DELETED"
  | "REGISTRY_EXPERIMENT_EXISTS"
  | "REGISTRY_EXPERIMENT_UNKNOWN"
  | "REGISTRY_JOURNAL_INVALID"
  | "REGISTRY_MATERIALS_INVALID"
  | "REGISTRY_MLFLOW_ANSWER_INVALID"
  | "REGISTRY_MLFLOW_ARTIFACTS_ELSEWHERE"
  | "REGISTRY_MLFLOW_PARAM_CHANGED"
  | "REGISTRY_MLFLOW_REFUSED"
  | "REGISTRY_MLFLOW_UNREACHABLE"
  | "REGISTRY_MLFLOW_VALUE_INVALID"
  | "REGISTRY_NAME_INVALID"
  | "REGISTRY_OPENLINEAGE_INVALID"
  | "REGISTRY_OPENLINEAGE_TARGET_UNKNOWN"
  | "REGISTRY_PAGE_TOKEN_INVALID"
  | "REGISTRY_PREDICTION_UNKNOWN"
  | "REGISTRY_QUERY_INVALID"
  | "REGISTRY_REQUEST_REFUSED"
  | "REGISTRY_REQUEST_UNKNOWN"
  | "REGISTRY_ROLLBACK_IMPOSSIBLE"
  | "REGISTRY_RUN_DELETED"
  | "REGISTRY_RUN_ENDED"
  | "REGISTRY_RUN_UNKNOWN"
  | "REGISTRY_SCORE_INVALID"
  | "REGISTRY_STAGE_INVALID"
  | "REGISTRY_STAGE_REFUSED"
  | "REGISTRY_STAGE_UNKNOWN"
  | "REGISTRY_VERSION_IN_SERVICE"
  | "REGISTRY_WEBHOOK_REFUSED"
  | "REGISTRY_WEBHOOK_UNKNOWN"
  | "REGISTRY_WRITE_FAILED";

export class RegistryError extends MillwrightError<RegistryErrorCode> {
  override readonly name = "RegistryError";
}

export const actorMissing = (): RegistryError =>
  new RegistryError("REGISTRY_ACTOR_MISSING", "Nobody said who does it, and every change must name somebody.", {
    category: "user",
    remedy: "Give `by`, or `actor` to openRegistry().",
  });

export const journalInvalid = (path: string, problem: string, cause?: unknown): RegistryError =>
  new RegistryError("REGISTRY_JOURNAL_INVALID", `The journal "${path}" cannot be read: ${problem}.`, {
    category: "data",
    remedy: "Move it away and sync the others; upgrade @millwright/registry where a newer one wrote it.",
    cause,
  });

export const materialsInvalid = (subject: string, problem: string, cause?: unknown): RegistryError =>
  new RegistryError("REGISTRY_MATERIALS_INVALID", `The materials of ${subject} cannot be kept: ${problem}.`, {
    category: "user",
    remedy: "Give licenses as SPDX expressions, and dependencies as readLockFile() gives them.",
    cause,
  });

export const nameInvalid = (what: string, name: unknown, remedy: string): RegistryError =>
  new RegistryError("REGISTRY_NAME_INVALID", `${JSON.stringify(name)} cannot be the name of ${what}.`, {
    category: "user",
    remedy,
  });

/** @param path Where in the event. */
export const openLineageInvalid = (path: string, problem: string): RegistryError =>
  new RegistryError("REGISTRY_OPENLINEAGE_INVALID", `It is no event of OpenLineage at ${path}: ${problem}.`, {
    category: "user",
    remedy: "Send events as OpenLineage 2.0.2 has them; nothing of what was sent with it was kept.",
  });

export const openLineageTargetUnknown = (id: string, known: readonly string[]): RegistryError =>
  new RegistryError("REGISTRY_OPENLINEAGE_TARGET_UNKNOWN", `No target has the id "${id}".`, {
    category: "user",
    remedy: known.length === 0 ? "None was given to openLineageEmitter()." : `Known targets: ${known.join(", ")}.`,
  });

export const pageTokenInvalid = (why: string): RegistryError =>
  new RegistryError("REGISTRY_PAGE_TOKEN_INVALID", `The page token cannot be used: ${why}.`, {
    category: "user",
    remedy: "Give nextPageToken as it came, with the same query; or begin again without one.",
  });

export const predictionUnknown = (requestId: string): RegistryError =>
  new RegistryError("REGISTRY_PREDICTION_UNKNOWN", `No prediction was captured under the request id "${requestId}".`, {
    category: "user",
    remedy:
      "Take the id from the answer's provenance; see that its endpoint captures, and that capture still keeps it.",
  });

/** @param what What is wrong, in MLflow's words where it has some. */
export const queryInvalid = (what: string): RegistryError =>
  new RegistryError("REGISTRY_QUERY_INVALID", what, {
    category: "user",
    remedy: "See the guide of the registry for what a filter and an order are made of.",
  });

export const chartInvalid = (path: string, why: string, cause?: unknown): RegistryError =>
  new RegistryError("REGISTRY_CHART_INVALID", `The artifact ${path} is read as no chart: ${why}.`, {
    category: "data",
    remedy: "Log charts with logChart(); read what a newer release logged with that release.",
    cause,
  });

export const chartUnknown = (id: string, name: string): RegistryError =>
  new RegistryError("REGISTRY_CHART_UNKNOWN", `The run ${id} has no chart ${JSON.stringify(name)}.`, {
    category: "user",
    remedy: "Take a name that charts() gives.",
  });

export const experimentDeleted = (name: string): RegistryError =>
  new RegistryError("REGISTRY_EXPERIMENT_DELETED", `The experiment "${name}" was deleted.`, {
    category: "user",
    remedy: "Restore it with restoreExperiment(), or take another name.",
  });

export const experimentExists = (name: string, isDeleted: boolean): RegistryError =>
  new RegistryError(
    "REGISTRY_EXPERIMENT_EXISTS",
    `There is an experiment "${name}" already${isDeleted ? ", deleted" : ""}.`,
    {
      category: "user",
      remedy: isDeleted
        ? "Restore it with restoreExperiment(), or take another name."
        : "Use it, or take another name.",
    },
  );

export const experimentUnknown = (name: string): RegistryError =>
  new RegistryError("REGISTRY_EXPERIMENT_UNKNOWN", `No experiment is named ${JSON.stringify(name)}.`, {
    category: "user",
    remedy: "Take a name that searchExperiments() gives, or make it with createExperiment().",
  });

export const runDeleted = (id: string): RegistryError =>
  new RegistryError("REGISTRY_RUN_DELETED", `The run ${id} was deleted.`, {
    category: "user",
    remedy: "Restore it with restoreRun() before it is written to.",
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

export const deploymentInvalid = (endpoint: string, problem: string): RegistryError =>
  new RegistryError(
    "REGISTRY_DEPLOYMENT_INVALID",
    `The traffic of the endpoint "${endpoint}" cannot be so: ${problem}.`,
    {
      category: "user",
      remedy: "Give each variant once, with shares above 0 that add up to 1; none at all where nothing is served.",
    },
  );

export const changedMeanwhile = (subject: string): RegistryError =>
  new RegistryError(
    "REGISTRY_CHANGED_MEANWHILE",
    `${subject} changed after it was looked at, and before what was decided on it could be written.`,
    { category: "transient", remedy: "Look at it again; the same call asks its gates anew.", retryable: true },
  );

export const gateClosed = (
  subject: string,
  kind: string,
  target: string,
  results: readonly { readonly gate: string; readonly passed: boolean; readonly reason: string }[],
): RegistryError => {
  const closed = results.filter(({ passed }) => !passed).map(({ gate, reason }) => `${gate}: ${reason}`);
  return new RegistryError(
    "REGISTRY_GATE_CLOSED",
    `${subject} does not pass the gates of the ${kind} "${target}". ${closed.join(" ")}`,
    { category: "user", remedy: "Mend what they name, or give breakGlass with a reason of 10 characters or more." },
  );
};

export const holdUnknown = (id: string): RegistryError =>
  new RegistryError("REGISTRY_HOLD_UNKNOWN", `No hold that holds has the id "${id}".`, {
    category: "user",
    remedy: "Take the id from holdVersion() or holds().",
  });

export const requestRefused = (subject: string, problem: string): RegistryError =>
  new RegistryError("REGISTRY_REQUEST_REFUSED", `The approval of ${subject} cannot be decided so: ${problem}.`, {
    category: "user",
    remedy: "See approvalRequests() for what is asked, of whom, and what was said.",
  });

export const requestUnknown = (id: string): RegistryError =>
  new RegistryError("REGISTRY_REQUEST_UNKNOWN", `No approval request has the id "${id}".`, {
    category: "user",
    remedy: "Take the id from requestApproval() or approvalRequests().",
  });

export const rollbackImpossible = (name: string, from: number, to: number | undefined): RegistryError =>
  new RegistryError(
    "REGISTRY_ROLLBACK_IMPOSSIBLE",
    to === undefined
      ? `No version of "${name}" below ${from} is approved.`
      : `${name}/${to} is not another approved version.`,
    { category: "user", remedy: "Approve the version to go back to, or name one that is approved as `to`." },
  );

export const stageInvalid = (problem: string): RegistryError =>
  new RegistryError("REGISTRY_STAGE_INVALID", `A stage cannot be so: ${problem}.`, {
    category: "user",
    remedy: "Names are 1 to 63 letters, digits and dashes, with no dash at either end; each stands once.",
  });

export const stageRefused = (subject: string, from: string, to: string, reason: string): RegistryError =>
  new RegistryError("REGISTRY_STAGE_REFUSED", `${subject} cannot go from ${from} to the stage "${to}": ${reason}.`, {
    category: "user",
    remedy: "Go stage by stage, or ask somebody who may.",
  });

export const stageUnknown = (what: "stage" | "status", name: string, known: readonly string[]): RegistryError =>
  new RegistryError("REGISTRY_STAGE_UNKNOWN", `No ${what} is named "${name}".`, {
    category: "user",
    remedy: `Known: ${known.join(", ")}.`,
  });

export const versionInService = (subject: string, problem: string): RegistryError =>
  new RegistryError("REGISTRY_VERSION_IN_SERVICE", `${subject} cannot be deleted: ${problem}.`, {
    category: "user",
    remedy: "Take it out of service first, or have its hold released.",
  });

export const cardInvalid = (subject: string, problem: string): RegistryError =>
  new RegistryError("REGISTRY_CARD_INVALID", `The model card of ${subject} cannot be so: ${problem}.`, {
    category: "user",
    remedy: "Use the sections, fields and limits of SageMaker's model card schema.",
  });

export const cardRefused = (subject: string, problem: string): RegistryError =>
  new RegistryError("REGISTRY_CARD_REFUSED", `The model card of ${subject} ${problem} and stays as it is.`, {
    category: "user",
    remedy: "Register a new version, and edit the card of that.",
  });

export const cardUnknown = (subject: string, revision: number): RegistryError =>
  new RegistryError("REGISTRY_CARD_UNKNOWN", `The model card of ${subject} has no revision ${revision}.`, {
    category: "user",
    remedy: "See cardRevisions() for those there are.",
  });

export const copyDiffers = (ref: string, expected: string, actual: string): RegistryError =>
  new RegistryError("REGISTRY_COPY_DIFFERS", `${ref} has the digest ${expected}, and its copy ${actual}.`, {
    category: "data",
    remedy: "Do not use the copy; see whether something writes to the folder that packages are put together in.",
  });

export const scoreInvalid = (subject: string, problem: string): RegistryError =>
  new RegistryError("REGISTRY_SCORE_INVALID", `${subject} cannot be scored so: ${problem}.`, {
    category: "user",
    remedy: "Give whole counts, finite numbers, no more labels than predictions, and a confidence in (0, 1).",
  });
