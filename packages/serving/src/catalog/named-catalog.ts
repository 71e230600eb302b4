import { requestInvalid, variantUnknown } from "../errors.ts";
import type { PredictRequest } from "../engine/prediction.ts";
import type { Catalog } from "./model-catalog.ts";

/** What the models of a catalog are called among the variants: in metrics, headers and provenance. */
export const targetVariant = "models";

/** The catalog that has the model of a request. Throws `SERVING_REQUEST_INVALID` where the request names none, or there is none to name. */
export function namedCatalog(
  { name, catalog }: { readonly name: string; readonly catalog: Catalog | undefined },
  { targetModel, variant = targetVariant }: PredictRequest,
): Catalog {
  if (variant !== targetVariant) throw variantUnknown(name, variant, [targetVariant]);
  if (catalog === undefined) {
    const remedy = "Ask it without a target model, or give the endpoint a catalog as `models`.";
    throw requestInvalid(`the endpoint "${name}" has no models to name`, remedy);
  }
  if (targetModel === undefined || targetModel === "")
    throw requestInvalid("it does not name its model", "Send `targetModel`.");
  return catalog;
}
