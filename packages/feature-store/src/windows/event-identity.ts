import type { FeatureView } from "../definition/definition.ts";
import type { EventIdentity } from "./entity-rows.ts";
import type { WindowValue } from "./value-column.ts";

/** Whether created times tell which of two rows of one event counts. */
export const ranksRows = ({ eventId, createdTime }: FeatureView): boolean =>
  eventId.length > 0 && createdTime !== undefined;

/** Of rows of one event the one created last counts; of those, in a view with features, the one that its rule for ties says, in others the greater: whatever comes first. */
export function identityOf(view: FeatureView, byRank: boolean): EventIdentity | undefined {
  if (view.eventId.length === 0) return undefined;
  const names = Object.keys(view.inputs);
  const hasFeatures = Object.keys(view.features).length > 0;
  return {
    inputs: view.eventId.map((name) => names.indexOf(name)),
    outranks(later, earlier) {
      const [created, createdBefore] = [createdUs(later.row), createdUs(earlier.row)];
      if (created !== createdBefore) return created > createdBefore;
      if (hasFeatures) return byRank || view.ties === "last";
      return isGreater(later.inputs, earlier.inputs);
    },
  };
}

const createdUs = (row: unknown): number =>
  (row as { readonly createdUs?: number } | undefined)?.createdUs ?? Number.NEGATIVE_INFINITY;

/** By the first input in which they differ; none is the least. */
function isGreater(later: ArrayLike<WindowValue>, earlier: ArrayLike<WindowValue>): boolean {
  for (let input = 0; input < later.length; input++) {
    const [one, other] = [later[input]!, earlier[input]!];
    if (Object.is(one, other)) continue;
    return Number.isNaN(other) || (!Number.isNaN(one) && one > other);
  }
  return false;
}
