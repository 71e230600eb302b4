import { type Game, type ShapleyLimits, type ShapleyValues, baseOf } from "./shapley-game.ts";

/** Beyond that there are too many coalitions to hold. */
export const mostExactPlayers = 14;

/** Values that are asked for at once. */
const mostAtOnce = 256;

/** Of all coalitions but the empty one, whose values are the background's own. @returns undefined where time ran out. */
export async function exactValues(
  game: Game,
  background: Float64Array,
  { clock, untilMs, signal }: ShapleyLimits,
): Promise<ShapleyValues | undefined> {
  const { players, outputs, others } = game;
  const coalitions = 2 ** players;
  // The mean over the background rows of each coalition's value, [coalitions, outputs].
  const worth = new Float64Array(coalitions * outputs);
  worth.set(baseOf(game, background));
  const asked = (coalitions - 1) * others;
  for (let from = 0; from < asked; from += mostAtOnce) {
    signal?.throwIfAborted();
    if (clock.monotonicMs() >= untilMs) return undefined;
    const count = Math.min(mostAtOnce, asked - from);
    const known = new Uint8Array(count * players);
    const other = Int32Array.from({ length: count }, (_, at) => (from + at) % others);
    const coalitionAt = (at: number): number => 1 + Math.floor((from + at) / others);
    for (let at = 0; at < count; at += 1)
      for (let player = 0; player < players; player += 1)
        known[at * players + player] = (coalitionAt(at) >> player) & 1;
    const values = await game.values(known, other);
    for (let at = 0; at < count; at += 1)
      for (let output = 0; output < outputs; output += 1)
        worth[coalitionAt(at) * outputs + output]! += values[at * outputs + output]! / others;
  }
  const contributions = new Float64Array(outputs * players);
  const weights = weightsOf(players);
  for (let set = 0; set < coalitions; set += 1) {
    const weight = weights[sizeOf(set)]!;
    for (let player = 0; player < players; player += 1) {
      if ((set >> player) & 1) continue;
      for (let output = 0; output < outputs; output += 1)
        contributions[output * players + player]! +=
          weight * (worth[(set | (1 << player)) * outputs + output]! - worth[set * outputs + output]!);
    }
  }
  const values = worth.slice((coalitions - 1) * outputs);
  return { exact: true, values, contributions, standardErrors: undefined, evaluations: asked };
}

/** s!·(n − s − 1)!/n! by the size s of what is there already (Shapley, 1953). */
function weightsOf(players: number): readonly number[] {
  let choices = 1;
  return Array.from({ length: players }, (_, size) => {
    if (size > 0) choices = (choices * (players - size)) / size;
    return 1 / (players * choices);
  });
}

function sizeOf(set: number): number {
  let size = 0;
  for (let rest = set; rest > 0; rest >>= 1) size += rest & 1;
  return size;
}
