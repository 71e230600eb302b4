import { importInvalid } from "../errors.ts";
import {
  type Choice,
  type ParamValue,
  type Parameter,
  type Space,
  categorical,
  float,
  int,
  ordinal,
} from "../space.ts";
import { fromSearchScale, levelsOf } from "../space-scale.ts";
import { type ConversionLoss, loss } from "./losses.ts";

export interface SageMakerRange {
  readonly Name: string;
  /** Numbers as text. */
  readonly MinValue: string;
  readonly MaxValue: string;
  readonly ScalingType?: "Auto" | "Linear" | "Logarithmic" | "ReverseLogarithmic" | undefined;
}

export interface SageMakerRanges {
  readonly ContinuousParameterRanges?: readonly SageMakerRange[] | undefined;
  readonly IntegerParameterRanges?: readonly SageMakerRange[] | undefined;
  readonly CategoricalParameterRanges?:
    | readonly { readonly Name: string; readonly Values: readonly string[] }[]
    | undefined;
  readonly AutoParameters?: readonly { readonly Name: string; readonly ValueHint: string }[] | undefined;
}

/** Plain decimals, whole numbers without a point: what every reader of the wire takes. */
function decimal(value: number): string {
  const text = String(value);
  if (!/e/.test(text)) return text;
  const [digits = "", exponent = "0"] = text.split("e");
  const places = Math.max(0, (digits.split(".")[1] ?? "").length - Number(exponent));
  return places > 100 || Number(exponent) > 20 ? text : value.toFixed(places);
}

/** What a parameter's value is on SageMaker's wire, where all values are text. */
export const sageMakerText = (value: ParamValue): string =>
  typeof value === "number" ? decimal(value) : typeof value === "string" ? value : JSON.stringify(value);

const mostValues = 30;

/**
 * SageMaker's ranges for a space; constants become static hyperparameters. Steps become categories where there are 30 values or fewer; what has no form
 * there is an `error` in `losses` and is left out.
 */
export function toSageMakerRanges(space: Space): {
  readonly ranges: SageMakerRanges;
  readonly fixed: Readonly<Record<string, string>>;
  readonly losses: readonly ConversionLoss[];
} {
  const losses: ConversionLoss[] = [];
  const fixed: Record<string, string> = {};
  const continuous: SageMakerRange[] = [];
  const integer: SageMakerRange[] = [];
  const categories: { Name: string; Values: readonly string[] }[] = [];
  for (const [name, parameter] of Object.entries(space)) {
    if (parameter.conditions !== undefined)
      losses.push(loss(name, "warning", "SageMaker has no conditions: it gets a value in every job."));
    if (parameter.kind === "constant") fixed[name] = sageMakerText(parameter.value);
    else if (parameter.kind === "float" && parameter.step === undefined) continuous.push(rangeOf(name, parameter));
    else if (parameter.kind === "int" && parameter.step === 1) integer.push(rangeOf(name, parameter));
    else {
      const values = listed(parameter);
      if (values === undefined || values.length > mostValues) {
        losses.push(
          loss(name, "error", `It has no form there: ${parameter.kind} with more than ${mostValues} values. Left out.`),
        );
        continue;
      }
      if (parameter.kind !== "categorical")
        losses.push(loss(name, "warning", "Its values are categories there, without order."));
      categories.push({ Name: name, Values: values.map(sageMakerText) });
    }
  }
  return {
    fixed,
    losses,
    ranges: {
      ...(continuous.length > 0 ? { ContinuousParameterRanges: continuous } : {}),
      ...(integer.length > 0 ? { IntegerParameterRanges: integer } : {}),
      ...(categories.length > 0 ? { CategoricalParameterRanges: categories } : {}),
    },
  };
}

function rangeOf(name: string, parameter: Extract<Parameter, { kind: "float" | "int" }>): SageMakerRange {
  const reverse = parameter.kind === "float" && parameter.reverseLog === true;
  return {
    Name: name,
    MinValue: decimal(parameter.low),
    MaxValue: decimal(parameter.high),
    ScalingType: reverse ? "ReverseLogarithmic" : parameter.log ? "Logarithmic" : "Linear",
  };
}

/** All values; `undefined` where there are too many to say, or they are lists. */
function listed(parameter: Parameter): readonly ParamValue[] | undefined {
  if (parameter.kind === "categorical" || parameter.kind === "ordinal") return parameter.choices;
  if (parameter.kind !== "float" && parameter.kind !== "int") return undefined;
  const { low, step, high } = parameter;
  if (step === undefined || levelsOf(parameter) > mostValues) return undefined;
  return Array.from({ length: levelsOf(parameter) }, (_, index) =>
    fromSearchScale({ ...parameter, low, high }, low + index * step),
  );
}

/** A space from SageMaker's ranges, checked by its rules. `ScalingType` Auto searches ranges of three decades or more by their logarithm. Throws `TUNER_IMPORT_INVALID`. */
export function fromSageMakerRanges(ranges: SageMakerRanges): {
  readonly space: Space;
  readonly losses: readonly ConversionLoss[];
} {
  const losses: ConversionLoss[] = [];
  const space: Record<string, Parameter> = {};
  const add = (name: string, parameter: Parameter): void => {
    if (Object.hasOwn(space, name)) throw importInvalid(name, "it is named twice");
    space[name] = parameter;
  };
  for (const range of ranges.ContinuousParameterRanges ?? []) {
    const { low, high, scale } = boundsOf(range);
    if (scale === "ReverseLogarithmic" && (low < 0 || high >= 1))
      throw importInvalid(range.Name, "a reverse-logarithmic range lies in [0, 1)");
    add(range.Name, float(low, high, { log: scale === "Logarithmic", reverseLog: scale === "ReverseLogarithmic" }));
  }
  for (const range of ranges.IntegerParameterRanges ?? []) {
    const { low, high, scale } = boundsOf(range);
    if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high))
      throw importInvalid(range.Name, "its bounds are not whole");
    if (scale === "ReverseLogarithmic")
      throw importInvalid(range.Name, "only continuous ranges are reverse-logarithmic");
    add(range.Name, int(low, high, { log: scale === "Logarithmic" }));
  }
  for (const { Name, Values } of ranges.CategoricalParameterRanges ?? []) {
    if (!Array.isArray(Values) || Values.length === 0) throw importInvalid(Name, "it has no values");
    add(Name, categorical([...new Set(Values as readonly Choice[])]));
  }
  for (const { Name, ValueHint } of ranges.AutoParameters ?? []) {
    losses.push(
      loss(Name, "warning", `SageMaker would choose a range about ${ValueHint}; here it has that value alone.`),
    );
    add(Name, ordinal([ValueHint]));
  }
  return { space, losses };
}

function boundsOf({ Name, MinValue, MaxValue, ScalingType = "Auto" }: SageMakerRange): {
  readonly low: number;
  readonly high: number;
  readonly scale: string;
} {
  const [low, high] = [Number(MinValue), Number(MaxValue)];
  if (MinValue === "" || MaxValue === "" || !Number.isFinite(low) || !Number.isFinite(high))
    throw importInvalid(
      Name,
      `its bounds are ${JSON.stringify(MinValue)} and ${JSON.stringify(MaxValue)}, not two numbers as text`,
    );
  if (low > high) throw importInvalid(Name, `its MinValue, ${low}, is above its MaxValue, ${high}`);
  if (!["Auto", "Linear", "Logarithmic", "ReverseLogarithmic"].includes(ScalingType))
    throw importInvalid(Name, `its ScalingType is ${JSON.stringify(ScalingType)}`);
  if (ScalingType === "Logarithmic" && low <= 0) throw importInvalid(Name, "a logarithmic range begins above 0");
  const scale = ScalingType === "Auto" ? (low > 0 && high / low >= 1000 ? "Logarithmic" : "Linear") : ScalingType;
  return { low, high, scale };
}
