import type { Digest, LoadedModel } from "@millwright/contracts";
import { loadModel } from "@millwright/model";
import type { PooledModel, Seat } from "./seat.ts";

/**
 * Asks one worker the golden requests of a model it has loaded: every worker that starts, on whatever machine and with whatever runtime, and not only the first.
 * Throws `MODEL_GOLDEN_MISMATCH` and what the model throws.
 */
export async function testSeat(seat: Seat, model: PooledModel): Promise<void> {
  const { directory, manifest, title } = model;
  if (manifest.golden.length === 0) return;
  const { memoryBytes = 0, missingText } = seat.models.get(model.key) ?? {};
  const inSeat = {
    formats: [manifest.format],
    load: () =>
      Promise.resolve({
        memoryBytes,
        missingText,
        predict: (inputs) => seat.ask(model, inputs),
        dispose: () => Promise.resolve(),
      } satisfies LoadedModel),
  };
  // With its calibration, as a server loads it: what was loaded here stays loaded.
  await loadModel({ name: title, digest: "" as Digest, directory, manifest }, [inSeat]);
}
