export { DiskFullError } from "./chaos/disk-full.ts";
export { type Chaos, type ChaosOptions, chaos } from "./chaos/create-chaos.ts";
export type {
  ClockSkewFault,
  CorruptFault,
  DelayFault,
  DiskFullFault,
  ErrorFault,
  Fault,
  FaultBase,
  FaultKind,
  FaultMatch,
  FeaturesDownFault,
  KillWorkerFault,
  RequestFault,
  SharedFault,
} from "./chaos/faults.ts";
export { type ChaosFlag, type ChaosScope, signChaosFlag, verifyChaosFlag } from "./chaos/flag.ts";
export {
  type AssertionOutcome,
  type GameDayAssertion,
  type GameDayContext,
  type GameDayOptions,
  type GameDayReport,
  type GameDayStep,
  type StepOutcome,
  runGameDay,
} from "./chaos/game-day.ts";
