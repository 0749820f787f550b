import type { BatchFault, SimBroker, SimCluster, SimPartition } from './cluster.js'

/** What the faults need of the load: events that come in numbers, to something that takes none. */
export type Flood = (topic: string, ms: number) => void

/** Answers that brokers give for one batch, each of them true where it says that nothing was appended. */
const REFUSALS: readonly BatchFault[] = [19, 6, 3, 5, 2, 29, 10, 42, 87, 45, 47, 59, 56, -1, 77].map(
  code => ({ code }),
)
const OPEN: readonly BatchFault[] = [
  { code: 7, append: true },
  { code: 20, append: true },
  { code: 56, append: true },
  { code: -1, append: true },
  { code: 6, append: true, offset: true },
  { code: 77, append: true },
  { code: 0, append: true, missing: true },
  { code: 3, missing: true },
]

type Fault = (cluster: SimCluster, flood: Flood) => Promise<void> | void

const seconds = (cluster: SimCluster, low: number, high: number) => cluster.between(1000 * low, 1000 * high)
const broker = (cluster: SimCluster): SimBroker => cluster.pick(cluster.brokers)
const partition = (cluster: SimCluster): SimPartition => cluster.pick(cluster.partitions)

/** What goes wrong, by name, and how often in relation to the others. Each ends by itself. */
export const FAULTS: Readonly<Record<string, readonly [weight: number, fault: Fault]>> = {
  'a broker is stopped': [3, c => c.pause(broker(c), seconds(c, 0.3, 25))],
  'a broker is killed': [3, c => onlyUp(c, b => c.kill(b, seconds(c, 0.5, 20)))],
  'a broker is restarted': [2, c => onlyUp(c, b => c.shutDown(b, seconds(c, 1, 10)))],
  'all brokers are restarted': [0.3, c => restartAll(c)],
  'a follower is slow': [4, c => slowly(c, 'followMs', c.between(50, 5000))],
  'a broker is slow': [4, c => slowly(c, 'slowMs', c.between(50, 7000))],
  'a broker throttles': [2, c => slowly(c, 'throttleMs', c.between(50, 5000))],
  'a broker hears news late': [2, c => slowly(c, 'newsMs', c.between(500, 15_000))],
  'a broker is cut off from the others': [3, c => c.isolate(broker(c), seconds(c, 0.5, 30))],
  'the network to a broker swallows all': [3, c => c.mute(broker(c), seconds(c, 0.5, 20))],
  'connections break': [3, c => flaky(c)],
  'all connections to a broker end': [3, c => reset(c)],
  'metadata is not answered': [2, c => silent(c)],
  'the controller fails over': [2, c => c.failController(seconds(c, 1, 12))],
  'no producer ids': [1, c => noIds(c)],
  'a partition answers anything': [6, c => anything(c)],
  'a partition refuses': [3, c => refuses(c)],
  'partitions move': [4, c => move(c)],
  'an unclean election': [1, c => c.electUnclean(partition(c))],
  'partitions are added': [1, c => grow(c)],
  'a topic is deleted, and made anew': [1, c => recreate(c)],
  'a broker moves to another address': [1, c => readdress(c)],
  'two brokers swap addresses': [0.5, c => swap(c)],
  'a flood to something sick': [2, (c, flood) => floodSick(c, flood)],
  'a flood to nothing': [0.5, (c, flood) => flood('never', seconds(c, 5, 30))],
}

/** One of them, at random. */
export function anyFault(cluster: SimCluster): [name: string, fault: Fault] {
  const all = Object.entries(FAULTS)
  let left = cluster.random() * all.reduce((sum, [, [weight]]) => sum + weight, 0)
  for (const [name, [weight, fault]] of all) {
    left -= weight
    if (left < 0) return [name, fault]
  }
  throw new Error('the weights do not add up')
}

async function onlyUp(cluster: SimCluster, act: (broker: SimBroker) => Promise<void>): Promise<void> {
  const up = cluster.brokers.filter(({ works }) => works)
  // Two of five that are down at a time are enough to make partitions leaderless.
  if (up.length >= cluster.brokers.length - 1) await act(cluster.pick(up))
}

async function restartAll(cluster: SimCluster): Promise<void> {
  for (const each of cluster.brokers) {
    if (!each.works) continue
    await cluster.shutDown(each, seconds(cluster, 1, 5))
    await cluster.clock.sleep(seconds(cluster, 2, 10))
  }
}

async function slowly(
  cluster: SimCluster,
  what: 'followMs' | 'slowMs' | 'throttleMs' | 'newsMs',
  ms: number,
): Promise<void> {
  const one = broker(cluster)
  await cluster.fault(one, seconds(cluster, 5, 60), on => {
    one[what] = on ? ms : 0
  })
}

async function flaky(cluster: SimCluster): Promise<void> {
  const one = broker(cluster)
  await cluster.fault(one, seconds(cluster, 2, 20), on => {
    one.resets = on ? 0.1 + 0.5 * cluster.random() : 0
  })
}

async function reset(cluster: SimCluster): Promise<void> {
  const one = broker(cluster)
  await cluster.fault(one, 1, on => {
    if (on) for (const connection of [...one.connections]) connection.reset('read ECONNRESET')
  })
}

async function silent(cluster: SimCluster): Promise<void> {
  const some = cluster.brokers.filter(() => cluster.random() < 0.5)
  for (const each of some) each.isControlSick = true
  cluster.noteControl()
  await cluster.clock.sleep(seconds(cluster, 0.5, 20))
  for (const each of some) each.isControlSick = false
  cluster.noteControl()
}

async function noIds(cluster: SimCluster): Promise<void> {
  cluster.idCode = cluster.pick([14, 15, 16, -1])
  cluster.noteControl()
  await cluster.clock.sleep(seconds(cluster, 1, 10))
  cluster.idCode = 0
  cluster.noteControl()
}

async function sicken(cluster: SimCluster, fault: () => BatchFault | undefined): Promise<void> {
  const ill = partition(cluster)
  if (ill.fault) return
  ill.fault = fault
  cluster.disturb(ill)
  await cluster.clock.sleep(seconds(cluster, 0.5, 30))
  ill.fault = undefined
  cluster.disturb(ill)
}

function anything(cluster: SimCluster): Promise<void> {
  const chance = cluster.random()
  return sicken(cluster, () =>
    cluster.random() < chance ? cluster.pick([...REFUSALS, ...OPEN, ...OPEN]) : undefined,
  )
}

function refuses(cluster: SimCluster): Promise<void> {
  const fault = { code: cluster.pick([19, 6, 3, 5, 56, -1]) }
  return sicken(cluster, () => fault)
}

async function move(cluster: SimCluster): Promise<void> {
  const chance = cluster.pick([0.01, 0.1, 0.5])
  for (const each of cluster.partitions) if (cluster.random() < chance) cluster.move(each)
}

function grow(cluster: SimCluster): void {
  const topic = cluster.pick([...cluster.topics.values()])
  if (cluster.hasController) cluster.addPartitions(topic, cluster.between(1, 3))
}

async function recreate(cluster: SimCluster): Promise<void> {
  const { name, options, partitions } = cluster.pick([...cluster.topics.values()])
  if (!cluster.hasController) return
  cluster.deleteTopic(name)
  await cluster.clock.sleep(seconds(cluster, 0.5, 15))
  while (!cluster.hasController) await cluster.clock.sleep(100)
  if (!cluster.topics.has(name)) cluster.createTopic(name, cluster.between(1, partitions.length), options)
}

async function readdress(cluster: SimCluster): Promise<void> {
  await onlyUp(cluster, async one => {
    const stopped = cluster.shutDown(one, seconds(cluster, 1, 10))
    await cluster.clock.sleep(900)
    one.address = `broker-${one.id}:${9000 + cluster.between(1, 900)}`
    await stopped
  })
}

/** Both are killed, and each comes back where the other was. */
async function swap(cluster: SimCluster): Promise<void> {
  if (!cluster.brokers.every(({ works }) => works)) return
  const one = broker(cluster)
  const other = cluster.pick(cluster.brokers.filter(each => each !== one))
  const stopped = [cluster.kill(one, 2000), cluster.kill(other, 2000)]
  const { address } = one
  one.address = other.address
  other.address = address
  await Promise.all(stopped)
}

async function floodSick(cluster: SimCluster, flood: Flood): Promise<void> {
  const ms = seconds(cluster, 10, 40)
  const { topic } = partition(cluster)
  const code = cluster.pick([19, 6, 5])
  const ill = topic.partitions.filter(each => !each.fault)
  for (const each of ill) {
    each.fault = () => ({ code })
    cluster.disturb(each)
  }
  flood(topic.name, ms)
  await cluster.clock.sleep(ms)
  for (const each of ill) {
    each.fault = undefined
    cluster.disturb(each)
  }
}
