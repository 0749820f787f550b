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

export const KAFKA_VERSION = '4.2.0'

/** Compiled tests lie in `.build/test`; Java's sources stay where they were written. */
const TOOL_SOURCE = fileURLToPath(new URL('../../test/java/KafkaTool.java', import.meta.url))

/** What the tests and measurements fetch once. */
export const ALL_CACHES = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'eventgate')

const CACHE = join(ALL_CACHES, `kafka-${KAFKA_VERSION}`)

/** slf4j-simple, so that a broker that does not start says why: with no binding it would die in silence. */
const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>eventgate</groupId><artifactId>test-kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version>
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
 * Makes a folder as a whole or not at all. Several test processes may start at once: each fills a folder of its
 * own, the first to rename it wins, and the others take the winner's.
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

async function fetchJars(): Promise<string> {
  await runTool('java', ['-version'])
  return makeFolder(join(CACHE, 'libs'), async folder => {
    const project = await mkdtemp(`${folder}.pom-`)
    try {
      await writeFile(join(project, 'pom.xml'), POM)
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

let jars: Promise<string> | undefined
let tool: Promise<string> | undefined

/** Java's class path with a whole Kafka in it. Fetches it if it is not in the cache. */
export async function kafkaClassPath(): Promise<string> {
  jars ??= fetchJars()
  return join(await jars, '*')
}

/** Java's class path with `KafkaTool` beside Kafka. Compiles it if this version of its source is not yet. */
export async function toolClassPath(): Promise<string> {
  const libraries = await kafkaClassPath()
  tool ??= (async () => {
    const version = createHash('sha256')
      .update(await readFile(TOOL_SOURCE))
      .digest('hex')
      .slice(0, 16)
    return makeFolder(join(CACHE, `tool-${version}`), folder =>
      runTool('javac', ['-classpath', libraries, '-d', folder, TOOL_SOURCE]),
    )
  })()
  return `${libraries}:${await tool}`
}
