import { ServingError } from "../errors.ts";

export const remoteUnconfigured = (model: string, problem: string, remedy: string): ServingError =>
  new ServingError("SERVING_REMOTE_UNCONFIGURED", `The remote model "${model}" cannot be asked: ${problem}.`, {
    category: "user",
    remedy,
  });
