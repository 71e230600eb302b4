import type { Alert } from "@millwright/contracts";

/**
 * Who is woken: a page means that users are not served, or that production will soon have no new model; all else can wait for the day. The defaults of the rules
 * of these names; `warning` stands for whatever a rule of one's own finds that is not critical.
 */
export const alertSeverities: Readonly<
  Record<
    | "endpoint-down"
    | "latency"
    | "error-rate"
    | "training-failed"
    | "cost-forecast"
    | "drift"
    | "prediction-shift"
    | "quality"
    | "outliers"
    | "estimated-quality"
    | "slices"
    | "kind-of-drift"
    | "warning",
    Alert["severity"]
  >
> = {
  "endpoint-down": "page",
  latency: "page",
  "error-rate": "page",
  "training-failed": "page",
  "cost-forecast": "ticket",
  drift: "ticket",
  "prediction-shift": "ticket",
  quality: "ticket",
  outliers: "ticket",
  "estimated-quality": "ticket",
  slices: "ticket",
  "kind-of-drift": "ticket",
  warning: "ticket",
};
