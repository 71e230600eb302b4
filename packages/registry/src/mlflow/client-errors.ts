import { RegistryError } from "../errors.ts";

const accessCodes = new Set(["UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED"]);

/** @param code MLflow's name of the error. */
export const mlflowRefused = (what: string, code: string, message: string): RegistryError =>
  new RegistryError("REGISTRY_MLFLOW_REFUSED", `The MLflow server refused ${what}: ${code}: ${shortened(message)}`, {
    category: "user",
    remedy: accessCodes.has(code)
      ? "Give a token, or a username and a password, that may do it."
      : "Mend what the server names.",
  });

export const mlflowUnreachable = (what: string, attempts: number, cause: unknown): RegistryError =>
  new RegistryError(
    "REGISTRY_MLFLOW_UNREACHABLE",
    `The MLflow server did not do ${what} in ${attempts} ${attempts === 1 ? "attempt" : "attempts"}: ${reasonOf(cause)}.`,
    {
      category: "transient",
      remedy: "See that the server runs and can be reached; what was logged is kept and sent by the next flush().",
      retryable: true,
      cause,
    },
  );

export const mlflowAnswerInvalid = (what: string, problem: string): RegistryError =>
  new RegistryError("REGISTRY_MLFLOW_ANSWER_INVALID", `What answered ${what} is no MLflow server: ${problem}.`, {
    category: "data",
    remedy: "Give the tracking URI as `url`: the address before /api/2.0, with its prefix if it has one.",
  });

export const mlflowValueInvalid = (what: string, problem: string): RegistryError =>
  new RegistryError("REGISTRY_MLFLOW_VALUE_INVALID", `MLflow cannot keep ${what}: ${problem}.`, {
    category: "user",
    remedy: "Shorten or rename it, or log it as an artifact.",
  });

export const mlflowParamChanged = (run: string, names: readonly string[]): RegistryError =>
  new RegistryError(
    "REGISTRY_MLFLOW_PARAM_CHANGED",
    `The run ${run} has other values of ${names.map((name) => JSON.stringify(name)).join(", ")} already, and MLflow never changes a param.`,
    { category: "user", remedy: "Log what changes as a metric, or under another name; all else was written." },
  );

export const mlflowArtifactsElsewhere = (uri: string): RegistryError =>
  new RegistryError(
    "REGISTRY_MLFLOW_ARTIFACTS_ELSEWHERE",
    `The artifacts at "${shortened(uri)}" are not the server's to give.`,
    {
      category: "user",
      remedy:
        "Start the MLflow server with --serve-artifacts, and use an experiment whose artifact location begins with mlflow-artifacts:.",
    },
  );

const shortened = (text: string): string => (text.length > 500 ? `${text.slice(0, 500)}…` : text);

/** What went wrong, with what lies below it. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== ""
    ? `${error.message}: ${error.cause.message}`
    : error.message;
}
