import { expect, test } from "vitest";
import { openMlflowApp } from "./mlflow-app.ts";
import { recorded, replay } from "./mlflow-replay.ts";

for (const [version, fewest] of [
  [2, 43],
  [3, 49],
] as const) {
  test(
    `MR-8: what an MLflow ${version} client and server said to each other is answered alike: every status, every field`,
    { timeout: 300_000 },
    async () => {
      await using app = await openMlflowApp();
      const routes = await replay(app.url, await recorded(version));
      expect(routes.size).toBeGreaterThanOrEqual(fewest);
    },
  );
}
