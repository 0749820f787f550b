/**
 * Installs the chart on a real API server, with each kind of storage for the spool, and rolls it. The pods of a
 * StatefulSet must keep their volumes. Takes some two minutes.
 *
 *   npm run pretest && node .build/helm/check-cluster.js
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { loadAll } from 'js-yaml'
import { ROOT } from '../test/support/service.js'
import { ControlPlane, type KubeObject } from './control-plane.js'
import { tool } from './prometheus.js'

const run = promisify(execFile)
const CHART = join(ROOT, 'helm/eventgate')
const VALUES = (name: string) => join(CHART, 'values', `${name}.yaml`)
const NODES = ['node-a', 'node-b']
const REPLICAS = 3
const CLASS = 'disks'

/** Where the API server has objects of a kind. */
const PATHS: Record<string, string> = {
  ConfigMap: 'api/v1|configmaps',
  Service: 'api/v1|services',
  ServiceAccount: 'api/v1|serviceaccounts',
  Deployment: 'apis/apps/v1|deployments',
  StatefulSet: 'apis/apps/v1|statefulsets',
  HorizontalPodAutoscaler: 'apis/autoscaling/v2|horizontalpodautoscalers',
  NetworkPolicy: 'apis/networking.k8s.io/v1|networkpolicies',
  PodDisruptionBudget: 'apis/policy/v1|poddisruptionbudgets',
}

/** One pod, and the disk that it has; undefined where it has no claim. */
interface Placed {
  uid: string
  node: string
  claim: string | undefined
  volume: string | undefined
}

class Release {
  readonly #plane: ControlPlane
  readonly #namespace: string
  readonly #values: readonly string[]

  constructor(plane: ControlPlane, namespace: string, values: readonly string[]) {
    this.#plane = plane
    this.#namespace = namespace
    this.#values = ['--set', `replicas=${REPLICAS}`, ...values]
  }

  /** In a namespace that refuses pods which do not comply with Pod Security "restricted", or warns of them. */
  async prepare(): Promise<void> {
    const labels = Object.fromEntries(
      ['enforce', 'warn'].map(mode => [`pod-security.kubernetes.io/${mode}`, 'restricted']),
    )
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: this.#namespace, labels } }
    await this.#plane.must('POST', '/api/v1/namespaces', namespace)
  }

  /** The API server accepts each object, with every field, and warns of nothing. */
  async dryRun(): Promise<void> {
    const manifest = await this.helm('template', [])
    for (const object of loadAll(manifest) as (KubeObject | null)[]) {
      if (!object || object.metadata.annotations?.['helm.sh/hook'] !== undefined) continue
      const [group, plural] = (PATHS[object.kind ?? ''] ?? '').split('|')
      if (!plural) throw new Error(`nothing is known of objects of the kind ${object.kind}`)
      const query = 'dryRun=All&fieldValidation=Strict'
      await this.#plane.must('POST', `/${group}/namespaces/${this.#namespace}/${plural}?${query}`, object)
    }
  }

  async helm(command: string, more: readonly string[]): Promise<string> {
    const own = command === 'uninstall' ? ['check'] : ['check', CHART, ...this.#values]
    const args = [command, ...own, '--namespace', this.#namespace, ...more]
    const env = { ...process.env, KUBECONFIG: this.#plane.kubeconfig }
    const { stdout } = await run(tool('helm'), args, { env, maxBuffer: 64 * 1024 ** 2 })
    return stdout
  }

  async of(path: string): Promise<KubeObject[]> {
    const [group, plural] = path.split('|')
    return this.#plane.list(`/${group}/namespaces/${this.#namespace}/${plural}`)
  }

  claims(): Promise<KubeObject[]> {
    return this.of('api/v1|persistentvolumeclaims')
  }

  /** The pods that run, by name. */
  async pods(): Promise<Map<string, Placed>> {
    const claims = new Map((await this.claims()).map(claim => [claim.metadata.name, claim]))
    const pods = (await this.of('api/v1|pods')).filter(({ metadata }) => !metadata.deletionTimestamp)
    return new Map(
      pods.map(({ metadata, spec }) => {
        const volume = spec.volumes.find(({ name }: { name: string }) => name === 'spool')
        const claim = claims.get(volume?.persistentVolumeClaim?.claimName)
        const placed = { uid: metadata.uid as string, node: spec.nodeName as string }
        return [metadata.name, { ...placed, claim: claim?.metadata.uid, volume: claim?.spec.volumeName }]
      }),
    )
  }
}

function check(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(`not so: ${what}`)
}

/** Disks of nodes, as a provisioner of local volumes would have them. */
async function addDisks(plane: ControlPlane, count: number): Promise<void> {
  await plane.must('POST', '/apis/storage.k8s.io/v1/storageclasses', {
    ...{ apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass' },
    metadata: { name: CLASS, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    ...{ provisioner: 'kubernetes.io/no-provisioner', volumeBindingMode: 'WaitForFirstConsumer' },
  })
  for (let i = 0; i < count; i++) {
    const here = { key: 'kubernetes.io/hostname', operator: 'In', values: [NODES[i % NODES.length]] }
    await plane.must('POST', '/api/v1/persistentvolumes', {
      ...{ apiVersion: 'v1', kind: 'PersistentVolume', metadata: { name: `disk-${i}` } },
      spec: {
        ...{ capacity: { storage: '100Gi' }, accessModes: ['ReadWriteOnce'], storageClassName: CLASS },
        ...{ persistentVolumeReclaimPolicy: 'Retain', local: { path: `/disks/${i}` } },
        nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [here] }] } },
      },
    })
  }
}

const WAIT = ['--wait', '--timeout', '120s']
/** A change that every pod must take up. */
const CHANGED = [...WAIT, '--set', 'logging.level=warn']

async function checkPersistent(plane: ControlPlane): Promise<void> {
  console.log('== persistent: a StatefulSet with a claim for each pod')
  const release = new Release(plane, 'persistent', ['--values', VALUES('main')])
  await release.prepare()
  await release.dryRun()
  await release.helm('install', WAIT)
  const before = await release.pods()
  check(before.size === REPLICAS, `${REPLICAS} pods run: ${[...before.keys()]}`)
  check((await release.of(PATHS.Deployment as string)).length === 0, 'there is no Deployment')
  const volumes = new Set([...before.values()].map(({ volume }) => volume))
  check(volumes.size === REPLICAS && !volumes.has(undefined), 'each pod has a volume of its own')

  await release.helm('upgrade', CHANGED)
  const after = await release.pods()
  checkKept(before, after)
  const [first = ''] = after.keys()
  await plane.must('DELETE', `/api/v1/namespaces/persistent/pods/${first}?gracePeriodSeconds=0`)
  await until(async () => {
    const { uid } = (await release.pods()).get(first) ?? {}
    return uid !== undefined && uid !== after.get(first)?.uid
  }, 'a pod that is deleted by force comes back')
  await until(async () => (await release.pods()).get(first)?.node !== undefined, 'it has a node')
  checkKept(new Map([[first, after.get(first) as Placed]]), await release.pods())

  await release.helm('uninstall', ['--wait', '--timeout', '60s'])
  check((await release.claims()).length === REPLICAS, 'claims stay when the release is gone')
  console.log(`rolled ${REPLICAS} pods: each kept its volume and its node`)
}

/** Each pod is a new one, with the claim, the volume and the node of the one before. */
function checkKept(before: ReadonlyMap<string, Placed>, after: ReadonlyMap<string, Placed>): void {
  for (const [name, was] of before) {
    const now = after.get(name)
    check(now !== undefined && now.uid !== was.uid, `${name} is replaced`)
    const kept = [now?.claim, now?.volume, now?.node].join() === [was.claim, was.volume, was.node].join()
    check(kept, `${name} keeps its volume: ${JSON.stringify([was, now])}`)
  }
}

async function checkEmptyDir(plane: ControlPlane): Promise<void> {
  console.log('== emptyDir: a Deployment whose pods have a disk')
  const release = new Release(plane, 'emptydir', ['--values', VALUES('analytics')])
  await release.prepare()
  await release.dryRun()
  await release.helm('install', WAIT)
  const before = await release.pods()
  await release.helm('upgrade', CHANGED)
  const after = await release.pods()
  check(before.size === REPLICAS && after.size === REPLICAS, `${REPLICAS} pods run`)
  check(
    [...before.keys()].every(name => !after.has(name)),
    'every pod is replaced',
  )
  const pods = await release.of('api/v1|pods')
  const sizes = pods.map(({ spec }) => {
    const volume = spec.volumes.find(({ name }: { name: string }) => name === 'spool')
    return volume?.emptyDir?.sizeLimit
  })
  check(
    sizes.every(size => size === '5Gi'),
    `each pod has an emptyDir of 5Gi: ${sizes}`,
  )
  check((await release.claims()).length === 0, 'there are no claims')

  console.log('== from emptyDir to persistent, and to no spool')
  await release.helm('upgrade', [...WAIT, '--set', 'spool.storage=persistent,autoscaling.enabled=false'])
  check((await release.of(PATHS.Deployment as string)).length === 0, 'the Deployment is gone')
  check((await release.claims()).length === REPLICAS, 'each pod has a claim')
  await release.helm('upgrade', [...WAIT, '--set', 'spool.storage=none'])
  check((await release.of(PATHS.StatefulSet as string)).length === 0, 'the StatefulSet is gone')
  await release.helm('uninstall', ['--wait', '--timeout', '60s'])
}

async function checkDefaults(plane: ControlPlane): Promise<void> {
  console.log('== the defaults: no spool')
  const release = new Release(plane, 'defaults', [])
  await release.prepare()
  await release.dryRun()
  await release.helm('install', WAIT)
  const pods = await release.of('api/v1|pods')
  const has = pods.some(({ spec }) => spec.volumes.some(({ name }: { name: string }) => name === 'spool'))
  check(pods.length === REPLICAS && !has, 'no pod has a spool')
  await release.helm('uninstall', ['--wait', '--timeout', '60s'])
}

async function until(test: () => Promise<boolean>, what: string): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; await new Promise(done => setTimeout(done, 200)))
    if (await test()) return
  throw new Error(`not within a minute: ${what}`)
}

async function main(): Promise<number> {
  let plane: ControlPlane | undefined
  try {
    plane = await ControlPlane.start(NODES)
    await addDisks(plane, 2 * REPLICAS)
    await checkDefaults(plane)
    await checkPersistent(plane)
    await checkEmptyDir(plane)
    console.log('all is well')
    return 0
  } catch (error) {
    console.error(`check-cluster: ${(error as Error).message}`)
    return 1
  } finally {
    await plane?.close()
  }
}

process.exit(await main())
