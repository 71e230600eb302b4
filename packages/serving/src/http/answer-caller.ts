import type { Endpoint } from "../engine/endpoint.ts";
import type { PredictRequest, Prediction } from "../engine/prediction.ts";
import { type Soon, watched } from "../engine/settle.ts";
import { noTrail, rememberFailure } from "../telemetry/trail.ts";
import type { HttpCaller } from "./http-message.ts";
import { withContext } from "./request-context.ts";

/**
 * Asks an endpoint for a caller, with what the headers say of the request; where it fails, the answer's headers tell how far it got.
 * @param endpoint Throws where there is none to ask.
 */
export function answerCaller(
  endpoint: () => Endpoint,
  request: PredictRequest,
  { headers }: HttpCaller,
  principal: string | undefined,
): Soon<Prediction> {
  const trail = noTrail();
  return watched(
    () => endpoint().predict(withContext(request, headers, principal), trail),
    (failure) => {
      if (failure !== undefined) rememberFailure(headers, trail);
    },
  );
}
