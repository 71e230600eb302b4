import type { CallbackControl } from "./callback-runner.ts";
import { inputInvalid } from "./errors.ts";
import type { LoopState } from "./loop-state.ts";

/** What callbacks see of the run and may do to it. */
export function loopControl(state: LoopState): CallbackControl {
  return {
    get epoch() {
      return state.epoch;
    },
    get step() {
      return state.position.step;
    },
    get learningRate() {
      return state.rate.at(state.position);
    },
    tf: state.options.tf,
    model: state.options.ready.model,
    setLearningRate(learningRate) {
      if (!(learningRate >= 0 && Number.isFinite(learningRate)))
        throw inputInvalid("learningRate", learningRate, "a finite number from 0");
      state.position.learningRate = learningRate;
    },
    stop: (reason) => state.stop({ cause: "callback", reason }),
  };
}
