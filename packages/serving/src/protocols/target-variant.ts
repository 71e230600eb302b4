import { requestInvalid } from "../errors.ts";
import type { HttpCaller } from "../http/http-message.ts";

/**
 * The variant that a request names: as a variant, or as one of several containers that are asked directly, as SageMaker's multi-container endpoints are.
 * Throws `SERVING_REQUEST_INVALID` where it names two.
 */
export function variantOf(headers: HttpCaller["headers"]): string | undefined {
  const variant = headers["x-amzn-sagemaker-target-variant"];
  const container = headers["x-amzn-sagemaker-target-container-hostname"];
  if (container === undefined || container === variant) return variant ?? container;
  if (variant === undefined) return container;
  throw requestInvalid(
    `its headers name the variant "${variant.slice(0, 63)}" and the container "${container.slice(0, 63)}"`,
    "Name one: here a container is a variant that is asked by its name.",
  );
}
