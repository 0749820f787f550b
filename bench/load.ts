import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

interface LoadOptions {
  /** For what the generator needs to read. */
  folder: string
  core: string
  connections: number
}

/** What came of one run; latencies in milliseconds. */
export interface Answered {
  /** Answered 2xx. */
  requests: number
  failed: number
  p50: number
  p99: number
}

/** Posts bodies in turn, as fast as they are answered. */
export interface Load {
  name: string
  run(url: string, bodies: readonly string[], seconds: number): Promise<Answered>
}

/** wrk where it is installed, else autocannon, which takes more CPU for the same load. */
export function makeLoad(options: LoadOptions): Load {
  return spawnSync('wrk', ['-v']).error ? autocannon(options) : wrk(options)
}

function wrk({ folder, core, connections }: LoadOptions): Load {
  return {
    name: 'wrk',
    async run(url, bodies, seconds) {
      const script = join(folder, 'post.lua')
      const files = bodies.map((body, i) => {
        const file = join(folder, `body-${i}.json`)
        writeFileSync(file, body)
        return file
      })
      writeFileSync(
        script,
        `local files = {${files.map(file => `"${file}"`).join(',')}}
local requests, next = {}, 0
function init()
  local headers = { ["content-type"] = "application/json" }
  for i, file in ipairs(files) do
    requests[i] = wrk.format("POST", nil, headers, io.open(file, "rb"):read("*a"))
  end
end
function request()
  next = next % #requests + 1
  return requests[next]
end
function done(summary, latency)
  local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout
  io.write(string.format('{"requests":%d,"failed":%d,"p50":%f,"p99":%f}\\n', summary.requests - summary.errors.status, failed,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
`,
      )
      const args = [
        '-c',
        core,
        'wrk',
        '-t1',
        `-c${connections}`,
        `-d${seconds}s`,
        '--timeout',
        '20s',
        '-s',
        script,
        url,
      ]
      return checked(JSON.parse(/\{"requests.*\}/.exec(await output('taskset', args))?.[0] ?? '{}'))
    },
  }
}

function autocannon({ folder, core, connections }: LoadOptions): Load {
  const program = createRequire(import.meta.url).resolve('autocannon')
  return {
    name: 'autocannon',
    async run(url, bodies, seconds) {
      const script = join(folder, 'post.cjs')
      const requests = bodies.map(body => ({
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      }))
      writeFileSync(
        script,
        `require(${JSON.stringify(program)})(${JSON.stringify({ url, connections, duration: seconds, requests })}).then(result => {
  const { latency, non2xx, errors, timeouts } = result
  console.log(JSON.stringify({ requests: result['2xx'], failed: non2xx + errors + timeouts, p50: latency.p50, p99: latency.p99 }))
})`,
      )
      return checked(JSON.parse(await output('taskset', ['-c', core, process.execPath, script])))
    },
  }
}

async function output(command: string, args: string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  let text = ''
  child.stdout.on('data', chunk => {
    text += chunk
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${text}`)
  return text
}

function checked({ requests = 0, failed = 0, p50 = 0, p99 = 0 }): Answered {
  return { requests, failed, p50, p99 }
}
