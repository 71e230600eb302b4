/** TensorFlow.js's API as one object: what `@tensorflow/tfjs-core` and `@tensorflow/tfjs-layers` export. */
export type TensorFlow = typeof import("@tensorflow/tfjs-core") & typeof import("@tensorflow/tfjs-layers");

/**
 * The pure-JavaScript core and layers; no backend is registered by it. It is one instance a process: TensorFlow.js keeps its
 * engine, its backends and its kernels in globals.
 */
export async function importTensorFlow(): Promise<TensorFlow> {
  const core = await import("@tensorflow/tfjs-core");
  const layers = await import("@tensorflow/tfjs-layers");
  return { ...core, ...layers };
}
