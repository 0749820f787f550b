/**
 * A worker thread: the clients who do nothing wrong. At a steady rate they send small guaranteed events, hasty
 * ones, and look at `/_info`, and keep what became of each.
 */
import { Agent, request } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'

export const BYSTANDERS = ['guaranteed', 'hasty', 'info'] as const
export type Bystander = (typeof BYSTANDERS)[number]

/** What became of one bystander's requests. */
export interface Fates {
  sent: number
  /** Answered with what is no success, by status. */
  refused: Record<string, number>
  /** Neither answered nor refused: a connection that ended, or patience that did. */
  lost: Record<string, number>
  /** Of all that were answered, milliseconds; those in which this thread itself was held up are given that back. */
  slowest: number
  latencies: number[]
  /** Ids of the events that were taken. */
  taken: string[]
}

export type Report = Record<Bystander, Fates> & { heldUp: number }

/** Of each second. */
const RATES: Record<Bystander, number> = { guaranteed: 50, hasty: 50, info: 1 }
/** The service's own deadline is 9 s. */
const PATIENCE_MS = 15_000
const TICK_MS = 20

const GOOD: Record<Bystander, number> = { guaranteed: 201, hasty: 202, info: 200 }

function run(port: number): () => Promise<Report> {
  const agent = new Agent({ keepAlive: true })
  const fates = Object.fromEntries(
    BYSTANDERS.map(name => [
      name,
      { sent: 0, refused: {}, lost: {}, slowest: 0, latencies: [], taken: [] } satisfies Fates,
    ]),
  ) as unknown as Record<Bystander, Fates>
  const open = new Set<Promise<void>>()
  let heldUp = 0
  let lastTick = performance.now()

  function send(name: Bystander): void {
    const fate = fates[name]
    const id = `${name}-${fate.sent++}`
    const body = JSON.stringify({ $schema: '/test/event/1.0.0', meta: { stream: `bystander.${name}`, id } })
    const begun = performance.now()
    const before = heldUp
    const one = new Promise<void>(resolve => {
      const count = (kind: 'refused' | 'lost', what: string) => {
        fate[kind][what] = (fate[kind][what] ?? 0) + 1
        resolve()
      }
      const req = request(
        {
          ...{ host: '127.0.0.1', port, agent, timeout: PATIENCE_MS },
          ...(name === 'info'
            ? { path: '/_info' }
            : {
                method: 'POST',
                path: name === 'hasty' ? '/v1/events?hasty=true' : '/v1/events',
                headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
              }),
        },
        res => {
          let text = ''
          res.on('data', chunk => {
            text += chunk
          })
          res.on('error', error => count('lost', error.message))
          res.on('end', () => {
            const took = performance.now() - begun - (heldUp - before)
            fate.latencies.push(took)
            fate.slowest = Math.max(fate.slowest, took)
            if (res.statusCode === GOOD[name]) {
              fate.taken.push(id)
              resolve()
            } else count('refused', `${res.statusCode} ${/"code":"(\w+)"/.exec(text)?.[1] ?? ''}`)
          })
        },
      )
      req.on('timeout', () => req.destroy(new Error(`no answer in ${PATIENCE_MS} ms`)))
      req.on('error', error => count('lost', (error as NodeJS.ErrnoException).code ?? error.message))
      req.end(name === 'info' ? undefined : body)
    })
    open.add(one)
    void one.then(() => open.delete(one))
  }

  const start = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    heldUp += Math.max(0, now - lastTick - 2 * TICK_MS)
    lastTick = now
    for (const name of BYSTANDERS) while (fates[name].sent < ((now - start) / 1000) * RATES[name]) send(name)
  }, TICK_MS)

  return async () => {
    clearInterval(timer)
    await Promise.all(open)
    agent.destroy()
    return { ...fates, heldUp }
  }
}

if (parentPort) {
  const stop = run((workerData as { port: number }).port)
  parentPort.once('message', async () => parentPort?.postMessage(await stop()))
}
