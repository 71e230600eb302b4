/** One promise of a port, checked against a driver with `node:assert`: runs under any test runner. */
export interface ContractCase<Port> {
  readonly name: string;
  /** False where the driver lacks an optional ability the case needs. Default: applies. */
  readonly appliesTo?: ((port: Port) => boolean) | undefined;
  readonly run: (port: Port) => Promise<void>;
}
