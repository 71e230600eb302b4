import type { JsonValue } from "@millwright/contracts";
import { importInvalid } from "../errors.ts";
import type { Params, Space } from "../space.ts";
import { contains } from "../space-check.ts";
import { isActive } from "../space-conditions.ts";
import type { Direction, Trial } from "../trial.ts";
import { type ConversionLoss, type ImportedStudy, loss } from "./losses.ts";
import { parsePythonJson } from "./optuna-json.ts";

export interface RayImportOptions {
  readonly name: string;
  /** Ray's results do not tell the space: theirs is checked against this one. Values nested in `config` are named by their path, as "model/depth". */
  readonly space: Space;
  /** The name of the metric in the results; nested ones by their path. */
  readonly metric: string;
  /** Ray's mode. */
  readonly mode: "min" | "max";
}

/**
 * A study from the `result.json` files of Ray Tune's trial folders: one text per trial, one line per report. The last report's metric is the value of a
 * trial that is done, and Ray says so of those that its scheduler stopped too; one that is not done counts as pruned. Throws `TUNER_IMPORT_INVALID`.
 */
export function readRayResults(
  texts: readonly string[],
  { name, space, metric, mode }: RayImportOptions,
): ImportedStudy {
  const losses: ConversionLoss[] = [];
  const direction: Direction = mode === "max" ? "maximize" : "minimize";
  const trials = texts.map((text, number) => trialOf(text, number, { space, metric, losses }));
  return { name, space, directions: [direction], trials, losses };
}

interface Reading {
  readonly space: Space;
  readonly metric: string;
  readonly losses: ConversionLoss[];
}

function trialOf(text: string, number: number, { space, metric, losses }: Reading): Trial {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const reports = lines.map((line, index) => {
    try {
      return flat(parsePythonJson(line));
    } catch (cause) {
      throw importInvalid(`trial ${number}, line ${index + 1}`, "it is not JSON", cause);
    }
  });
  const last = reports.at(-1);
  if (last === undefined) throw importInvalid(`trial ${number}`, "it has no report");
  const intermediates = reports.map((report, index) => {
    const value = report[metric];
    if (typeof value !== "number")
      throw importInvalid(`trial ${number}, line ${index + 1}`, `it has no number "${metric}"`);
    const step = report["training_iteration"];
    return [typeof step === "number" ? step : index + 1, value] as const;
  });
  const value = intermediates.at(-1)?.[1] as number;
  const done = last["done"] === true && !Number.isNaN(value);
  if (!done)
    losses.push(
      loss(`trials/${number}`, "warning", "Its last report does not say that it was done; it counts as pruned."),
    );
  const time = last["time_total_s"];
  return {
    number,
    state: done ? "completed" : "pruned",
    params: paramsOf(last, number, space),
    explanation: { sampler: "ray" },
    intermediates,
    attempts: 1,
    ...(done ? { value, values: [value] } : { reason: "Ray stopped it, or it failed." }),
    ...(typeof time === "number" ? { cost: { seconds: time } } : {}),
    ...(typeof last["trial_id"] === "string" ? { attributes: { ray_trial_id: last["trial_id"] } } : {}),
  };
}

function paramsOf(report: Readonly<Record<string, JsonValue>>, number: number, space: Space): Params {
  const params: Record<string, Params[string]> = {};
  for (const [name, parameter] of Object.entries(space)) {
    const value = report[`config/${name}`] as Params[string] | undefined;
    if (value === undefined || (value === null && !contains(parameter, null))) continue;
    if (!contains(parameter, value))
      throw importInvalid(`trial ${number}`, `its ${name}, ${JSON.stringify(value)}, is outside the space`);
    params[name] = value;
  }
  const missing = Object.keys(space).find((name) => params[name] === undefined && isActive(space, name, params));
  if (missing !== undefined) throw importInvalid(`trial ${number}`, `its config has no ${missing}`);
  return params;
}

/** Members of members by their path; lists as they are. */
function flat(value: JsonValue, path = ""): Readonly<Record<string, JsonValue>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { [path]: value };
  return Object.assign(
    {},
    ...Object.entries(value).map(([key, each]) => flat(each as JsonValue, path === "" ? key : `${path}/${key}`)),
  ) as Readonly<Record<string, JsonValue>>;
}
