import { parameterChanged } from "../errors.ts";
import {
  type Choice,
  type FloatOptions,
  type IntOptions,
  type ParamValue,
  type Parameter,
  type Space,
  categorical,
  float,
  int,
} from "../space.ts";
import { contains, validateSpace } from "../space-check.ts";
import type { StudyEngine } from "../study-engine.ts";
import type { Trial } from "../trial.ts";
import type { StudyTrial } from "../trial-handle.ts";
import { isSame } from "./definitions.ts";
import type { OneByOne } from "./suggestion.ts";

/**
 * A running trial of a study without a fixed space: it asks for its parameters, by name, as it comes to need them. Asking again for a name gives the same
 * value; another kind, or within a trial another domain, throws `TUNER_PARAMETER_CHANGED`. Throws `TUNER_SPACE_INVALID` for what makes no sense.
 */
export interface DynamicTrial extends StudyTrial<Space> {
  suggestFloat(name: string, low: number, high: number, options?: FloatOptions): number;
  suggestInt(name: string, low: number, high: number, options?: IntOptions): number;
  suggestCategorical<const Value extends Choice>(name: string, choices: readonly Value[]): Value;
  /** Of any kind, without conditions: those are the program's. */
  suggest(name: string, parameter: Parameter): ParamValue;
}

/** What `createDynamicTrial` gives. */
export interface OpenDynamicTrial {
  readonly handle: DynamicTrial;
  /** Resolves once what was asked for is written down. Throws what kept it from being. */
  settled(): Promise<void>;
}

export function createDynamicTrial(engine: StudyEngine, trial: Trial, base: StudyTrial<Space>): OpenDynamicTrial {
  const asked = new Map<string, { readonly parameter: Parameter; readonly value: ParamValue }>(
    Object.entries(trial.parameters ?? {}).map(([name, parameter]) => [
      name,
      { parameter, value: trial.params[name] as ParamValue },
    ]),
  );
  const writer = createWriter(engine, trial, asked);
  let oneByOne: OneByOne | undefined;
  const suggest = (name: string, parameter: Parameter): ParamValue => {
    validateSpace({ [name]: parameter });
    const before = asked.get(name);
    const known = before?.parameter.kind ?? engine.kindOf(name);
    if (known !== undefined && known !== parameter.kind)
      throw parameterChanged(engine.name, name, known, parameter.kind);
    if (before !== undefined && isSame(before.parameter, parameter)) return before.value;
    // A trial begun again takes what it took before, unless its program was changed in between.
    if (before !== undefined && !contains(parameter, before.value))
      throw parameterChanged(engine.name, name, `${known} of another domain`, parameter.kind);
    const proposed = before?.value ?? trial.proposed?.[name];
    const value =
      proposed !== undefined && contains(parameter, proposed)
        ? proposed
        : (oneByOne ??= engine.oneByOne(trial)).next(name, parameter);
    asked.set(name, { parameter, value });
    writer.note(name);
    return value;
  };
  const extension: Omit<DynamicTrial, keyof StudyTrial<Space>> & Pick<DynamicTrial, "report"> = {
    suggest,
    suggestFloat: (name, low, high, options) => suggest(name, float(low, high, options)) as number,
    suggestInt: (name, low, high, options) => suggest(name, int(low, high, options)) as number,
    suggestCategorical: <const Value extends Choice>(name: string, choices: readonly Value[]) =>
      suggest(name, categorical(choices)) as Value,
    async report(step, value, options) {
      await writer.settled();
      return base.report(step, value, options);
    },
  };
  const handle = Object.defineProperties(
    {},
    {
      ...Object.getOwnPropertyDescriptors(base),
      ...Object.getOwnPropertyDescriptors(extension),
      params: {
        enumerable: true,
        get: () => Object.fromEntries([...asked].map(([name, { value }]) => [name, value])),
      },
    },
  ) as DynamicTrial;
  return { handle, settled: () => writer.settled() };
}

interface Writer {
  note(name: string): void;
  settled(): Promise<void>;
}

/** Writes down what was asked for, all that came together in one entry. */
function createWriter(
  engine: StudyEngine,
  trial: Trial,
  asked: ReadonlyMap<string, { readonly parameter: Parameter; readonly value: ParamValue }>,
): Writer {
  const unwritten = new Set<string>();
  let inLine = false;
  let newest: Promise<void> = Promise.resolve();
  const write = async (): Promise<void> => {
    let taken: readonly string[] = [];
    await engine.define(
      trial.number,
      () => {
        inLine = false;
        taken = [...unwritten];
        return {
          params: Object.fromEntries(taken.map((name) => [name, asked.get(name)?.value as ParamValue])),
          parameters: Object.fromEntries(taken.map((name) => [name, asked.get(name)?.parameter as Parameter])),
        };
      },
      trial.attempts,
    );
    for (const name of taken) unwritten.delete(name);
  };
  return {
    note(name) {
      unwritten.add(name);
      if (inLine) return;
      // In line at once: what is told of the trial next is decided after it.
      inLine = true;
      const before = newest;
      newest = write().then(() => before);
      newest.catch(() => {});
    },
    settled: () => newest,
  };
}
