import type { DueRule } from "./debugger/run-rules.ts";
import type { FiredRule } from "./debugger/rule-use.ts";
import { ruleFired } from "./errors.ts";
import { checkpointOfLoop } from "./loop-checkpoints.ts";
import type { LoopState } from "./loop-state.ts";

/** Tells of rules that have fired, and does what they are to do. Throws `TRAINER_RULE_FIRED`. */
export async function actOnRules(loop: LoopState, dues: readonly DueRule[] = []): Promise<void> {
  let failed: FiredRule | undefined;
  for (const { finding, rule, actions, observation } of dues) {
    const snapshot = actions.includes("snapshot")
      ? await loop.options.snapshot?.(rule, { observation, checkpoint: await checkpointOfLoop(loop) })
      : undefined;
    const more = snapshot === undefined ? {} : { snapshot };
    const fired: FiredRule = { rule, ...finding, epoch: loop.epoch, actions, ...more };
    loop.rules?.note(fired);
    for (const action of actions) {
      if (action === "stop") loop.stop({ cause: "rule", reason: `${rule}: ${finding.message}` });
      else if (action === "fail") failed ??= fired;
      else if (typeof action === "object")
        loop.position.learningRate = loop.rate.at(loop.position) * action.lowerLearningRate;
    }
    loop.options.onRule?.(fired);
  }
  if (failed !== undefined) throw ruleFired(failed.rule, failed.message, failed.step);
}
