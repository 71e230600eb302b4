import type { Batch, JsonObject, Tensors } from "@millwright/contracts";
import { asFloat64, isNull, isNumeric, parseProfile, summarizeProfile } from "@millwright/data";
import { inputInvalid } from "../errors.ts";
import { pointer } from "../http/json-tensors.ts";
import type { ModelCall, Stage } from "./stage.ts";

/** Inclusive limits of a number; NaN and null are outside of none. */
export interface InputRange {
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

export interface InputRulesOptions {
  /**
   * Limits of numbers by input or column; those of an input hold for all its elements. `"profile"` takes the least and the greatest value that training saw,
   * where the package has a profile. Default: none.
   */
  readonly ranges?: "profile" | Readonly<Record<string, InputRange>> | undefined;
  /** By how much of its width a range of the profile is widened at both ends. Default: 0. */
  readonly margin?: number | undefined;
  /** What becomes of columns that the model's transforms do not read. Default: `"ignore"`. */
  readonly unknownColumns?: "refuse" | "ignore" | undefined;
}

/**
 * A stage that refuses what the signature allows and the model should not see: `stages: [inputRules({ ranges: { distance: { min: 0 } } })]`.
 * It throws `SERVING_INPUT_INVALID` with the row and the path of the value, before the model is asked.
 */
export function inputRules({ ranges = {}, margin = 0, unknownColumns = "ignore" }: InputRulesOptions): Stage {
  if (!(margin >= 0 && Number.isFinite(margin))) throw new RangeError(`margin is ${margin}, and must be 0 or more.`);
  if (ranges !== "profile")
    for (const [name, { min = -Infinity, max = Infinity }] of Object.entries(ranges))
      if (!(min <= max)) throw new RangeError(`The range of "${name}" is from ${min} to ${max}.`);
  const profiles = new WeakMap<JsonObject, Readonly<Record<string, InputRange>>>();
  const rangesOf = ({ profile }: ModelCall): Readonly<Record<string, InputRange>> => {
    if (ranges !== "profile") return ranges;
    if (profile === undefined) return {};
    const kept = profiles.get(profile) ?? rangesOfProfile(profile, margin);
    profiles.set(profile, kept);
    return kept;
  };
  return {
    name: "input-rules",
    model(call, next) {
      const { payload } = call;
      if (payload.kind === "tensors") checkTensors(payload.tensors, rangesOf(call));
      else {
        if (unknownColumns === "refuse") checkColumns(payload.batch, call);
        checkBatch(payload.batch, rangesOf(call));
      }
      return next(call);
    },
  };
}

function rangesOfProfile(profile: JsonObject, margin: number): Readonly<Record<string, InputRange>> {
  return Object.fromEntries(
    summarizeProfile(parseProfile(profile)).flatMap(({ name, min, max }) => {
      if (min === undefined || max === undefined) return [];
      const more = margin * (max - min);
      return [[name, { min: min - more, max: max + more }]];
    }),
  );
}

const outside = (value: number, { min = -Infinity, max = Infinity }: InputRange): boolean => value < min || value > max;

const refusal = (name: string, row: number, value: number, { min = -Infinity, max = Infinity }: InputRange): Error =>
  inputInvalid(
    name,
    `row ${row} holds ${value}`,
    `Send a number from ${min} to ${max}.`,
    undefined,
    pointer(["instances", row, name]),
  );

function checkTensors(tensors: Tensors, ranges: Readonly<Record<string, InputRange>>): void {
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    const range = Object.hasOwn(ranges, name) ? ranges[name] : undefined;
    if (range === undefined || dtype === "string") continue;
    const width = data.length / (shape[0] ?? 1);
    for (let at = 0; at < data.length; at += 1) {
      const value = Number(data[at]);
      if (outside(value, range)) throw refusal(name, Math.floor(at / width), value, range);
    }
  }
}

function checkColumns({ columns }: Batch, { columns: known = [] }: ModelCall): void {
  const unknown = Object.keys(columns).find((name) => !known.some((field) => field.name === name));
  if (unknown === undefined) return;
  const remedy = `It takes ${known.map(({ name }) => name).join(", ")}.`;
  throw inputInvalid(unknown, "the model reads no such column", remedy, undefined, pointer(["instances", 0, unknown]));
}

function checkBatch({ columns, length }: Batch, ranges: Readonly<Record<string, InputRange>>): void {
  for (const [name, range] of Object.entries(ranges)) {
    const column = Object.hasOwn(columns, name) ? columns[name] : undefined;
    if (column === undefined || !isNumeric(column)) continue;
    const values = asFloat64(column);
    for (let row = 0; row < length; row += 1) {
      const value = values[row] ?? Number.NaN;
      if (!isNull(column, row) && outside(value, range)) throw refusal(name, row, value, range);
    }
  }
}
