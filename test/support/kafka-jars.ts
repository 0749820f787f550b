/**
 * Apache Kafka's jars, fetched once from Maven by their names, and our Java tool compiled against them. Both
 * live outside the checkout, so that a fresh clone or `git clean` costs no download.
 */
import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The oldest version that is supported, and the newest one that there is. Every test run has both. */
export const OLDEST_KAFKA = '1.1.1'
export const NEWEST_KAFKA = '4.4.0'
/** Those that the tests were run on. */
export const TESTED_KAFKAS = [OLDEST_KAFKA, '2.2.2', '2.8.2', '3.3.2', '3.9.1', NEWEST_KAFKA]

/** What the tests and measurements run against, unless they say otherwise. */
export const KAFKA_VERSION = process.env.KAFKA_VERSION || NEWEST_KAFKA

/** Of Java's client, which reads back what is stored: this version speaks to brokers of 0.10 to 4.x. */
const CLIENT_VERSION = '3.9.1'

/** Whether a version is older than another one. */
export function isBefore(version: string, other: string): boolean {
  const [a = 0, b = 0] = version.split('.').map(Number)
  const [c = 0, d = 0] = other.split('.').map(Number)
  return a < c || (a === c && b < d)
}

/** Compiled tests lie in `.build/test`; Java's sources stay where they were written. */
const TOOL_SOURCE = fileURLToPath(new URL('../../../test/java/KafkaTool.java', import.meta.url))

/** What the tests and measurements fetch once. */
export const ALL_CACHES = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'eventgate')

const OLD_ZOOKEEPER = `<dependencyManagement><dependencies>
    <dependency>
      <groupId>org.apache.zookeeper</groupId><artifactId>zookeeper</artifactId><version>3.4.10</version>
    </dependency>
  </dependencies></dependencyManagement>`

const CLIENT_CACHE = join(ALL_CACHES, `kafka-clients-${CLIENT_VERSION}`)

/**
 * Versions before 2.4 get the ZooKeeper client of 1.1. Later 3.4 clients parse an address from a text that Java 14 writes
 * differently. With slf4j-simple a broker that does not start says why; without a binding it would die silently.
 */
const pom = (artifact: string, version: string) => `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>eventgate</groupId><artifactId>test-kafka</artifactId><version>1</version><packaging>pom</packaging>
  ${isBefore(version, '2.4') ? OLD_ZOOKEEPER : ''}
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>${artifact}</artifactId><version>${version}</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`

/** Runs a program of the JDK or Maven. Without it the tests fail and say so; they never skip in silence. */
async function runTool(command: 'java' | 'javac' | 'mvn', args: string[]): Promise<void> {
  try {
    await run(command, args, { maxBuffer: 16 * 1024 * 1024 })
  } catch (thrown) {
    const error = thrown as NodeJS.ErrnoException & { stdout?: string; stderr?: string }
    if (error.code !== 'ENOENT') {
      throw new Error(`${command} failed: ${error.message}\n${error.stdout ?? ''}${error.stderr ?? ''}`)
    }
    throw new Error(
      `The tests against a real Kafka need ${command}, and it is not in PATH. They need a JDK 17 or newer ` +
        'and, for the first run, Maven. Debian: apt-get install default-jdk-headless maven; ' +
        'macOS: brew install openjdk maven. With Docker or another cluster, KAFKA_BROKERS=host:port serves ' +
        'the plain tests, but they read records back with Java too.',
    )
  }
}

/**
 * Makes a whole folder or nothing. Several test processes may start at once. Each fills its own folder, the first to
 * rename it wins, and the others use that one.
 */
export async function makeFolder(target: string, fill: (folder: string) => Promise<void>): Promise<string> {
  if (existsSync(target)) return target
  const folder = `${target}.${process.pid}.${randomBytes(4).toString('hex')}`
  await mkdir(folder, { recursive: true })
  try {
    await fill(folder)
    await rename(folder, target).catch(error => {
      if (!existsSync(target)) throw error
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  return target
}

async function fetchJars(cache: string, artifact: string, version: string): Promise<string> {
  await runTool('java', ['-version'])
  return makeFolder(join(cache, 'libs'), async folder => {
    const project = await mkdtemp(`${folder}.pom-`)
    try {
      await writeFile(join(project, 'pom.xml'), pom(artifact, version))
      await runTool('mvn', [
        '--quiet',
        '--batch-mode',
        `--file=${join(project, 'pom.xml')}`,
        'dependency:copy-dependencies',
        `-DoutputDirectory=${folder}`,
      ])
    } finally {
      await rm(project, { recursive: true, force: true })
    }
  })
}

const jars = new Map<string, Promise<string>>()
let tool: Promise<string> | undefined

/** Java's class path with jars in it. Fetches them if they are not in the cache. */
async function classPath(cache: string, artifact: string, version: string): Promise<string> {
  let fetched = jars.get(cache)
  if (!fetched) {
    fetched = fetchJars(cache, artifact, version)
    jars.set(cache, fetched)
  }
  return join(await fetched, '*')
}

/** Java's class path with a whole Kafka in it. */
export function kafkaClassPath(version: string = KAFKA_VERSION): Promise<string> {
  const scala = isBefore(version, '2.4') ? '2.12' : '2.13'
  return classPath(join(ALL_CACHES, `kafka-${version}`), `kafka_${scala}`, version)
}

/** Java's class path with `KafkaTool` beside Kafka's client. Compiles it if this version of its source is not yet. */
export async function toolClassPath(): Promise<string> {
  const libraries = await classPath(CLIENT_CACHE, 'kafka-clients', CLIENT_VERSION)
  tool ??= (async () => {
    const version = createHash('sha256')
      .update(await readFile(TOOL_SOURCE))
      .digest('hex')
      .slice(0, 16)
    return makeFolder(join(CLIENT_CACHE, `tool-${version}`), folder =>
      runTool('javac', ['-classpath', libraries, '-d', folder, TOOL_SOURCE]),
    )
  })()
  return `${libraries}:${await tool}`
}
