import { isMillwrightError } from "@millwright/contracts";
import { toldOf } from "../http/errors.ts";
import { type HttpAnswer, json } from "../http/message.ts";
import { httpStatusOf } from "../http/status.ts";

/** One thing wrong with the shape of a body, as Feast's server tells of it. */
export interface ShapeIssue {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly input: unknown;
}

/** A refusal as Feast's clients read it. It never leaves the face. */
export class FeastRefusal extends Error {
  override readonly name = "FeastRefusal";
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, message: string, body: unknown) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

/**
 * What Feast's clients raise as the class of `feast.errors`. Where Feast's own server fails with 500 over what was sent, the status here is 422:
 * the mistake is the caller's.
 */
export function feastRefusal(status: number, feastClass: string, message: string): FeastRefusal {
  const told = message.length > 2000 ? `${message.slice(0, 2000)}…` : message;
  return new FeastRefusal(status, told, JSON.stringify({ module: "feast.errors", class: feastClass, message: told }));
}

/** Status 422 with a list, for a body of another shape than the route's. */
export const shapeRefusal = (issues: readonly ShapeIssue[]): FeastRefusal =>
  new FeastRefusal(422, "The body has another shape.", { detail: issues });

const classes: Readonly<Record<string, string>> = {
  FEATURE_STORE_ACCESS_DENIED: "FeastPermissionError",
  FEATURE_STORE_VIEW_UNKNOWN: "FeatureViewNotFoundException",
  PORT_FEATURE_SERVICE_UNKNOWN: "FeatureServiceNotFoundException",
};

/** Any failure as Feast's server would answer it. What is not of the house is not told. */
export function feastErrorAnswer(error: unknown): HttpAnswer {
  if (error instanceof FeastRefusal) return json(error.body, error.status);
  if (!isMillwrightError(error)) return json("The feature store failed to answer.", 500);
  const detail = { module: "feast.errors", class: classes[error.code] ?? "FeastError", message: toldOf(error) };
  return json(JSON.stringify(detail), httpStatusOf(error));
}
