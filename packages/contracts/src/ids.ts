declare const brand: unique symbol;
declare const immutable: unique symbol;

/** A string that only a parser or a maker of the house may turn into `Name`. */
export type Branded<Name extends string> = string & { readonly [brand]: Name };

/** Content digest: `sha256:` and 64 lower-case hexadecimal digits. */
export type Digest = `sha256:${string}` & { readonly [brand]: "Digest" };

export type RunId = Branded<"RunId">;
export type TrialId = Branded<"TrialId">;
export type JobId = Branded<"JobId">;
export type EventId = Branded<"EventId">;

/** Points at a model version immutably, `name/3`, or through an alias, `name@champion`. */
export type ModelRef = Branded<"ModelRef">;

/** Points at one model version for ever: `name/3`. Made by `modelVersionRef`. */
export type ModelVersionRef = ModelRef & { readonly [immutable]: true };

/** A feature view by name and digest of its definition, `flights#sha256:…`. Made by `featureViewRef`. */
export type FeatureViewRef = Branded<"FeatureViewRef">;
