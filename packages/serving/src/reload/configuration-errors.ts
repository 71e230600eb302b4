import { ServingError, type ServingProblem } from "../errors.ts";

export const configurationInvalid = (problems: readonly ServingProblem[], cause?: unknown): ServingError => {
  const [first] = problems;
  const more = problems.length > 1 ? `, and ${problems.length - 1} more` : "";
  return new ServingError(
    "SERVING_CONFIGURATION_INVALID",
    `The configuration cannot be served: ${first?.path ?? ""} ${first?.problem ?? ""}${more}.`,
    {
      category: "user",
      remedy: "Mend what `problems` name; what was served before is served on.",
      path: first?.path,
      problems,
      cause,
    },
  );
};

export const configurationBusy = (endpoint: string, why: string): ServingError =>
  new ServingError("SERVING_CONFIGURATION_BUSY", `The endpoint "${endpoint}" cannot be reconfigured now: ${why}.`, {
    category: "transient",
    remedy: "Wait until that has ended, roll it back, or leave this endpoint as it is configured.",
    retryable: true,
  });

export const configurationConflict = (asked: number, served: number): ServingError =>
  new ServingError(
    "SERVING_CONFIGURATION_CONFLICT",
    `The configuration was to follow version ${asked}, and version ${served} is there.`,
    { category: "user", remedy: "Read what is served now, and apply the change to that." },
  );

export const configurationUnknown = (number: number, why: string): ServingError =>
  new ServingError("SERVING_CONFIGURATION_UNKNOWN", `There is no version ${number} to go back to: ${why}.`, {
    category: "user",
    remedy: "Name one of `configurations()`.",
  });

export const configurationNewer = (version: number): ServingError =>
  new ServingError(
    "SERVING_CONFIGURATION_NEWER",
    `The database keeps a configuration of format ${version}, and this release reads format 1.`,
    { category: "user", remedy: "Run the newer release." },
  );
