/**
 * Runs the tests by lanes: `node .build/test/lanes.js [LANE...]`, the fast one if none is named. The last line says
 * which tests were not run, and the command for them.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { LANES, type Lane, notRun } from './support/lanes.js'
import { ROOT } from './support/service.js'

const { values, positionals } = parseArgs({
  options: { coverage: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const asked = positionals.length > 0 ? positionals : ['fast']
const folder = join(ROOT, '.build/test')
/** What was compiled from a source that is gone is left out. */
const tests = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
  file => file.endsWith('.test.js') && existsSync(join(ROOT, 'test', file.replace(/js$/, 'ts'))),
)
const isIn = (lane: Lane, file: string) =>
  lane.paths.some(path => file === path || file.startsWith(`${path}/`))
const lost = tests.filter(file => !Object.values(LANES).some(lane => isIn(lane, file)))
if (lost.length > 0) throw new Error(`these tests are in no lane: ${lost.join(', ')}`)

for (const name of asked) {
  const lane = LANES[name]
  if (!lane) throw new Error(`no lane is named ${name}: there are ${Object.keys(LANES).join(', ')}`)
  const files = tests.filter(file => isIn(lane, file))
  if (files.length === 0) throw new Error(`${folder} has no tests of lane ${name}`)
  const args = [
    '--test',
    '--test-reporter=spec',
    `--test-concurrency=${lane.concurrency}`,
    `--test-timeout=${lane.timeoutMs}`,
    ...(values.coverage ? ['--experimental-test-coverage'] : []),
    ...grouped(files.sort(), lane.grouped),
  ]
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' })
  if (status !== 0) process.exitCode = 1
}

console.log(notRun(asked))

/** The paths to run: a file that imports all files of a folder in the place of those that are grouped. */
function grouped(files: readonly string[], group: RegExp | undefined): string[] {
  const made = join(ROOT, '.build/groups')
  rmSync(made, { recursive: true, force: true })
  mkdirSync(made)
  const alone = files.filter(file => !group?.test(file)).map(file => join(folder, file))
  const folders = new Set(files.filter(file => group?.test(file)).map(file => dirname(file)))
  const groups = [...folders].map(name => {
    const path = join(made, `${name.replaceAll('/', '-')}.test.js`)
    const its = files.filter(file => dirname(file) === name)
    writeFileSync(path, its.map(file => `import '../test/${file}'\n`).join(''))
    return path
  })
  return [...groups, ...alone]
}
