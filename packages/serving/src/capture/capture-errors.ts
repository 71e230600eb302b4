import { ServingError } from "../errors.ts";

export const captureRefused = (directory: string, cause: unknown): ServingError =>
  new ServingError("SERVING_CAPTURE_REFUSED", `Nothing can be captured below "${directory}".`, {
    category: "user",
    remedy: "Give a folder that this process may write to.",
    cause,
  });

export const tokenUnreadable = (problem: string, cause?: unknown): ServingError =>
  new ServingError("SERVING_TOKEN_UNREADABLE", `The token cannot be turned back: ${problem}.`, {
    category: "data",
    remedy: "Give it whole, with the field and the key it was made with.",
    cause,
  });
