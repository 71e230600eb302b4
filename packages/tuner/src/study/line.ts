import { canonicalJson } from "@millwright/contracts";
import type { Decision } from "../decider.ts";
import { parameterChanged, paramsForbidden, paramsOutsideSpace, valueInvalid } from "../errors.ts";
import type { Attributes, TrialEntry, TrialResult } from "../journal.ts";
import type { Params, Parameter, Space } from "../space.ts";
import { validateParams, validateSpace } from "../space-check.ts";
import { isAllowed } from "../space-constraints.ts";
import { type EngineContext, knownTrial, nothing, runningTrial } from "./context.ts";
import { checkResult, inOneForm } from "./results.ts";
import { drawUniformly, hasValues, streamOf } from "./suggestion.ts";

/** Parameters to be tried. */
export interface Enqueued {
  /** All of them, or some: the sampler gives the others when the trial begins. */
  readonly params: Params;
  /** Nothing is put in line where a trial has these values already. */
  readonly skipIfExists?: boolean | undefined;
  readonly attributes?: Attributes | undefined;
}

/** @returns the number of the trial that is in line, or that has these values already. */
export function decideEnqueue(
  context: EngineContext,
  { params, skipIfExists, attributes }: Enqueued,
): Decision<number> {
  const { state, clock, dynamic } = context;
  checkAttributes(attributes);
  const isPartial = checkFixed(context, params) && !dynamic;
  const known =
    skipIfExists === true
      ? state.trials.find((trial) => hasValues({ ...trial.proposed, ...trial.params }, params))
      : undefined;
  if (known !== undefined) return { entries: [], result: () => known.number };
  const number = state.trials.length;
  const values = dynamic ? { params: {}, proposed: params } : { params };
  const entry: TrialEntry = {
    kind: "trial",
    number,
    ...values,
    ...(isPartial ? { partial: true } : {}),
    ...(attributes === undefined ? {} : { attributes }),
    explanation: { sampler: "enqueued" },
    timeMs: clock.nowMs(),
  };
  return { entries: [entry], result: () => number };
}

/** Throws TypeError for what is no list of values by name, and where no trial can have these values. @returns whether others are to be added. */
export function checkFixed(context: EngineContext, params: Params): boolean {
  const { space, constraints, state, dynamic } = context;
  if (typeof params !== "object" || params === null || Array.isArray(params))
    throw new TypeError("Parameters are an object of values by name.");
  if (dynamic) {
    canonicalJson(params);
    return true;
  }
  for (const [name, value] of Object.entries(params)) {
    const parameter = Object.hasOwn(space, name) ? space[name] : undefined;
    if (parameter === undefined)
      throw paramsOutsideSpace(name, value, `the parameters ${Object.keys(space).join(", ")}`);
    const { conditions: _conditions, ...unconditional } = parameter;
    validateParams({ [name]: unconditional as Parameter }, { [name]: value });
  }
  if (isWhole(space, params)) {
    if (!isAllowed(constraints, params)) throw paramsForbidden(params);
    return false;
  }
  // It must be possible to add the others.
  const drawn = drawUniformly(context, params, streamOf(context, state.trials.length));
  const inactive = Object.keys(params).find((name) => drawn[name] === undefined);
  if (inactive !== undefined && isDecided(space, inactive, params))
    throw paramsOutsideSpace(inactive, params[inactive], "none beside these values, which make it inactive");
  return true;
}

function isWhole(space: Space, params: Params): boolean {
  try {
    validateParams(space, params);
    return true;
  } catch {
    return false;
  }
}

/** Whether all parents of the parameter have a value here. */
const isDecided = (space: Space, name: string, params: Params): boolean =>
  (space[name]?.conditions ?? []).every(({ parameter }) => params[parameter] !== undefined);

/** A trial that was made elsewhere, with its result. */
export interface AddedTrial {
  readonly params: Params;
  readonly result: TrialResult;
  readonly intermediates?: readonly (readonly [step: number, value: number])[] | undefined;
  readonly attributes?: Attributes | undefined;
  readonly explanation?: TrialEntry["explanation"] | undefined;
  /** Of a study without a fixed space. */
  readonly parameters?: Space | undefined;
}

export function decideAdd(context: EngineContext, added: AddedTrial): Decision<number> {
  const { state, space, clock, dynamic } = context;
  const number = state.trials.length;
  const { params, result, explanation = { sampler: "added" }, intermediates, attributes, parameters } = added;
  if (typeof params !== "object" || params === null || typeof result !== "object" || result === null)
    throw new TypeError("A trial that is added has params and a result.");
  checkResult(context, number, result);
  checkAttributes(attributes);
  canonicalJson(explanation);
  checkIntermediates(intermediates);
  if (dynamic) {
    canonicalJson(params);
    validateSpaceOf(context, parameters);
  } else validateParams(space, params);
  const entry: TrialEntry = {
    ...(intermediates === undefined ? {} : { intermediates }),
    ...(attributes === undefined ? {} : { attributes }),
    ...(parameters === undefined ? {} : { parameters }),
    kind: "trial",
    number,
    params,
    explanation,
    added: true,
    result: inOneForm(result),
    timeMs: clock.nowMs(),
  };
  return { entries: [entry], result: () => number };
}

/** Throws TypeError, `TUNER_VALUE_INVALID`. */
function checkIntermediates(intermediates: AddedTrial["intermediates"] = []): void {
  if (!Array.isArray(intermediates)) throw new TypeError("Intermediates are a list of step and value.");
  for (const pair of intermediates as readonly (readonly [number, number])[]) {
    if (!Array.isArray(pair)) throw new TypeError("Intermediates are a list of step and value.");
    const [step, value] = pair as readonly [unknown, unknown];
    if (typeof step !== "number" || !Number.isFinite(step)) throw valueInvalid("The step of an intermediate", step);
    if (typeof value !== "number") throw valueInvalid("The value of an intermediate", value);
  }
}

/** Throws TypeError for what JSON cannot carry. */
function checkAttributes(attributes: Attributes | undefined): void {
  if (attributes === undefined) return;
  if (typeof attributes !== "object" || attributes === null || Array.isArray(attributes))
    throw new TypeError("Attributes are an object of values by name.");
  canonicalJson(attributes);
}

function validateSpaceOf(context: EngineContext, parameters: Space | undefined): void {
  if (parameters === undefined) return;
  validateSpace(parameters);
  checkKinds(context, parameters);
}

/** @param number Undefined: of the study. */
export function decideNote(context: EngineContext, number: number | undefined, attributes: Attributes): Decision<void> {
  const timeMs = context.clock.nowMs();
  if (attributes === undefined) throw new TypeError("Attributes are an object of values by name.");
  checkAttributes(attributes);
  if (number === undefined) return { ...nothing, entries: [{ kind: "attributes", attributes, timeMs }] };
  knownTrial(context, number);
  return { ...nothing, entries: [{ kind: "note", number, attributes, timeMs }] };
}

/** What a trial of a study without a fixed space asked for. */
export interface Defined {
  readonly params: Params;
  readonly parameters: Space;
}

export function decideDefine(
  context: EngineContext,
  number: number,
  collect: () => Defined,
  attempt: number,
): Decision<void> {
  runningTrial(context, number, attempt);
  const defined = collect();
  if (Object.keys(defined.params).length === 0) return nothing;
  checkKinds(context, defined.parameters);
  return { ...nothing, entries: [{ kind: "params", number, ...defined, timeMs: context.clock.nowMs() }] };
}

/** Throws `TUNER_PARAMETER_CHANGED` where a name had another kind in an earlier trial. */
function checkKinds({ name, state }: EngineContext, parameters: Space): void {
  for (const [parameter, { kind }] of Object.entries(parameters)) {
    const known = state.definitions.kindOf(parameter);
    if (known !== undefined && known !== kind) throw parameterChanged(name, parameter, known, kind);
  }
}
