export {
  type Action,
  type ActionDecision,
  type ActionKind,
  type ActionPolicy,
  type ActionRule,
  type ActionState,
  type ExpectedGain,
  type HeldBack,
  decideActions,
  defineActions,
  emptyActionState,
} from "./actions/action-policy.ts";
export {
  type ActionHandler,
  type ActionRunner,
  type ActionRunnerOptions,
  createActionRunner,
} from "./actions/action-runner.ts";
export { type RetrainGainOptions, retrainGain } from "./actions/retrain-gain.ts";
export {
  type LossComparison,
  type PairedLosses,
  type RetrainGateOptions,
  type RetrainVerdict,
  retrainGate,
} from "./actions/retrain-gate.ts";
