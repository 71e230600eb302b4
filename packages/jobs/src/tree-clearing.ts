import type { Clock } from "@millwright/contracts";
import { sendSignal, signalTree, treeOf } from "./process-tree.ts";

const posix = process.platform !== "win32";

/** Ends what a process left behind: SIGTERM, then SIGKILL until nothing is there. */
export async function clearTree(
  root: number | undefined,
  { mark, graceMs, clock }: { readonly mark: string; readonly graceMs: number; readonly clock: Clock },
): Promise<void> {
  const present = (): boolean => treeOf(root, mark).length > 0;
  if (!posix || !(process.platform !== "linux" || present())) return;
  signalTree(root, mark, "SIGTERM");
  const untilMs = clock.monotonicMs() + Math.min(graceMs, 2_000);
  while (present() && clock.monotonicMs() < untilMs) await clock.sleep(20);
  if (process.platform !== "linux") await clock.sleep(Math.min(graceMs, 200));
  const giveUpMs = clock.monotonicMs() + 5_000;
  do {
    signalTree(root, mark, "SIGKILL");
    if (!present()) return;
    await clock.sleep(20);
  } while (clock.monotonicMs() < giveUpMs);
}

/** Kills what a process has started and left behind, and not the process. @returns whether nothing of it is left. */
export async function clearDescendants(root: number, mark: string, clock: Clock): Promise<boolean> {
  const giveUpMs = clock.monotonicMs() + 2_000;
  for (;;) {
    const left = treeOf(root, mark).filter(({ pid }) => pid !== root);
    if (left.length === 0) return true;
    if (clock.monotonicMs() > giveUpMs) return false;
    for (const { pid } of left) sendSignal(pid, "SIGKILL");
    await clock.sleep(20);
  }
}
