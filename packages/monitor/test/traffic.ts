import { type CapturedPrediction, createRandom, digestOf, type Random } from "@millwright/contracts";
import { batchOf } from "@millwright/data";

export interface Traffic {
  readonly variant?: string;
  readonly model?: string;
  readonly errorShare?: number;
  readonly latencyMs?: (random: Random) => number;
  /** The probability that is answered, given the true one. */
  readonly answer?: (truth: number) => number;
  readonly shift?: number;
}

/** Predictions with known truth: `distance` is standard normal, and the label is 1 with the probability 1/(1 + e^(−distance)). */
export function createTraffic(seed: number): {
  next(timeMs: number, traffic?: Traffic): { readonly prediction: CapturedPrediction; readonly label: 0 | 1 };
} {
  const random = createRandom(seed);
  let index = 0;
  return {
    next(
      timeMs,
      {
        variant = "main",
        model = variant,
        errorShare = 0,
        latencyMs = () => 5,
        answer = (truth: number) => truth,
        shift = 0,
      } = {},
    ) {
      index += 1;
      const distance = random.normal();
      const truth = 1 / (1 + Math.exp(-distance));
      const failed = random.next() < errorShare;
      const prediction: CapturedPrediction = {
        requestId: `${seed}-${index}`,
        endpoint: "late",
        variant,
        model: { name: "late", digest: digestOf(model) },
        timeMs,
        latencyMs: latencyMs(random),
        features: batchOf({ distance: Float64Array.of(distance + shift), carrier: [["AA", "B6", "UA"][index % 3]!] }),
        ...(failed
          ? { errorCode: "SERVING_MODEL_FAILED" }
          : { outputs: { probability: { dtype: "float32", shape: [1, 1], data: Float32Array.of(answer(truth)) } } }),
      };
      return { prediction, label: random.next() < truth ? 1 : 0 };
    },
  };
}
