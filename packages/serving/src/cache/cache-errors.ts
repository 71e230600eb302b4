import { ServingError } from "../errors.ts";

export const keyReused = (key: string): ServingError =>
  new ServingError("SERVING_IDEMPOTENCY_KEY_REUSED", `The idempotency key "${key}" was used for another request.`, {
    category: "user",
    remedy: "Send each new request with a new key.",
  });
