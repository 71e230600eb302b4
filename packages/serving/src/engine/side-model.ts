import type { Answerer } from "./answerer.ts";
import type { ModelSlot } from "./model-slot.ts";
import type { Provenance } from "./prediction.ts";
import type { SideModel, SideModelOptions } from "./stage.ts";

/** A model that a stage asks for itself. */
export function sideModel(
  slot: ModelSlot,
  answerer: Answerer,
  { variant, watch = false, captured = false }: SideModelOptions,
): SideModel {
  if (watch) slot.watch();
  return {
    get model(): Provenance["model"] {
      return slot.served.identity;
    },
    predict: async (call) => slot.use((served) => answerer.answer(served, call, { variant, staged: false, captured })),
    close: () => slot.close(),
  };
}
