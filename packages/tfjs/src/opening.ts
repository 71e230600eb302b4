import { type CallOptions, isMillwrightError } from "@millwright/contracts";
import { briefly, type Device, type DeviceProbe, failedProbe } from "./probe.ts";
import { selfTest } from "./self-test.ts";
import type { TensorFlow } from "./tensorflow.ts";
import type { DeviceWatch } from "./webgpu-device.ts";

/** What trying a device gave. */
export interface Opened {
  readonly probe: DeviceProbe;
  readonly tf?: TensorFlow;
  readonly environment?: Readonly<Record<string, string>>;
  /** Absent where a failure is thrown by the call that meets it. */
  readonly watch?: DeviceWatch;
}

/** How a device that can be had is tried. */
export interface Trying extends CallOptions {
  readonly test: boolean;
}

/** Both signs are needed: with threads forced on, `setBackend("wasm")` leaves TensorFlow.js on another backend. */
export async function switchTo(tf: TensorFlow, backend: string, device: Device): Promise<DeviceProbe | undefined> {
  const accepted = await tf.setBackend(backend);
  await tf.ready();
  const now = tf.getBackend();
  if (accepted && now === backend) return undefined;
  return failedProbe(
    device,
    "backend-refused",
    `setBackend("${backend}") gave ${accepted}, and the backend is "${now}"`,
  );
}

export async function tested(
  tf: TensorFlow,
  device: Device,
  detail: string,
  environment: Readonly<Record<string, string>>,
  { test, signal }: Trying,
): Promise<Opened> {
  const failure = test
    ? await selfTest(tf, { signal }).then(
        () => undefined,
        (error: unknown) => error,
      )
    : undefined;
  if (failure !== undefined) return { probe: failedProbe(device, "self-test-failed", withoutRemedy(failure)) };
  return { probe: { device, ok: true, detail }, tf, environment };
}

/** The probe has a remedy of its own. */
const withoutRemedy = (error: unknown): string =>
  briefly(isMillwrightError(error) ? error.message.replace(error.remedy, "").trimEnd() : error);
