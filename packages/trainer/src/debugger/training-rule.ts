import type { JsonValue } from "@millwright/contracts";
import type { Observation, TensorCollection } from "./observation.ts";

/** What a rule has found. */
export interface RuleFinding {
  /** The observation's. */
  readonly step: number;
  /** What is wrong, in a sentence. */
  readonly message: string;
  /** The tensor it is about: `gradients/dense_1/kernel`. Absent where it is about several. */
  readonly tensor?: string | undefined;
}

/**
 * A rule over the observations of a run: a state that each observation changes, and what is to be said of it. Pure, and its state is JSON: it is
 * part of every checkpoint, so that a resumed run says what an uninterrupted one says.
 */
export interface TrainingRule<State extends JsonValue = JsonValue> {
  readonly name: string;
  /** Tensors it must be shown. */
  readonly needs: readonly TensorCollection[];
  /** The steps it is shown are the run's first so many, and each of them; undefined: every so many as the run's options say. */
  readonly firstSteps?: number | undefined;
  readonly empty: State;
  update(state: State, observation: Observation): State;
  /** What is wrong as of the last observation; undefined where nothing is. */
  verdict(state: State): RuleFinding | undefined;
}

/** State of rules that need none between observations, and what they have found in the last. */
export interface Found {
  readonly found?: { readonly step: number; readonly message: string; readonly tensor?: string } | undefined;
}

export const verdictOf = ({ found }: Found): RuleFinding | undefined => found;

/** A rule's state as plain JSON has no type of its own for each rule. */
export const asRule = <State extends object>(rule: {
  readonly name: string;
  readonly needs: readonly TensorCollection[];
  readonly firstSteps?: number | undefined;
  readonly empty: State;
  update(state: State, observation: Observation): State;
  verdict(state: State): RuleFinding | undefined;
}): TrainingRule => rule as unknown as TrainingRule;

/** Decimals that are read. */
export const said = (value: number): string =>
  Number.isFinite(value) ? String(Number(value.toPrecision(4))) : String(value);
