import type { JsonValue } from "@millwright/contracts";
import { importInvalid } from "../errors.ts";
import { type Choice, type Parameter, type Params, type Space, when } from "../space.ts";
import type { Direction, Trial, TrialState } from "../trial.ts";
import { type ConversionLoss, type ImportedStudy, loss } from "./losses.ts";
import { type OptunaDistribution, fromInternal, fromOptuna, merged } from "./optuna-distributions.ts";

/** A trial as Optuna's storages hold it. */
export interface OptunaTrial {
  /** RUNNING 0, COMPLETE 1, PRUNED 2, FAIL 3, WAITING 4. */
  readonly state: number;
  readonly values: readonly number[] | undefined;
  readonly params: Readonly<Record<string, { readonly internal: number; readonly distribution: OptunaDistribution }>>;
  readonly intermediates: readonly (readonly [step: number, value: number])[];
  readonly userAttributes: Readonly<Record<string, JsonValue>>;
  readonly systemAttributes: Readonly<Record<string, JsonValue>>;
  readonly startedMs: number | undefined;
  readonly endedMs: number | undefined;
}

const states: readonly TrialState[] = ["waiting", "completed", "pruned", "failed", "waiting"];

/** A study of ours from Optuna's trials. A parameter that is not in all of them gets the condition that explains it, where a choice does. */
export function importedStudy(
  name: string,
  directions: readonly Direction[],
  found: readonly OptunaTrial[],
): ImportedStudy {
  const losses: ConversionLoss[] = [];
  const plain: Record<string, Parameter> = {};
  for (const { params } of found) {
    for (const [parameter, { distribution }] of Object.entries(params)) {
      const own = fromOptuna(parameter, distribution);
      const known = plain[parameter];
      plain[parameter] = known === undefined ? own : merged(parameter, known, own);
    }
  }
  const trials = found.map((trial, number) => trialOf(trial, number, plain, losses));
  const begun = trials.filter(({ params }) => Object.keys(params).length > 0).map(({ params }) => params);
  return { name, space: withConditions(plain, begun, losses), directions, trials, losses };
}

function trialOf(
  { state, values, params, intermediates, userAttributes, systemAttributes, startedMs, endedMs }: OptunaTrial,
  number: number,
  space: Space,
  losses: ConversionLoss[],
): Trial {
  const kept = states[state];
  if (kept === undefined) throw importInvalid(`trial ${number}`, `its state is ${state}`);
  if (state === 0) losses.push(loss(`trials/${number}`, "warning", "It was running; it is waiting here."));
  const own = Object.fromEntries(
    Object.entries(params).map(([name, { internal }]) => [
      name,
      fromInternal(name, space[name] as Parameter, internal),
    ]),
  );
  const fixed = systemAttributes["fixed_params"];
  const constraints = systemAttributes["constraints"];
  return {
    number,
    state: kept,
    params: state === 4 && typeof fixed === "object" && fixed !== null ? (fixed as Params) : own,
    explanation: { sampler: "optuna" },
    intermediates,
    attempts: state === 4 ? 0 : 1,
    ...(kept === "completed" && values !== undefined
      ? { values, ...(values.length === 1 ? { value: values[0] } : {}) }
      : {}),
    ...(Array.isArray(constraints) ? { constraintValues: constraints as readonly number[] } : {}),
    ...(Object.keys(userAttributes).length === 0 ? {} : { attributes: userAttributes }),
    ...(startedMs === undefined ? {} : { startedMs }),
    ...(endedMs === undefined ? {} : { endedMs }),
  };
}

/** A parent is a choice that all trials with the same value of it agree about: it is there, or it is not. */
function withConditions(plain: Space, trials: readonly Params[], losses: ConversionLoss[]): Space {
  return Object.fromEntries(
    Object.entries(plain).map(([name, parameter]) => {
      if (trials.every((params) => params[name] !== undefined)) return [name, parameter];
      for (const [parent, { kind }] of Object.entries(plain)) {
        if (parent === name || kind !== "categorical") continue;
        const withIt = new Set(trials.filter((params) => params[name] !== undefined).map((params) => params[parent]));
        const without = new Set(trials.filter((params) => params[name] === undefined).map((params) => params[parent]));
        const explains = [...withIt].every((value) => value !== undefined && !without.has(value));
        if (explains) return [name, when(parent, [...withIt] as readonly Choice[], parameter)];
      }
      losses.push(
        loss(name, "warning", "It is not in all trials, and no choice tells why; it is without a condition here."),
      );
      return [name, parameter];
    }),
  );
}
