import { FeatureStoreError } from "../errors.ts";

export const recordInvalid = (group: string, feature: string, text: string, wanted: string): FeatureStoreError =>
  new FeatureStoreError(
    "FEATURE_STORE_RECORD_INVALID",
    `A record of the SageMaker feature group "${group}" has ${JSON.stringify(text.slice(0, 100))} as "${feature}", and not ${wanted}.`,
    { category: "data", remedy: "Define the view with the types that the group has, or mend the record." },
  );
