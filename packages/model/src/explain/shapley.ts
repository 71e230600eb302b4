import type { Random } from "@millwright/contracts";
import { exactValues, mostExactPlayers } from "./shapley-exact.ts";
import { type Game, type ShapleyLimits, type ShapleyValues, baseOf } from "./shapley-game.ts";

/**
 * Shapley values of one row: of all coalitions, where the evaluations are enough for that, else estimated.
 * @returns undefined where time ran out before there was an estimate with an error.
 */
export async function shapleyValues(
  game: Game,
  background: Float64Array,
  limits: ShapleyLimits,
): Promise<ShapleyValues | undefined> {
  const { players, others } = game;
  const all = players <= mostExactPlayers ? (2 ** players - 1) * others : Infinity;
  if (all <= limits.maxEvaluations) return exactValues(game, background, limits);
  return sampledValues(game, background, limits);
}

interface Sums {
  /** [outputs, players]: of the pairs' estimates, and of their squares. */
  readonly total: Float64Array;
  readonly squares: Float64Array;
  pairs: number;
}

/**
 * Permutation sampling (Castro, Gómez and Tejada, 2009) in antithetic pairs, a permutation and its reverse (Mitchell and others, "Sampling permutations for Shapley
 * value estimation", 2022), each pair with one background row; all of these are used equally often. What the estimates then lack of the value less the base is
 * shared out by their variances, which is the projection with the least weighted squares on what is known to be their sum.
 */
async function sampledValues(
  game: Game,
  background: Float64Array,
  limits: ShapleyLimits,
): Promise<ShapleyValues | undefined> {
  const { players, outputs, others } = game;
  const { clock, untilMs, maxEvaluations, random, signal } = limits;
  const values = await game.values(new Uint8Array(players).fill(1), Int32Array.of(0));
  let evaluations = 1;
  const sums: Sums = {
    total: new Float64Array(outputs * players),
    squares: new Float64Array(outputs * players),
    pairs: 0,
  };
  const perPair = Math.max(1, 2 * (players - 1));
  const batch = Math.max(1, Math.min(8, Math.floor(64 / perPair)));
  const order = shuffled(others, random);
  while (sums.pairs < 2 || (evaluations + batch * perPair <= maxEvaluations && clock.monotonicMs() < untilMs)) {
    signal?.throwIfAborted();
    if (clock.monotonicMs() >= untilMs && sums.pairs < 2) return undefined;
    const pairs = Array.from({ length: batch }, (_, at) => ({
      permutation: shuffled(players, random),
      other: order[(sums.pairs + at) % others]!,
    }));
    const known = pairs.flatMap(({ permutation }) => prefixes(permutation));
    const other = Int32Array.from(pairs.flatMap((pair) => Array<number>(perPair).fill(pair.other)));
    const asked = players === 1 ? new Float64Array(0) : await game.values(joined(known, players), other);
    if (players > 1) evaluations += other.length;
    for (const [at, { permutation, other: row }] of pairs.entries())
      addPair(sums, game, {
        permutation,
        inner: asked.subarray(at * perPair * outputs, (at + 1) * perPair * outputs),
        empty: background.subarray(row * outputs, (row + 1) * outputs),
        full: values,
      });
    if (players === 1) break;
  }
  return { exact: false, values, ...estimate(game, sums, values, baseOf(game, background)), evaluations };
}

/** 0, 1, …, count − 1 in a random order (Fisher and Yates). */
function shuffled(count: number, random: Random): readonly number[] {
  const order = Array.from({ length: count }, (_, at) => at);
  for (let at = count - 1; at > 0; at -= 1) {
    const other = random.integer(at + 1);
    [order[at], order[other]] = [order[other]!, order[at]!];
  }
  return order;
}

/** The coalitions of a permutation that are neither empty nor all, and those of its reverse. */
function prefixes(permutation: readonly number[]): readonly Uint8Array[] {
  const players = permutation.length;
  const sets: Uint8Array[] = [];
  for (const order of [permutation, permutation.toReversed()]) {
    const set = new Uint8Array(players);
    for (let at = 0; at < players - 1; at += 1) {
      set[order[at]!] = 1;
      sets.push(set.slice());
    }
  }
  return sets;
}

function joined(sets: readonly Uint8Array[], players: number): Uint8Array {
  const all = new Uint8Array(sets.length * players);
  for (const [at, set] of sets.entries()) all.set(set, at * players);
  return all;
}

interface PairValues {
  readonly permutation: readonly number[];
  /** Of the prefixes, [2·(players − 1), outputs]. */
  readonly inner: Float64Array;
  readonly empty: Float64Array;
  readonly full: Float64Array;
}

function addPair(sums: Sums, { players, outputs }: Game, { permutation, inner, empty, full }: PairValues): void {
  for (let output = 0; output < outputs; output += 1) {
    const valueOf = (half: number, size: number): number =>
      size === 0
        ? empty[output]!
        : size === players
          ? full[output]!
          : inner[(half * (players - 1) + size - 1) * outputs + output]!;
    for (let at = 0; at < players; at += 1) {
      const there = valueOf(0, at + 1) - valueOf(0, at);
      // In the reverse the player comes after those that it came before.
      const back = valueOf(1, players - at) - valueOf(1, players - at - 1);
      const change = (there + back) / 2;
      const to = output * players + permutation[at]!;
      sums.total[to]! += change;
      sums.squares[to]! += change * change;
    }
  }
  sums.pairs += 1;
}

function estimate(
  { players, outputs }: Game,
  { total, squares, pairs }: Sums,
  values: Float64Array,
  base: Float64Array,
): Pick<ShapleyValues, "contributions" | "standardErrors"> {
  const contributions = total.map((sum) => sum / pairs);
  const variances = squares.map((sum, at) =>
    pairs < 2 ? 0 : Math.max(0, sum - pairs * contributions[at]! * contributions[at]!) / (pairs - 1) / pairs,
  );
  for (let output = 0; output < outputs; output += 1) {
    const [from, to] = [output * players, (output + 1) * players];
    const spread = variances.subarray(from, to).reduce((sum, each) => sum + each, 0);
    const lacks =
      values[output]! - base[output]! - contributions.subarray(from, to).reduce((sum, each) => sum + each, 0);
    for (let at = from; at < to; at += 1)
      contributions[at]! += spread > 0 ? (lacks * variances[at]!) / spread : lacks / players;
  }
  return { contributions, standardErrors: variances.map(Math.sqrt) };
}
