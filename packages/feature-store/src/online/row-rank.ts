import type { FeatureView } from "../definition/definition.ts";
import type { OnlineRow } from "./online-store.ts";

type Ranked = Pick<OnlineRow, "timeUs" | "createdUs">;

/** Whether a row that comes after another one counts in its place: by event time, then created time (null is oldest), then the view's rule for ties. */
export function outranks({ ties }: FeatureView, later: Ranked, earlier: Ranked): boolean {
  if (later.timeUs !== earlier.timeUs) return later.timeUs > earlier.timeUs;
  const created = later.createdUs ?? Number.NEGATIVE_INFINITY;
  const createdBefore = earlier.createdUs ?? Number.NEGATIVE_INFINITY;
  if (created !== createdBefore) return created > createdBefore;
  return ties === "last";
}
