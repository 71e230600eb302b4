import type { TensorFlow } from "./tensorflow.ts";

/** placeholder until golden numbers are there */
export async function selfTest(tf: TensorFlow): Promise<void> {
  await tf.ready();
}
