export {
  type AskTensors,
  type GoldenProbeOptions,
  type JsonProbeOptions,
  type Probe,
  goldenProbes,
  jsonProbe,
} from "./probes/probe.ts";
export {
  type ProbeAlertOptions,
  type ProbeResult,
  type Probes,
  type ProbesOptions,
  openProbes,
} from "./probes/open-probes.ts";
