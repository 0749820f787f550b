/** What happens when after the signal to end, milliseconds. */
export interface ShutdownTimes {
  /** Idle connections are closed: until then a request that is under way on one is taken. */
  idleMs: number
  /** Every request has its answer. What is undecided then is said to be not stored, or of unknown fate. */
  answerMs: number
  /** What nobody waits for, hasty events, is given up. */
  endMs: number
}

/** The whole time, where it is not configured. A supervisor's default is not below it. */
export const SHUTDOWN_TIMEOUT_MS = 10_000
/** Of the time that there is for an orderly end; after it what is left is given up, in order too. */
const GRACE_SHARE = 0.8
/**
 * Proxies in front keep an idle connection for less (Envoy: 4.5 s), so that they close it, not we. What is sent in
 * the moment in which we close is lost, and Envoy sends it again (helm/check-roll.ts).
 */
const IDLE_MS = 5000
/** So much of the time is left for what comes even then; where there is no more, idle connections have a share. */
const FINISH_MS = 5000
const IDLE_SHARE = 0.1
/** Charts made for the original leave two seconds, and say so nowhere. */
const UNTOLD_ANSWER_MS = 1500
const UNTOLD_IDLE_MS = 1200

/**
 * A kill leaves clients without an answer, which some take for success. If nobody has said how long the process
 * has, requests are answered before the shortest time that is usual has passed. What nobody waits for may
 * still take the default: a kill that comes before makes no answer untrue.
 */
export function shutdownTimes(configuredMs: number | undefined): ShutdownTimes {
  if (configuredMs === undefined) {
    return { idleMs: UNTOLD_IDLE_MS, answerMs: UNTOLD_ANSWER_MS, endMs: GRACE_SHARE * SHUTDOWN_TIMEOUT_MS }
  }
  const endMs = GRACE_SHARE * configuredMs
  const idleMs = Math.min(IDLE_MS, Math.max(IDLE_SHARE * configuredMs, configuredMs - FINISH_MS))
  return { idleMs, answerMs: endMs, endMs }
}
