import type { Attribute, GradConfig } from "@tensorflow/tfjs-core";
import { kernelRefused } from "./errors.ts";
import type { TensorFlow } from "./tensorflow.ts";

const refusedMark = Symbol.for("millwright.tfjs.refused");

/** Puts a check before a gradient: what no backend of TensorFlow.js can differentiate is refused by name rather than in the middle of a step. */
function guard(
  tf: TensorFlow,
  kernelName: string,
  check: (attrs: Readonly<Record<string, Attribute>>, rank: number) => void,
): void {
  const config = tf.getGradient(kernelName) as (GradConfig & { [refusedMark]?: true }) | undefined;
  if (config == null || config[refusedMark] === true) return;
  tf.registerGradient({
    ...config,
    gradFunc: (dy, saved, attrs) => {
      check(attrs, Array.isArray(dy) ? (dy[0]?.rank ?? 0) : dy.rank);
      return config.gradFunc(dy, saved, attrs);
    },
    [refusedMark]: true,
  } as GradConfig);
}

/**
 * Guards the gradients that TensorFlow.js 4.22.0 has for no backend (dilated convolutions, depthwise ones too, and cumulative sums over an axis but the
 * last), and the one that two backends get wrong and that is not mended: nearest-neighbour resizing with half-pixel centres.
 */
export function refuseUnsupportedGradients(tf: TensorFlow): void {
  for (const kernel of ["Conv2D", "DepthwiseConv2dNative"]) {
    guard(tf, kernel, ({ dilations }) => {
      // Layers pass null where nothing was asked for.
      const sizes = [dilations ?? 1].flat().map(Number);
      if (sizes.every((size) => size === 1)) return;
      throw kernelRefused(
        `${kernel} (gradient)`,
        `its dilation is ${sizes.join("×")}`,
        "Train with dilation 1, or with a larger filter or stride.",
      );
    });
  }
  guard(tf, "ResizeNearestNeighbor", ({ halfPixelCenters }) => {
    const backend = tf.getBackend();
    if (halfPixelCenters !== true || (backend !== "tensorflow" && backend !== "webgpu")) return;
    throw kernelRefused(
      "ResizeNearestNeighbor (gradient)",
      `the backend "${backend}" computes it without the half-pixel centres it is asked for`,
      "Resize without half-pixel centres, or bilinearly.",
    );
  });
  guard(tf, "Cumsum", ({ axis }, rank) => {
    if (axis === rank - 1 || axis === -1) return;
    throw kernelRefused(
      "Cumsum (gradient)",
      `its axis is ${Number(axis)} of ${rank}`,
      "Transpose so that the cumulative sum runs over the last axis.",
    );
  });
}
