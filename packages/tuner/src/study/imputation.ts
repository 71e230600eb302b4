import type { Direction, Trial } from "../trial.ts";
import type { EngineContext } from "./context.ts";

/** The trials as samplers see them: failed ones that the study's policy imputes have completed with the worst values known. */
export function shownToSampler({ state, directions }: Pick<EngineContext, "state" | "directions">): readonly Trial[] {
  const { trials } = state;
  if (state.imputed === 0) return trials;
  const worst = worstValues(trials, directions);
  if (worst === undefined) return trials;
  const single = worst.length === 1 ? { value: worst[0] as number } : {};
  return trials.map((trial) =>
    trial.imputed === true ? { ...trial, state: "completed", values: worst, ...single } : trial,
  );
}

/** Of each objective; undefined while no trial completed. */
function worstValues(trials: readonly Trial[], directions: readonly Direction[]): readonly number[] | undefined {
  const completed = trials.filter(({ state, values }) => state === "completed" && values !== undefined);
  if (completed.length === 0) return undefined;
  return directions.map((direction, objective) => {
    const values = completed.map((trial) => trial.values?.[objective] ?? Number.NaN).filter(Number.isFinite);
    return values.reduce((a, b) => (direction === "minimize" ? Math.max(a, b) : Math.min(a, b)), values[0] ?? 0);
  });
}
