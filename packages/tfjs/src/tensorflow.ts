import { addChainedOperations } from "./chained-operations.ts";

/** Declares the methods of tensors (`x.add(y)`), which `addChainedOperations` adds; it has no exports. */
type ChainedOperations = typeof import("@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js");

/** TensorFlow.js's API as one object: what `@tensorflow/tfjs-core` and `@tensorflow/tfjs-layers` export. */
export type TensorFlow = typeof import("@tensorflow/tfjs-core") &
  typeof import("@tensorflow/tfjs-layers") &
  ChainedOperations;

/**
 * The pure-JavaScript core and layers; no backend is registered by it. It is one instance a process: TensorFlow.js keeps its
 * engine, its backends and its kernels in globals.
 */
export async function importTensorFlow(): Promise<TensorFlow> {
  const core = await import("@tensorflow/tfjs-core");
  const layers = await import("@tensorflow/tfjs-layers");
  const tf: TensorFlow = { ...core, ...layers };
  addChainedOperations(tf);
  return tf;
}
