import { FeatureStoreError } from "../errors.ts";

export const feastUnreachable = (url: string, problem: string, cause?: unknown): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_FEAST_UNREACHABLE", `The Feast server at ${url} did not answer: ${problem}.`, {
    category: "transient",
    remedy: "See that it runs and can be reached, then do it again.",
    retryable: true,
    cause,
  });

export const feastRefused = (url: string, status: number, said: string): FeatureStoreError => {
  const isBusy = status === 429 || (status >= 502 && status <= 504);
  return new FeatureStoreError(
    "FEATURE_STORE_FEAST_REFUSED",
    `The Feast server at ${url} answered ${status}: ${said}.`,
    {
      category: isBusy ? "transient" : "user",
      remedy: isBusy ? "Do it again later." : "Give the source the views and types that the server has, and its keys.",
      retryable: isBusy,
    },
  );
};

export const feastAnswerInvalid = (url: string, problem: string, cause?: unknown): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_FEAST_ANSWER_INVALID", `The answer of ${url} cannot be read: ${problem}.`, {
    category: "data",
    remedy: "Define the views with the types that the server has, and see that the address is that of a Feast server.",
    cause,
  });

export const feastRegistryInvalid = (problem: string): FeatureStoreError =>
  new FeatureStoreError("FEATURE_STORE_FEAST_REGISTRY_INVALID", `The registry cannot be read: ${problem}.`, {
    category: "user",
    remedy: "Pass the parsed JSON that `feast registry-dump` prints.",
  });
