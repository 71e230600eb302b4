import { ServingError } from "../errors.ts";

const mebibytes = (bytes: number): string =>
  bytes < 1_048_576 ? `${Math.round(bytes)} bytes` : `${(bytes / 1_048_576).toFixed(1)} MiB`;

export const modelAlreadyLoaded = (target: string): ServingError =>
  new ServingError("SERVING_MODEL_LOADED", `The model "${target}" is loaded already.`, {
    category: "user",
    remedy: "Ask it, or unload it first.",
  });

export const modelNotLoaded = (target: string): ServingError =>
  new ServingError("SERVING_MODEL_NOT_LOADED", `The model "${target}" is not loaded.`, {
    category: "user",
    remedy: "Load it first.",
  });

export const modelMemory = (
  target: string,
  neededBytes: number,
  budgetBytes: number,
  usedBytes: number,
): ServingError =>
  new ServingError(
    "SERVING_MODEL_MEMORY",
    `The model "${target}" takes ${mebibytes(neededBytes)}, and ${mebibytes(usedBytes)} of ${mebibytes(budgetBytes)} are held by models that may not be unloaded now.`,
    {
      category: "capacity",
      remedy: "Ask again later, unload or unpin models, or raise `memoryBytes`.",
      retryable: true,
    },
  );

export const modelTooLarge = (target: string, neededBytes: number, budgetBytes: number): ServingError =>
  new ServingError(
    "SERVING_MODEL_TOO_LARGE",
    `The model "${target}" takes ${mebibytes(neededBytes)} (${neededBytes} bytes), and all models together may take ${mebibytes(budgetBytes)} (${budgetBytes} bytes).`,
    { category: "capacity", remedy: "Raise `memoryBytes` of the catalog, or serve a smaller model." },
  );

export const loadsWaiting = (endpoint: string, waiting: number): ServingError =>
  new ServingError("SERVING_OVERLOADED", `${waiting} models of "${endpoint}" wait to be loaded already.`, {
    category: "capacity",
    remedy: "Ask again later, or raise `maxWaitingLoads`.",
    retryable: true,
  });

export const tenantQuota = (endpoint: string, tenant: string, limit: string): ServingError =>
  new ServingError("SERVING_TENANT_QUOTA", `"${tenant}" may send ${limit} to "${endpoint}", and sent more.`, {
    category: "quota",
    remedy: "Send less, or later; whoever runs the endpoint may raise the quota.",
    retryable: true,
  });
