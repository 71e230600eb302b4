import type { Clock, Random } from "@millwright/contracts";

/** A game whose values are those of a model: columns that are known have a row's values, the others those of a background row. */
export interface Game {
  readonly players: number;
  readonly outputs: number;
  /** Background rows, of which a value is the mean. */
  readonly others: number;
  /**
   * Values of coalitions with one background row each, [count, outputs].
   * @param known [count, players]: 1 where the row's value stands. @param other [count]: positions of background rows.
   */
  values(known: Uint8Array, other: Int32Array): Float64Array | Promise<Float64Array>;
}

export interface ShapleyLimits {
  /** Most values that are asked for. */
  readonly maxEvaluations: number;
  /** When it must have ended, of `clock.monotonicMs()`. */
  readonly untilMs: number;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly random: Random;
  readonly signal: AbortSignal | undefined;
}

export interface ShapleyValues {
  readonly exact: boolean;
  /** [outputs]: of the row itself. */
  readonly values: Float64Array;
  /** [outputs, players]; with the base they sum to the values. */
  readonly contributions: Float64Array;
  readonly standardErrors: Float64Array | undefined;
  readonly evaluations: number;
}

/** The values of the background rows themselves, [others, outputs]: the same for all rows that are explained. */
export function valuesOfBackground(game: Game): Float64Array | Promise<Float64Array> {
  return game.values(
    new Uint8Array(game.others * game.players),
    Int32Array.from({ length: game.others }, (_, at) => at),
  );
}

/** The mean of the background's values, by output. */
export function baseOf({ others, outputs }: Pick<Game, "others" | "outputs">, background: Float64Array): Float64Array {
  const base = new Float64Array(outputs);
  for (let at = 0; at < background.length; at += 1) base[at % outputs]! += background[at]! / others;
  return base;
}
