/** What is used of service-runner, which has no types of its own. */
declare module 'service-runner' {
  export default class ServiceRunner {
    constructor(options?: { num_workers?: number; configFile?: string })
    /** Resolves with what the services' entrypoints resolved to; on a failure it logs and exits with 1. */
    start(config: object): Promise<unknown[]>
    /** Calls `close` of what the entrypoints resolved to. */
    stop(): Promise<unknown>
  }
}
