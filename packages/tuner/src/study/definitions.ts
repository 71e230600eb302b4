import { digestOfJson } from "@millwright/contracts";
import type { Params, Parameter, Space } from "../space.ts";
import type { Trial } from "../trial.ts";

/** What the trials of a study without a fixed space have told of it. */
export interface Definitions {
  note(trial: Trial): void;
  /** The kind that the first trial to ask for the parameter gave it. */
  kindOf(name: string): Parameter["kind"] | undefined;
  /** The parameters that every trial which completed or was pruned has asked for, with one and the same domain; in the order of the first. */
  readonly common: Space;
}

export function createDefinitions(): Definitions {
  const kinds = new Map<string, Parameter["kind"]>();
  let common: Space | undefined;
  return {
    note({ state, parameters }) {
      if (parameters === undefined) return;
      for (const [name, { kind }] of Object.entries(parameters)) if (!kinds.has(name)) kinds.set(name, kind);
      if (state !== "completed" && state !== "pruned") return;
      if (common === undefined) {
        common = parameters;
        return;
      }
      const kept = Object.entries(common).filter(([name, parameter]) => isSame(parameter, parameters[name]));
      // A space that is the same stays the same object: samplers remember what they know of it.
      if (kept.length < Object.keys(common).length) common = Object.fromEntries(kept);
    },
    kindOf: (name) => kinds.get(name),
    get common() {
      return common ?? {};
    },
  };
}

const digests = new WeakMap<Parameter, string>();

function digestOf(parameter: Parameter): string {
  const known = digests.get(parameter);
  if (known !== undefined) return known;
  const digest = digestOfJson(parameter);
  digests.set(parameter, digest);
  return digest;
}

/** Whether the two have one domain. */
export function isSame(a: Parameter, b: Parameter | undefined): boolean {
  return b !== undefined && (a === b || digestOf(a) === digestOf(b));
}

/** What trials have in a part of the space: those that have a value for each of its parameters, of the same domain, with these values alone. */
export function projected(trials: readonly Trial[], space: Space): readonly Trial[] {
  const names = Object.keys(space);
  return trials.flatMap((trial) => {
    const { params, parameters } = trial;
    if (!names.every((name) => params[name] !== undefined && isSame(space[name] as Parameter, parameters?.[name])))
      return [];
    return [{ ...trial, params: pick(params, names) }];
  });
}

export const pick = (params: Params, names: readonly string[]): Params =>
  Object.fromEntries(names.map((name) => [name, params[name] as Params[string]]));
