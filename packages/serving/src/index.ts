export type { EndpointOptions, VariantOptions } from "./engine/endpoint.ts";
export { ServingError, type ServingErrorCode } from "./errors.ts";
export { httpStatuses, httpStatusOf } from "./http/http-status.ts";
export { type ListenOptions, listen } from "./http/listen.ts";
export { type DrainOptions, type ModelServer, type ModelServerOptions, openModelServer } from "./model-server.ts";
export type { FeatureSummary, PredictRequest, Prediction, Provenance } from "./engine/prediction.ts";
export type { Cell, Row } from "./engine/rows.ts";
