/** A worker among those of its host. */
export interface Self {
  /** From 0. At most one live worker has a number, and a replacement has that of its forerunner. */
  readonly number: number
  /** How many workers share the host's bounds. */
  readonly count: number
}

/** The environment that tells a worker who it is. */
export function envOf({ number, count }: Self): Record<string, string> {
  return { EVENTGATE_WORKER: `${number}`, EVENTGATE_WORKERS: `${count}` }
}

/** Undefined in a process that serves alone, and in a primary. */
export function readSelf(env: NodeJS.ProcessEnv = process.env): Self | undefined {
  const { EVENTGATE_WORKER: number, EVENTGATE_WORKERS: count } = env
  return number === undefined || count === undefined
    ? undefined
    : { number: Number(number), count: Number(count) }
}
