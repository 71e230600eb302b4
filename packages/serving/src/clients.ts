export type { ClientStats, HedgeOptions, RetryOptions } from "./clients/attempts.ts";
export { type BentoMlOptions, bentoMl } from "./clients/bentoml-client.ts";
export { type GenerateClientOptions, generateClient } from "./clients/generate-client.ts";
export type { ClientFetch, ClientHeaders, HttpProtocolOptions } from "./clients/http-asking.ts";
export { type MillwrightServerOptions, millwrightServer } from "./clients/millwright-server.ts";
export {
  type ClientAnswer,
  type ClientCall,
  type ClientEvidence,
  type ModelClient,
  type ModelClientOptions,
  type TypedClient,
  createModelClient,
  openModelClient,
} from "./clients/model-client.ts";
export { type OpenAiOptions, openAi } from "./clients/openai-client.ts";
export { type OpenInferenceOptions, openInference } from "./clients/open-inference-client.ts";
export type { ClientProtocol, ProtocolCall, ProtocolReply, ReplyEvidence } from "./clients/protocol.ts";
export {
  type SageMakerInvocation,
  type SageMakerInvoked,
  type SageMakerOptions,
  type SageMakerRuntimeClient,
  sageMaker,
} from "./clients/sagemaker-client.ts";
export {
  type BodyForm,
  type KserveV1Options,
  type TensorFlowServingOptions,
  kserveV1,
  tensorFlowServing,
} from "./clients/tensorflow-client.ts";
export type {
  ElementOf,
  InputsOf,
  NestedOf,
  OutputsOf,
  ShapeOf,
  TensorInput,
  TensorOf,
} from "./clients/typed-tensors.ts";
