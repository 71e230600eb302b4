import type { CardStatus, Registry } from "../../packages/registry/dist/index.js";
import * as registry from "../../packages/registry/dist/index.js";
import { methods, type Subjects, well } from "./subjects.ts";

const signal = new AbortController().signal;
const by = "ann";
const changes = { intended_uses: { risk_rating: "Low" } } as const;

/** What is written down about versions. @param open Has versions 1 to 3 of `ruled`, and 1 of `late`. */
export function records(open: Registry): Subjects {
  const card: registry.ModelCard = {
    name: "late",
    version: 1,
    revision: 0,
    status: "Draft",
    content: changes,
    missing: [],
  };
  const archived = async (): Promise<void> => {
    await open.setCardStatus("ruled", 2, "Archived", { by });
  };
  /** A registry that a version is copied to: its calls are those of the one that it comes from. */
  const folderOf = async (): Promise<string> => (await open.resolve("late/1")).directory;
  const board = { metrics: [{ name: "auc", direction: "maximize" }], challengers: [1], champion: 1, signal } as const;
  return {
    copyVersion: well(
      registry.copyVersion,
      () => [open, open, "late/1", { origin: "dev", by, signal }],
      { PORT_MODEL_UNKNOWN: () => registry.copyVersion(open, open, "none/1", { origin: "dev", by }) },
      20,
    ),
    readScoreboard: well(
      registry.readScoreboard,
      () => [open, "late", board],
      { REGISTRY_SCORE_INVALID: () => registry.readScoreboard(open, "late", { ...board, confidence: 2 }) },
      20,
    ),
    reproduceVersion: well(
      registry.reproduceVersion,
      () => [open, "late/1", { rebuild: folderOf, signal }],
      { PORT_MODEL_UNKNOWN: () => registry.reproduceVersion(open, "none/1", { rebuild: folderOf }) },
      12,
    ),
    judgeLicense: well(registry.judgeLicense, () => ["MIT OR GPL-3.0-only", ["GPL-3.0"]]),
    readLockFile: well(registry.readLockFile, () => ["requirements.txt", "numpy==2.1.0"], {
      REGISTRY_MATERIALS_INVALID: () => registry.readLockFile("requirements.txt", "numpy"),
    }),
    formatCard: well(registry.formatCard, () => [card, "markdown"]),
    ...methods("openRegistry()", () => open, {
      card: [
        () => ["late", 1, { signal }],
        { REGISTRY_CARD_UNKNOWN: () => open.card("late", 1, { revision: 99 }) },
        12,
      ],
      cardRevisions: [() => ["late", 1, { signal }], {}, 12],
      editCard: [
        () => ["late", 1, changes, { by, signal }],
        {
          REGISTRY_CARD_INVALID: () => open.editCard("late", 1, { colour: "red" } as object, { by }),
          REGISTRY_CARD_REFUSED: async () => {
            await archived();
            return open.editCard("ruled", 2, changes, { by });
          },
        },
        12,
      ],
      setCardStatus: [
        () => ["late", 1, "PendingReview", { by, signal }],
        { REGISTRY_CARD_INVALID: () => open.setCardStatus("late", 1, "Done" as CardStatus, { by }) },
        12,
      ],
      exportAuditPack: [
        () => ["late/1", { monitoring: { drift: { psi: 0.01 } }, signal }],
        { PORT_MODEL_UNKNOWN: () => open.exportAuditPack("none/1") },
        12,
      ],
      setMaterials: [
        () => ["late", 1, { license: "MIT" }, { by, signal }],
        { REGISTRY_MATERIALS_INVALID: () => open.setMaterials("late", 1, { license: "the usual" }) },
        12,
      ],
      materials: [() => ["late", 1, { signal }], { PORT_MODEL_UNKNOWN: () => open.materials("late", 99) }, 12],
      billOfMaterials: [() => ["late/1", { signal }], { PORT_MODEL_UNKNOWN: () => open.billOfMaterials("none/1") }, 12],
      missingEvidence: [() => ["late", 1, { signal }], {}, 12],
    }),
  };
}
