/**
 * Kubernetes' own control plane on loopback, which `helm/tools.sh` builds: API server with its validation and admission,
 * controllers, scheduler. Kubelets are played: pods run as soon as they have a node, and no container exists.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../test/support/http.js'
import { tool } from './prometheus.js'

const READY_MS = 90_000
const KUBELET_MS = 200
/** Nodes whose kubelet is silent for 50 s are not ready. */
const HEARTBEAT_MS = 10_000

/** An object of Kubernetes. */
export interface KubeObject {
  apiVersion?: string
  kind?: string
  metadata: {
    name: string
    namespace?: string
    uid?: string
    deletionTimestamp?: string
    annotations?: Record<string, string>
  }
  // biome-ignore lint/suspicious/noExplicitAny: objects of many kinds
  [field: string]: any
}

interface Answer {
  status: number
  /** What the API server warns of, for example that Pod Security would refuse the pods. */
  warnings: string[]
  body: KubeObject
}

export class ControlPlane {
  readonly folder = mkdtempSync(join(tmpdir(), 'eventgate-control-plane-'))
  /** For Helm's `--kubeconfig`. */
  readonly kubeconfig = join(this.folder, 'kubeconfig')
  readonly #token = randomBytes(16).toString('hex')
  readonly #processes: ChildProcess[] = []
  #port = 0
  #isOver = false
  #kubelets: Promise<void> = Promise.resolve()

  private constructor() {}

  /** Starts one with these nodes. */
  static async start(nodes: readonly string[]): Promise<ControlPlane> {
    const plane = new ControlPlane()
    try {
      await plane.#start(nodes)
      return plane
    } catch (error) {
      await plane.close()
      throw error
    }
  }

  async #start(nodes: readonly string[]): Promise<void> {
    const [store, peers, port, controllers, scheduler] = await Promise.all(
      Array.from({ length: 5 }, () => freePort()),
    )
    this.#port = port as number
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const write = (name: string, text: string | Buffer) =>
      writeFileSync(join(this.folder, name), text, { mode: 0o600 })
    write('sa.key', privateKey.export({ type: 'pkcs8', format: 'pem' }))
    write('sa.pub', publicKey.export({ type: 'spki', format: 'pem' }))
    write('tokens.csv', `${this.#token},admin,admin,"system:masters"\n`)
    const cluster = { server: `https://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true }
    const context = { name: 'here', context: { cluster: 'here', user: 'admin' } }
    const config = {
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'here', contexts: [context] },
      clusters: [{ name: 'here', cluster }],
      users: [{ name: 'admin', user: { token: this.#token } }],
    }
    write('kubeconfig', JSON.stringify(config))
    const storeUrl = `http://127.0.0.1:${store}`
    const peersUrl = `http://127.0.0.1:${peers}`
    this.#run('etcd', {
      ...{ 'data-dir': 'etcd', 'log-level': 'warn', 'unsafe-no-fsync': true },
      ...{ 'listen-client-urls': storeUrl, 'advertise-client-urls': storeUrl },
      ...{ 'listen-peer-urls': peersUrl, 'initial-advertise-peer-urls': peersUrl },
      'initial-cluster': `default=${peersUrl}`,
    })
    this.#run('kube-apiserver', {
      ...{ 'etcd-servers': storeUrl, 'secure-port': port, 'cert-dir': 'certs' },
      ...{ 'bind-address': '127.0.0.1', 'advertise-address': '127.0.0.1' },
      // A loopback address cannot be an endpoint of the Service `kubernetes`.
      'endpoint-reconciler-type': 'none',
      ...{ 'token-auth-file': 'tokens.csv', 'authorization-mode': 'RBAC' },
      'service-cluster-ip-range': '10.96.0.0/16',
      'service-account-issuer': 'https://kubernetes.default.svc',
      ...{ 'service-account-key-file': 'sa.pub', 'service-account-signing-key-file': 'sa.key' },
    })
    await this.#until(
      'the API server is ready',
      async () => (await this.ask('GET', '/readyz')).status === 200,
    )
    const own = { kubeconfig: 'kubeconfig', 'bind-address': '127.0.0.1', 'leader-elect': false }
    this.#run('kube-controller-manager', {
      ...{ ...own, 'secure-port': controllers, 'service-account-private-key-file': 'sa.key' },
    })
    this.#run('kube-scheduler', { ...own, 'secure-port': scheduler })
    for (const [i, name] of nodes.entries()) await this.#addNode(name, `zone-${i}`)
    this.#kubelets = this.#playKubelets(nodes)
    await this.#until('the controllers run', async () => {
      const { status } = await this.ask('GET', '/api/v1/namespaces/default/serviceaccounts/default')
      return status === 200
    })
  }

  #run(name: string, flags: Record<string, string | number | boolean | undefined>): void {
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)
    const log = openSync(join(this.folder, `${name}.log`), 'a')
    const child = spawn(tool(name), args, { cwd: this.folder, stdio: ['ignore', log, log] })
    closeSync(log)
    this.#processes.push(child)
    const kill = () => child.kill('SIGKILL')
    process.once('exit', kill)
    child.once('exit', code => {
      process.removeListener('exit', kill)
      if (this.#isOver) return
      const last = readFileSync(join(this.folder, `${name}.log`), 'utf8')
        .trim()
        .split('\n')
        .at(-1)
      console.error(`${name} ended with ${code}: ${last}`)
    })
  }

  async #until(what: string, test: () => Promise<boolean>): Promise<void> {
    let problem: unknown
    for (const end = Date.now() + READY_MS; Date.now() < end; await delay(200)) {
      try {
        if (await test()) return
      } catch (error) {
        problem = error
      }
    }
    throw new Error(`not within ${READY_MS} ms: ${what} (${problem})`)
  }

  /** `body` is sent as JSON, or as a merge patch if the method is PATCH. */
  ask(method: string, path: string, body?: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
      const text = body === undefined ? '' : JSON.stringify(body)
      const headers = {
        ...{ authorization: `Bearer ${this.#token}`, 'content-type': type },
        // Node would send the body of a DELETE without its length.
        'content-length': Buffer.byteLength(text),
      }
      const options = {
        host: '127.0.0.1',
        port: this.#port,
        method,
        path,
        headers,
        rejectUnauthorized: false,
      }
      const sent = request(options, response => {
        const chunks: Buffer[] = []
        response.on('data', chunk => chunks.push(chunk))
        response.on('end', () => {
          const text = String(Buffer.concat(chunks))
          const warnings = [response.headers.warning ?? []].flat()
          const isJson = response.headers['content-type']?.includes('json')
          resolve({ status: response.statusCode ?? 0, warnings, body: isJson ? JSON.parse(text) : { text } })
        })
      })
      sent.on('error', reject)
      sent.end(text)
    })
  }

  /** Throws unless the API server accepts it without any warning. */
  async must(method: string, path: string, body?: object): Promise<KubeObject> {
    const answer = await this.ask(method, path, body)
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`)
    if (answer.warnings.length > 0) throw new Error(`${method} ${path}: ${answer.warnings.join('; ')}`)
    return answer.body
  }

  async list(path: string): Promise<KubeObject[]> {
    return (await this.must('GET', path)).items
  }

  async #addNode(name: string, zone: string): Promise<void> {
    const labels = {
      ...{ 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' },
      'topology.kubernetes.io/zone': zone,
    }
    await this.must('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } })
  }

  async #playKubelets(nodes: readonly string[]): Promise<void> {
    let beat = 0
    for (; !this.#isOver; await delay(KUBELET_MS)) {
      try {
        if (Date.now() > beat + HEARTBEAT_MS) {
          beat = Date.now()
          for (const node of nodes) await this.#beat(node)
        }
        for (const pod of await this.list('/api/v1/pods')) await this.#play(pod)
      } catch (error) {
        if (!this.#isOver) console.error(`a kubelet: ${(error as Error).message}`)
      }
    }
  }

  async #beat(node: string): Promise<void> {
    const room = { cpu: '64', memory: '256Gi', pods: '110', 'ephemeral-storage': '1Ti' }
    const condition = { type: 'Ready', status: 'True', reason: 'Played', message: 'played' }
    const conditions = [{ ...condition, lastHeartbeatTime: new Date().toISOString() }]
    const status = { capacity: room, allocatable: room, conditions }
    await this.must('PATCH', `/api/v1/nodes/${node}/status`, { status })
  }

  async #play(pod: KubeObject): Promise<void> {
    const { name, namespace, uid, deletionTimestamp } = pod.metadata
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`
    if (pod.spec.nodeName === undefined) return
    if (deletionTimestamp !== undefined) {
      await this.ask('DELETE', path, { gracePeriodSeconds: 0, preconditions: { uid } })
      return
    }
    if (pod.status.phase === 'Running') return
    const now = new Date().toISOString()
    const types = ['Initialized', 'ContainersReady', 'Ready', 'PodScheduled']
    const containerStatuses = pod.spec.containers.map((container: { name: string; image: string }) => ({
      ...{ name: container.name, image: container.image, imageID: 'played', restartCount: 0 },
      ...{ ready: true, started: true, state: { running: { startedAt: now } } },
    }))
    const conditions = types.map(type => ({ type, status: 'True', lastTransitionTime: now }))
    const status = { phase: 'Running', startTime: now, podIP: '10.0.0.1', conditions, containerStatuses }
    // It may be gone, or a new one of its name.
    await this.ask('PATCH', `${path}/status`, { metadata: { uid }, status })
  }

  async close(): Promise<void> {
    this.#isOver = true
    await this.#kubelets
    // The API server's clients first, its store last.
    for (const child of this.#processes.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const exit = once(child, 'exit')
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await exit
      clearTimeout(timer)
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}
