export type { EndpointOptions, VariantOptions } from "./endpoint.ts";
export { ServingError, type ServingErrorCode } from "./errors.ts";
export { httpStatuses, httpStatusOf } from "./http-status.ts";
export { type ListenOptions, listen } from "./listen.ts";
export { type DrainOptions, type ModelServer, type ModelServerOptions, openModelServer } from "./model-server.ts";
export type { FeatureSummary, PredictRequest, Prediction, Provenance } from "./prediction.ts";
export type { Cell, Row } from "./rows.ts";
